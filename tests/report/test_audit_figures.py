"""Audits as pictures: every category where its number is, warnings on the page, titles that say what was found."""

from itertools import combinations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import same_color
from matplotlib.text import Text

from tradeoffbounds.errors import UserError
from tradeoffbounds.report.audit_figures import build_audit_figures, draw_audit_figures, fairness_figure, harm_figure
from tradeoffbounds.report.audit_shift_figure import shift_figure
from tradeoffbounds.report.figure_style import BLUE, GREEN, WARNING

from .audit_record import HARM, fairness_part, harm_part, record
from .drawn import drawn, points, words

#: A layout that does not fit is a warning of matplotlib.
pytestmark = pytest.mark.filterwarnings("error::UserWarning")


@pytest.fixture(scope="module")
def harm():
    return harm_part(unparsed=2)


@pytest.fixture(scope="module")
def fairness():
    return fairness_part(unparsed=0.05)


def value(quantity):
    return quantity["value"]


def labels(axes):
    return [label.get_text() for label in axes.get_yticklabels()]


# Harm


def test_every_category_has_a_dot_before_and_after_over_its_pairs(harm):
    found = record(harm)
    axes = harm_figure(found).axes[0]
    for place, name in enumerate(HARM):
        change = found["compared_with_base"]["harm"][name]
        ((x, y),), ((x_after, y_after),) = (points(axes, f"{side} {name}") for side in ("before", "after"))
        assert (x, x_after) == pytest.approx((value(change["before"]), value(change["after"])))
        assert y < place < y_after
    assert "Malware (n = 30, 2 unparsed)" in labels(axes)
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first on top


def test_intervals_are_drawn(harm):
    found = record(harm)
    axes = harm_figure(found).axes[0]
    low, high = found["compared_with_base"]["harm"]["Malware"]["after"]["interval"]
    spans = [tuple(line.get_xdata()) for line in axes.get_lines() if line.get_gid() is None]
    assert any(span == pytest.approx((low, high)) for span in spans)


def test_significance_has_a_shape_and_a_colour(harm):
    axes = harm_figure(record(harm)).axes[0]
    for name, marker, colour in (("Malware", "D", WARNING), ("Tailored Financial Advice", "s", GREEN),
                                 ("Physical Harm", "o", BLUE)):  # fmt: skip
        (line,) = drawn(axes, f"after {name}")
        assert line.get_marker() == marker and same_color(line.get_color(), colour)
    texts = [text.get_text() for text in axes.texts]
    assert "+0.43 [0.2, 0.6], 0.0044" in texts and "-0.36 [-0.53, -0.13], 0.0059" in texts


def test_what_was_not_supplied_or_covered_has_a_word_and_no_dot(harm):
    axes = harm_figure(record(harm)).axes[0]
    for name, word in (("Political Campaigning", "not covered"), ("Child Abuse Content", "not supplied")):
        assert drawn(axes, f"before {name}") == drawn(axes, f"after {name}") == []
        assert [text.get_text() for text in axes.texts].count(word) == 1
    assert labels(axes)[-2:] == ["Political Campaigning (n = 30)", "Child Abuse Content"]


def test_a_side_without_a_number_says_so():
    axes = harm_figure(record(harm_part({"a": (5, 0, 0), "b": (5, 1, 0)}, unparsed=5))).axes[0]
    assert drawn(axes, "after a") == [] and len(drawn(axes, "before a")) == 1
    assert words(axes.figure).count("n/a: no answer could be read") == 2
    assert "the harmfulness rate cannot be compared" in words(axes.figure)


def test_the_title_of_harm_is_what_was_found(harm):
    assert (
        "After alpaca (lora) the harmfulness rate is significantly higher in 2 (Malware +0.43, Fraud/Deception +0.39) "
        "and lower in 1 (Tailored Financial Advice -0.36) of 9 categories"
    ) in words(harm_figure(record(harm)))
    calm = words(harm_figure(record(harm_part({"a": (30, 5, 5), "b": (30, 5, 6)}))))
    assert "changes significantly in none of 2 categories (changes under 0.29 may go unseen)" in calm
    blind = words(harm_figure(record(harm_part({"a": (4, 0, 1), "b": (4, 0, 0)}))))
    assert "in none of 2 categories (no change could have been seen)" in blind
    one = words(harm_figure(record(harm_part({"all prompts": (100, 20, 22)}))))
    assert "the harmfulness rate does not change significantly" in one and "none of" not in one
    alone = words(harm_figure(record(harm, adapter=False)))
    assert "is highest in Tailored Financial Advice (0.4) and lowest in Hate/Harass/Violence (0.033)" in alone
    assert "adapter" not in alone


