"""Audits on the terminal: every number with its count and its direction, none cut short, none where there is none."""

from pathlib import Path

import pytest

from tradeoffbounds.report.audit_tables import print_audit

from .audit_record import fairness_part, harm_part, record
from .test_case_two_report import cells


@pytest.fixture
def printed(capsys, monkeypatch):
    """What a narrow terminal shows of a record."""
    monkeypatch.setenv("COLUMNS", "80")

    def show(*parts, **changed):
        print_audit(record(*parts, **changed), Path("out"))
        return capsys.readouterr().out

    return show


@pytest.fixture(scope="module")
def harm():
    return harm_part(unparsed=2)


@pytest.fixture(scope="module")
def fairness():
    return fairness_part(unparsed=0.05)


def flat(text):
    return " ".join(text.split())


def test_both_sides_by_category_with_counts_status_and_all_together(printed, harm):
    text = printed(harm)
    off, on = (cells(text, f"Harm, adapter {side}") for side in ("off", "on"))
    assert off[2] == ["Malware", "30", "0", "3", "m0.1", "[0.035,", "0.26]"]
    assert on[2] == ["Malware", "30", "2", "15", "m0.54", "[0.36,", "0.7]"]
    for rows in (off, on):
        assert ["Political", "Campaigning", "30", "-", "-", "not", "covered"] in rows
        assert ["Child", "Abuse", "Content", "0", "-", "-", "not", "supplied"] in rows
    assert on[-1] == ["all", "categories", "270", "18", "58", "m0.23", "[0.18,", "0.29]"]


def test_changes_with_pairs_left_out_size_and_adjusted_p(printed, harm):
    rows = cells(printed(harm), "Change in harmfulness rate")
    malware = next(row for row in rows if row[0] == "Malware")
    assert malware == [
        "Malware", "28", "(2)", "12/0", "m0.11", "m0.54", "m0.43", "[0.2,", "0.6]", "0.98", "0.0044*", "0.41",
    ]  # fmt: skip
    still = next(row for row in rows if row[0] == "Hate/Harass/Violence")
    assert still[-2:] == ["1", "0.38"] and "m0" in still
    assert ["Political", "Campaigning", "-", "-", "-", "-", "-", "not", "covered", "-", "-", "-"] in rows
    assert next(row for row in rows if row[0] == "all")[2] == "252"


def test_the_direction_stands_beside_every_score(printed, harm, fairness):
    text = printed(harm, fairness)
    for title in ("Harm, adapter off", "Harm, adapter on"):
        assert "(lower is safer)" in text.split(title, 1)[1].split("───", 1)[0]
    for title in ("Fairness, adapter off", "Fairness, adapter on"):
        head = text.split(title, 1)[1].split("───", 1)[0]
        assert "(higher is better)" in head and "(nearer 0 is better)" in head
    for title, words, times in (("Change in harmfulness", ("(lower", "safer)"), 3),
                                ("Change in accuracy", ("(higher", "better)"), 3),
                                ("Change in bias score", ("(nearer", "better)"), 2)):  # fmt: skip
        head = text.split(title, 1)[1].split("───", 1)[0]
        assert all(head.count(word) == times for word in words)
    assert "stereotype)" in text.split("Change in bias score", 1)[1].split("───", 1)[0]


def test_dimensions_with_their_counts_and_without_a_score(printed):
    never = fairness_part({"Age": ((1.0, 0.5), (1.0, 0.5)), "SES": ((0.5, 0.5), (0.6, 0.5))}, templates=6)
    text = printed(None, never)
    rows = cells(text, "Fairness, adapter on")
    assert rows[0] == ["Age", "ambig.", "24", "0", "0", "m1", "[1,", "1]", "n/a"]
    assert [row[:3] for row in rows] == [[name, context, "24"] for name in ("Age", "SES")
                                         for context in ("ambig.", "disambig.")]  # fmt: skip
    changes = cells(text, "Change in bias score, ambiguous contexts")
    assert changes[0] == ["Age", "-", "-", "-", "-", "-", "n/a", "-", "-"]
    assert changes[-1][:2] == ["all", "dimensions"]


def test_where_no_change_could_be_seen_the_table_says_none(printed):
    rows = cells(printed(harm_part({"a": (4, 0, 1), "b": (4, 0, 0)})), "Change in harmfulness rate")
    assert rows[0][-1] == "none"


def test_no_number_is_cut_short_at_a_hundred_columns(printed, harm, fairness):
    for parts in ((harm, fairness), (harm_part({"A category name that is longer than any that " * 2: (900, 1, 700),
                                                "other": (900, 0, 800)}), None)):  # fmt: skip
        text = printed(*parts)
        assert "…" not in text and all(len(line) <= 100 for line in text.splitlines())
    assert "<0.0001*" in text


def test_one_category_is_not_repeated_as_all(printed):
    text = printed(harm_part({"all prompts": (50, 5, 9)}, not_covered={}, not_supplied=()))
    assert "all categories " not in text and len(cells(text, "Harm, adapter on")) == 1


def test_stand_in_and_weak_judge_are_marked_where_the_sets_are(printed, fairness):
    text = printed(harm_part(origin="bundled", prompts="bundled:harm"), fairness)
    assert ["harm", "bundled:harm", "for", "harmful", "prompts", "STAND-IN", "300", "keyword", "(WEAK)"] in cells(
        text, "Audit of a tiny model with alpaca (lora)"
    )
    strong = cells(printed(harm_part(weak=False, name="guard")), "Audit of")
    assert strong == [["harm", "hex-phi", "local", "300", "guard"]]


def test_alone_there_are_no_changes(printed, harm, fairness):
    text = printed(harm, fairness, adapter=False)
    assert "Change in" not in text and "adj. p" not in text
    assert "Harm, a tiny model" in text and "Fairness, a tiny model" in text


def test_the_verdict_and_the_files_come_last(printed, harm):
    text = flat(printed(harm))
    assert "• All is said." in text and text.endswith("Written: out/audit.json, out/report.html and out/figures")
