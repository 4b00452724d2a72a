"""The page in Chromium: the slider's numbers are the Python call's, and everyone can read it."""

from __future__ import annotations

import time

import pytest

from tradeoffbounds.page import render_page
from tradeoffbounds.page.cells import interval_text, shown

from .conftest import PATIENCE
from .pages import committed

pytestmark = pytest.mark.browser
ESTIMATE, AUDIT, VALIDATE, CASE_TWO, STUDY = (
    "two_system_prompts/estimate.json", "audited_fine_tune/audit.json", "teacher_mode/validate.json",
    "methods_compared/case_two.json", "audited_study/study.json",
)  # fmt: skip
_GAPS = {"Safety gap": "safety_gap", "Proxy gap": "proxy_gap", "Capability gap": "capability_gap", "Total": "total"}
_LINES = {
    "Best guess": lambda row, gap: row["predicted"][gap],
    "Bracket, lower end": lambda row, gap: row["bracket"][gap]["lower"],
    "Bracket, upper end": lambda row, gap: row["bracket"][gap]["upper"],
    "Certificate": lambda row, gap: row["certificate"].get(gap),
    "Theorem 1, paper": lambda row, gap: row["theorem1"]["paper"],
    "Theorem 1, refined": lambda row, gap: row["theorem1"]["refined"],
    "Theorem 2, paper": lambda row, gap: row["theorem2"]["paper"],
    "Theorem 2, refined": lambda row, gap: row["theorem2"]["refined"],
    "Classifier bound": lambda row, gap: row["classifier_bound"],
}
_READ = """root => [...root.querySelectorAll('.choice:not([hidden]) .card')].flatMap(card =>
  [...card.querySelectorAll('.line')].map(line => [
    card.querySelector('h3, h4').textContent, line.querySelector('dt').textContent,
    ...['.number', '.interval', '.kind'].map(part => line.querySelector(part)?.textContent ?? '')]))"""


def until(page, expression):
    """Wait for it from outside: the page's policy allows no evaluation within."""
    deadline = time.monotonic() + PATIENCE / 1000
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(50)


def move(page, position):
    """Put the first slider where its output says ``position``, step by step as a hand would."""
    slider = page.locator("input[type=range]:visible").first
    places = page.evaluate("PAGE.explorers[0].choices[0].positions")
    slider.evaluate(
        "(slider, at) => { slider.value = at; slider.dispatchEvent(new Event('input', {bubbles: true})); }",
        places.index(position),
    )
    assert page.locator(".position").first.text_content() == position


def test_the_slider_shows_what_the_python_call_gives(show, estimated):
    record = estimated(0.3, 1.0).record
    page = show(render_page(record))
    explorer = page.locator("[data-explorer]").first
    penalties = (0.001, 0.05, 0.3, 7.0, 1000.0)
    rows = {row["penalty"]: row for row in estimated(*penalties).record["loss_constraint"]}
    seen = set()
    for penalty in penalties:
        move(page, f"{penalty:g}")
        lines = explorer.evaluate(_READ)
        assert {title for title, *_ in lines} == set(_GAPS)
        for title, label, text, interval, kind in lines:
            quantity = _LINES[label](rows[penalty], _GAPS[title])
            if quantity is None:
                assert (title, label, text) == ("Safety gap", "Certificate", "none possible")
                continue
            seen.add(label)
            assert (text, interval, kind) == (shown(quantity), interval_text(quantity), quantity["kind"])
    assert seen == set(_LINES)


def test_the_slider_moves_the_marks_of_the_charts_and_is_said(show):
    record = committed(ESTIMATE)[0]
    page = show(committed(ESTIMATE)[1])
    page.locator("input[type=range]").first.focus()
    page.keyboard.press("Home")
    assert page.locator(".position").first.text_content() == "0.1"
    first = page.locator("[data-chart]").nth(1)
    line = "chart => chart.data.at(-2).x[0]"
    assert first.evaluate(line) == record["loss_constraint"][0]["penalty"]
    page.get_by_role("button", name="λ = 10", exact=True).click()
    assert first.evaluate(line) == 10
    assert page.locator("input[type=range]").first.get_attribute("aria-valuetext") == "λ = 10"
    until(page, "document.querySelector('[role=status]').textContent.startsWith('λ = 10. ')")


def test_radii_and_methods_are_chosen(show):
    record = committed(CASE_TWO)[0]
    page = show(committed(CASE_TWO)[1])
    methods = [record["parameter_constraint"], *record["other_methods"]]
    for place, method in enumerate(methods):
        page.locator("select").first.select_option(str(place))
        lines = page.locator("[data-explorer]").first.evaluate(_READ)
        start = page.locator(".choice:not([hidden]) .position").text_content()
        (at,) = [each for each in method["radii"] if f"{each['radius']:.12g}" == start]
        found = {label: (text, kind) for title, label, text, _, kind in lines if title == "Safety gap in the ball"}
        for form in ("paper", "refined"):
            quantity = at["theorem3"][form]
            assert found[f"Theorem 3, {form}"] == (shown(quantity), quantity["kind"])
        assert page.locator(".choice:not([hidden]) .main-svg").count() > 0