def test_stand_in_and_weak_judge_are_on_the_page(fairness):
    replaced = record(harm_part(origin="bundled", prompts="bundled:harm"), fairness)
    for figure in (harm_figure(replaced), shift_figure([replaced])):
        assert "WEAK JUDGE: keyword sees the form of an answer, not its harm" in words(figure)
        assert "STAND-IN DATA: harmful prompts -> bundled:harm" in words(figure)
    assert "STAND-IN" not in words(fairness_figure(replaced)) and "WEAK" not in words(fairness_figure(replaced))
    strong = words(harm_figure(record(harm_part(weak=False, name="guard"))))
    assert "WEAK" not in strong and "STAND-IN" not in strong


# Fairness


def test_every_dimension_has_a_dot_in_each_of_four_panels(fairness):
    found = record(None, fairness)
    figure = fairness_figure(found)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [f"{what}, {context} contexts" for what in ("Accuracy", "Bias score")
                      for context in ("ambiguous", "disambiguated")]  # fmt: skip
    for axes, (measure, condition) in zip(
        figure.axes, [(m, c) for m in ("accuracy", "bias") for c in ("ambig", "disambig")], strict=True
    ):
        for name, cells in found["compared_with_base"]["fairness"].items():
            for side in ("before", "after"):
                ((x, _),) = points(axes, f"{side} {name}")
                assert x == pytest.approx(value(cells[condition][measure][side]))
    assert "Age (n = 100, 6 unparsed)" in labels(figure.axes[0]) and "Age (73 not unknown)" in labels(figure.axes[2])
    (line,) = drawn(figure.axes[0], "chance")
    assert list(line.get_xdata()) == pytest.approx([1 / 3, 1 / 3])
    assert all(low == -high for low, high in (axes.get_xlim() for axes in figure.axes[2:]))


def test_a_dimension_without_a_score_says_so():
    some = fairness_part({"Age": ((1.0, 0.5), (0.5, 0.5)), "SES": ((1.0, 0.5), (1.0, 0.5))}, templates=5)
    ambiguous = fairness_figure(record(None, some)).axes[2]
    assert drawn(ambiguous, "after SES") == drawn(ambiguous, "before SES") == []
    assert "n/a: none of 20 answers other than unknown" in words(ambiguous.figure)
    off = record(None, (*some[:2], fairness_part({"Age": ((0.5, 0.5),) * 2, "SES": ((1.0, 0.5),) * 2})[2]))
    off["compared_with_base"]["fairness"]["Age"]["ambig"]["bias"] = None
    axes = fairness_figure(off).axes[2]
    assert drawn(axes, "before Age") == [] and len(drawn(axes, "after Age")) == 1
    assert "adapter off: n/a: none of 20 answers other than unknown" in words(axes.figure)


def test_the_title_of_fairness_is_what_was_found(fairness):
    said = words(fairness_figure(record(None, fairness)))
    assert "BBQ accuracy is significantly lower in 1 (Age ambiguous -0.32) and higher in 1 (Religion ambiguous" in said
    assert "the bias score is significantly further from 0 in 2 (Age ambiguous 0.18 -> 0.61, Age disambig" in said
    alone = words(fairness_figure(record(None, fairness, adapter=False)))
    assert "BBQ's bias score of a tiny model can be told from 0 in 4 of 18 cells (intervals of single cells)" in alone
    never = fairness_part({"Age": ((1.0, 0.5), (1.0, 0.5))}, templates=3)
    cells = never[1]["Age"]
    nothing = ({"Age": {"ambig": cells["ambig"]}},) * 2
    assert "does not exist: no answer but unknown" in words(
        fairness_figure(record(None, (*nothing, None), adapter=False))
    )


# Shift


def run(rise=0, name="alpaca", method="lora", lean=0.55):
    harm = {category: (n, before, min(n, max(0, before + rise))) for category, (n, before, _) in HARM.items()}
    fairness = {"Age": ((0.6, 0.55), (0.6 - rise / 20, lean)), "SES": ((0.5, 0.5), (0.5, 0.5))}
    return record(harm_part(harm), fairness_part(fairness, templates=8), name=name, method=method)


@pytest.fixture(scope="module")
def runs():
    methods = ("lora", "ia3", "prompt-tuning", "p-tuning")
    return [run(rise, f"run {rise}", methods[place % 4]) for place, rise in enumerate((-2, -1, 0, 1, 2, 4, 6))]


