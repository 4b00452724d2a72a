"""Reading the record of Case II, and its tables: numbers with their marks, none cut short."""

import math
from pathlib import Path

import pytest

from tradeoffbounds.report.case_two_reading import (
    gains,
    reference_radius,
    rises_until,
    uncertainty,
    with_lower_constants,
)
from tradeoffbounds.report.quantities import marked, plain
from tradeoffbounds.report.tables import print_estimate

from .case_two_records import method, record
from .records import bound


@pytest.fixture
def printed(capsys, monkeypatch):
    """What the terminal shows of a record, on a narrow one, as one line a row."""
    monkeypatch.setenv("COLUMNS", "80")

    def show(*methods, **changed):
        print_estimate(record(*methods, verdict=["All is said."], **changed), Path("out"))
        return capsys.readouterr().out

    return show


def cells(text, title):
    """Rows of the table under this title, as lists of words."""
    lines = text.split(title, 1)[1].splitlines()
    start = next(i for i, line in enumerate(lines) if "───" in line)
    rows = []
    for line in lines[start + 1 :]:
        if not line.strip():
            break
        rows.append(line.split())
    return rows


# Reading the record


def test_gains_keep_their_side_and_the_weaker_kind():
    found = method(gain_start=4.0)
    gain = gains(found, found["radii"][0])
    assert gain["at_least"]["value"] == pytest.approx(0.4) and gain["at_least"]["side"] == "lower"
    assert gain["at_most"]["value"] == pytest.approx(0.6) and gain["at_most"]["side"] == "upper"
    assert {each["kind"] for each in gain.values()} == {"estimated"}
    unknown = method(infinite_from=0.1)
    most = gains(unknown, unknown["radii"][0])["at_most"]
    assert most["value"] is None and most["infinite"] and marked(most) == "~inf"
    assert marked(gains(unknown, unknown["radii"][0])["at_least"]) == "~0"


def test_the_reference_is_the_largest_radius_whose_promise_still_rises():
    assert reference_radius(method())["radius"] == 0.2
    assert reference_radius(method(steep_from=0.2))["radius"] == 0.1
    assert reference_radius(method(infinite_from=0.2))["radius"] == 0.1
    assert rises_until(method(infinite_from=0.1)) is None
    assert reference_radius(method(infinite_from=0.1))["radius"] == 0.1


def test_lower_constants_never_exceed_the_bounds():
    found = method(start=1.0)
    for at in found["radii"]:
        for name, value in with_lower_constants(found, at).items():
            assert 1.0 < value < at["theorem3"][name]["value"]


def test_how_far_a_constant_is_known():
    at = method()["radii"][0]
    assert uncertainty(at["constants"]["S_s"]) == 1.5
    assert uncertainty({"lower": bound(0.0), "estimate": bound(2.0)}) == math.inf
    assert uncertainty({"lower": bound(0.0), "estimate": bound(0.0)}) == 1


def test_numbers_are_written_out_where_that_is_shorter_to_read():
    assert [plain(value) for value in (0.0, -0.00012345, 12.345, 2253.7, 596_123.0, 5_961_230.0)] == [
        "0", "-0.000123", "12.3", "2250", "596000", "5.96e+06",
    ]  # fmt: skip
    assert plain(472.0, 2) == "470"


# Tables


def test_without_case_two_there_is_no_table_of_it(printed):
    assert "Case II" not in printed()


def test_every_radius_has_a_row_with_marks(printed):
    text = printed(method())
    assert "(1,000 parameters, 8 rows)" in text
    assert cells(text, "safety gap and gain in the ball") == [
        ["0.1", "~1.3", "~1.15", "~0.4", "~0.6", "p0.205", "p0.0025"],
        ["0.2", "~3.2", "~2.6", "~0.6", "~1.4", "p0.42", "p0.01"],
    ]
    constants = cells(text, "constants over the ball")
    assert constants[0] == ["0.1", "m11", "..", "~13", "m20", "..", "~30", "m10", "..", "~20"]
    assert "|grad G_s| m10, |grad G_f| m5" in text
    assert "m measured" in text
    assert "proved" not in text and "before any step" not in text


def test_awkward_numbers_stay_readable(printed):
    text = printed(method(infinite_from=0.2, slope=-3.0, safest=False, start=-0.25))
    first, last = cells(text, "safety gap and gain in the ball")
    assert first == ["0.1", "~1.05", "~0.9", "~0.4", "~0.6", "p-0.295", "-"]
    assert last == ["0.2", "~inf", "~inf", "~0", "~inf", "p-0.58", "-"]
    assert "safety gap before any step: m-0.25 [-0.75, 0.25]" in text


def test_proved_bounds_have_a_table_of_their_own_without_marks(printed):
    text = printed(method("output-head", certified=True))
    assert cells(text, "Case II, output-head: proved constants") == [["0.1", "100", "m16"], ["0.2", "200", "m62"]]
    assert "m11 .. ~13 .. 1000" in text


def test_methods_are_compared_in_one_table(printed):
    text = printed(method(parameters=28_311_552), method("p-tuning", start=2.0), drifts=(0.125, None))
    assert "Case II, lora: constants" in text and "Case II, p-tuning: constants" in text
    assert cells(text, "against the aligned model") == [
        ["lora", "28,311,552", "0", "~16", "~30", "p0.1", "p0.125", "p0.125"],
        ["p-tuning", "1,000", "m2", "~16", "~30", "-", "-", "-"],
    ]


def test_no_number_is_cut_short_at_a_hundred_columns(printed):
    big = method("prompt-tuning", start=1234.5678, parameters=28_311_552, slope=-1.23456e-7, certified=True)
    text = printed(big, method(), drifts=(-1.23456e-5, 1.2))
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 100