def test_tables_sort_by_their_numbers(show):
    page = show(committed(VALIDATE)[1])
    table = page.locator("table", has=page.get_by_text("Observed gaps after the fine-tune")).first
    heading = table.locator("th", has_text="Safety gap").first
    column = "table => [...table.tBodies[0].rows].map(row => Number(row.cells[1].dataset.order))"
    heading.locator("button.sort").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    rising = table.evaluate(column)
    assert rising == sorted(rising) and len(set(rising)) > 1
    heading.locator("button.sort").press("Enter")
    assert heading.get_attribute("aria-sort") == "descending" and table.evaluate(column) == rising[::-1]


def test_notes_come_on_hover_focus_and_tap_and_go_on_escape(show):
    page = show(committed(AUDIT)[1])
    bubble, number = page.locator("#bubble"), page.locator("td button.number:visible").first
    number.hover()
    bubble.wait_for(state="visible")
    assert "Harmfulness rate" in bubble.text_content() and "measured" in bubble.text_content()
    page.keyboard.press("Escape")
    bubble.wait_for(state="hidden")
    page.mouse.move(0, 0)
    number.focus()
    page.keyboard.press("ArrowRight")
    bubble.wait_for(state="visible")
    assert page.evaluate("document.activeElement.matches('td button.number')")
    assert page.evaluate("document.activeElement.tabIndex") == 0 and number.get_attribute("tabindex") == "-1"
    described = page.evaluate(
        "document.getElementById(document.activeElement.getAttribute('aria-describedby')).textContent"
    )
    assert "Harmfulness rate" in described
    phone = show(committed(AUDIT)[1], viewport={"width": 375, "height": 700}, has_touch=True)
    phone.locator("td button.number:visible").first.tap()
    phone.locator("#bubble").wait_for(state="visible")
    box = phone.locator("#bubble").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 375


@pytest.mark.parametrize("name", [ESTIMATE, AUDIT, VALIDATE, STUDY])
def test_no_serious_fault_of_accessibility_and_no_sideways_scrolling(name, show):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-core").Axe()
    page = show(committed(name)[1])
    for width in (1280, 375):
        page.set_viewport_size({"width": width, "height": 800})
        until(page, f"[...document.querySelectorAll('.main-svg')].every(each => each.clientWidth <= {width})")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            violations = axe.run(page).response["violations"]
            serious = [each for each in violations if each["impact"] in ("serious", "critical")]
            assert [(each["id"], each["nodes"][0]["html"]) for each in serious] == []


def test_dark_charts_have_other_colours(show):
    page = show(committed(ESTIMATE)[1], color_scheme="dark")
    chart = page.locator("[data-chart]").first
    dark = chart.evaluate("chart => [chart.layout.font.color, chart.data[0].line.color]")
    page.emulate_media(color_scheme="light")
    until(page, f"CHARTS.keys().next().value.layout.font.color !== '{dark[0]}'")
    light = chart.evaluate("chart => [chart.layout.font.color, chart.data[0].line.color]")
    assert dark[0] != light[0] and dark[1] != light[1]


def test_print_shows_the_slider_as_its_value_and_folds_nothing(show):
    page = show(committed(ESTIMATE)[1])
    page.emulate_media(media="print")
    until(page, "document.querySelectorAll('details:not([open])').length === 0")
    assert not page.locator("input[type=range]").first.is_visible()
    assert page.locator("output").first.is_visible() and page.locator(".position").first.text_content() == "1"
    page.emulate_media(media="screen")
    until(page, "document.querySelectorAll('details[open]').length === 0")


def test_stand_ins_cannot_be_missed_on_paper_either(show):
    record = committed(ESTIMATE)[0] | {"sources": {
        role: source | {"stand_in_for": "orca"} for role, source in committed(ESTIMATE)[0]["sources"].items()
    }}  # fmt: skip
    page = show(render_page(record))
    warning = page.get_by_role("alert")
    assert warning.is_visible() and "STAND-IN" in warning.text_content()
    assert warning.bounding_box()["y"] < page.get_by_role("heading", name="Verdict").bounding_box()["y"]
    page.emulate_media(media="print")
    assert warning.is_visible()


def test_names_from_records_run_nothing(show):
    record = committed(ESTIMATE)[0] | {"verdict": ["</script><script>alert(1)</script>"]}
    record["sources"] = {role: source | {"name": record["verdict"][0]} for role, source in record["sources"].items()}
    page = show(render_page(record))
    page.on("dialog", lambda dialog: pytest.fail("a script of the record ran"))
    assert page.locator(".verdict li").first.text_content() == record["verdict"][0]