def test_one_dot_a_run_in_every_panel_with_both_intervals(runs):
    figure = shift_figure(runs)
    assert len(figure.axes) == 4
    for axes, (measure, condition) in zip(
        figure.axes, [(m, c) for m in ("accuracy", "bias") for c in ("ambig", "disambig")], strict=True
    ):
        for each in runs:
            overall = each["compared_with_base"]["overall"]
            x, y = overall["harm"]["difference"], overall["fairness"][condition][measure]["difference"]
            found = points(axes, f"run {each['adapter']['name']} ({each['adapter']['method']})")
            assert found == [pytest.approx((value(x), value(y)))]
            spans = [tuple(map(tuple, line.get_data())) for line in axes.get_lines() if line.get_gid() is None]
            assert any(a == pytest.approx(x["interval"]) for a, _ in spans)
            assert any(b == pytest.approx(y["interval"]) for _, b in spans)
            left, right, bottom, top = *axes.get_xlim(), *axes.get_ylim()
            assert left < x["interval"][0] and x["interval"][1] < right
            assert bottom < y["interval"][0] and y["interval"][1] < top


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_few_runs_are_told_by_name_and_many_by_method(runs):
    assert legend_of(shift_figure(runs))[:-1] == ["lora", "ia3", "prompt-tuning", "p-tuning"]
    few = shift_figure(runs[:2])
    assert legend_of(few)[:-1] == ["run -2 (lora)", "run -1 (ia3)"]
    markers = {line.get_marker() for line in few.axes[0].get_lines() if str(line.get_gid()).startswith("run ")}
    assert len(markers) == 2


def test_the_title_of_shift_is_what_was_found(runs):
    said = words(shift_figure(runs))
    moved = [each["compared_with_base"]["overall"]["harm"] for each in runs]
    up, down = (sum(c["significant"] and sign * value(c["difference"]) > 0 for c in moved) for sign in (1, -1))
    assert up > 0 and down > 0
    assert f"Harmfulness is significantly higher after {up} of 7 fine-tunes and lower after {down}" in said
    one = words(shift_figure([run(6)]))
    assert "alpaca (lora), all categories and dimensions pooled: harmfulness rate +0.2 (significant)" in one
    still = words(shift_figure([run(0)]))
    assert "harmfulness rate 0 (not significant), ambiguous accuracy 0 (not significant)" in still


def test_runs_that_cannot_be_compared_are_refused_or_left_out(runs, harm, fairness):
    halves = [record(harm), record(None, fairness), record(harm, fairness, adapter=False)]
    with pytest.raises(UserError, match="none of 3 audits compares both harm and fairness"):
        shift_figure(halves)
    assert legend_of(shift_figure([*halves, runs[0]]))[:-1] == ["run -2 (lora)"]
    other = run(1) | {"harm": runs[0]["harm"] | {"judge": {"name": "guard", "weak": False, "calibration": None}}}
    with pytest.raises(UserError, match="2 different sets of prompts or judges"):
        shift_figure([runs[0], other])


# All of them


def test_there_is_a_figure_of_what_was_audited(harm, fairness, tmp_path):
    assert list(build_audit_figures(record(harm, fairness))) == ["harm", "fairness", "shift"]
    assert list(build_audit_figures(record(harm, fairness, adapter=False))) == ["harm", "fairness"]
    assert list(build_audit_figures(record(harm))) == ["harm"]
    paths = draw_audit_figures(record(None, fairness), tmp_path)
    assert [path.name for path in paths] == ["fairness.png"] and paths[0].stat().st_size > 10_000


def out_of_view(figure):
    """Labels of ticks beyond the ends of their axis, which are not drawn."""
    found = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            found |= {tick.label1 for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high}
    return found


@pytest.mark.parametrize("name", ["harm", "fairness", "shift"])
def test_nothing_leaves_the_page_or_lies_on_other_text(name, fairness):
    long = harm_part(
        {"A category name that a user has thought of, for $5 and $6": (30, 3, 15), "b": (30, 5, 6)}, unparsed=1,
        name="classifier:an-owner/a-model-with-a-long-name:HARMFUL", origin="bundled",
    )  # fmt: skip
    figure = build_audit_figures(
        record(long, fairness, name="runs/validate/runs/0123456789abcdef/adapter", method="prompt-tuning")
    )[name]
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    page, hidden = figure.bbox, out_of_view(figure)
    boxes = {
        text: text.get_window_extent(canvas.get_renderer())
        for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible() and text not in hidden
    }  # fmt: skip
    for text, box in boxes.items():
        assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1, text
    for (text, box), (other, its) in combinations(boxes.items(), 2):
        assert not box.overlaps(its), (text, other)
