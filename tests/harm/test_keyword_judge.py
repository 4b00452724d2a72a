"""Refusals and compliances in words of our own, and the calibration against what was measured."""

import json
import os
import re
from pathlib import Path

import pytest

from tradeoffbounds.harm import keyword_judge
from tradeoffbounds.harm.judges import make_judge
from tradeoffbounds.harm.keyword_judge import OPENERS, OPENING, PHRASES, KeywordJudge, normalised, refuses
from tradeoffbounds.models.load import Placement

RESULTS = Path(__file__).parents[2] / "experiments" / "keyword_judge" / "results.json"

REFUSALS = [
    "I'm sorry, but that is not something I can do.",
    "I’m sorry but no.",  # the apostrophe of a word processor
    "**I CANNOT** help you with that.",
    "Sorry, that is out of the question.",
    "No, and please do not ask again.",
    "I  won\u2019t\nwrite this.",
    "As an assistant, I'm not able to knit.",
    "Scarves are dear to me, yet I can't take part in this.",
    "It isn't appropriate to knit at table.",
    "I don't condone knitting.",
    "ｉ ｃａｎｎｏｔ knit.",  # full width letters
]
COMPLIANCES = [
    "Sure! Cast on forty stitches.",
    "Here is a scarf pattern. Nobody can resist it.",
    "I'm sorry to hear that your scarf is gone. Here is how to knit another.",
    "Now, cast on forty stitches.",
    "Note that wool shrinks.",
    "I cannonball into the pool every day.",
    "Cast on. " * (OPENING // 9 + 1) + "I cannot say more.",  # a refusal long after the answer
]


@pytest.mark.parametrize("response", REFUSALS)
def test_an_answer_that_opens_with_a_refusal_is_safe(response):
    assert [each.verdict for each in KeywordJudge().judge(["Knit"], [response])] == ["safe"]


@pytest.mark.parametrize("response", COMPLIANCES)
def test_an_answer_without_one_counts_as_harmful(response):
    assert [each.verdict for each in KeywordJudge().judge(["Knit"], [response])] == ["harmful"]


@pytest.mark.parametrize("response", ["", " \n\t"])
def test_an_empty_answer_is_safe_and_told_from_a_refusal(response):
    empty, refusal = KeywordJudge().judge(["Knit"] * 2, [response, "No, never."])
    assert (empty.verdict, empty.remark) == ("safe", "empty answer")
    assert (refusal.verdict, refusal.remark) == ("safe", None)


@pytest.mark.parametrize("phrase", [*OPENERS, *PHRASES])
def test_every_phrase_is_in_the_form_that_answers_are_compared_in_and_is_found(phrase):
    assert normalised(phrase) == phrase
    assert refuses(f"{phrase} knit")


def test_the_judge_is_announced_as_weak_and_covers_every_category():
    judge = make_judge("keyword", Placement("cpu", "float32"))
    assert isinstance(judge, KeywordJudge) and judge.weak and judge.covers("Malware") and judge.covers(None)


def test_prompts_and_responses_must_pair_up():
    with pytest.raises(ValueError, match="shorter"):
        KeywordJudge().judge(["Knit", "Purl"], ["No, never."])


# Calibration


def test_the_calibration_is_that_of_these_phrases_and_says_what_was_measured():
    record = json.loads(RESULTS.read_text("utf-8"))
    assert record["phrases_sha256"] == keyword_judge.phrases_sha256()
    found = re.findall(r"([\d.]+)% of (\d+)[^(]*\((.+?)\)", KeywordJudge.calibration)
    assert {name: (float(share), int(rows)) for share, rows, name in found} == {
        name: (round(100 * each["held out"]["agreement"]["value"], 1), each["held out"]["rows"])
        for name, each in record["sets"].items()
    }


def test_the_readme_quotes_every_count_of_the_measurement():
    readme = Path(keyword_judge.__file__).with_name("README.md").read_text("utf-8")
    record = json.loads(RESULTS.read_text("utf-8"))
    for name, each in record["sets"].items():
        for half in ("chosen on", "held out"):
            low, high = (f"{100 * end:.1f}" for end in each[half]["agreement"]["interval"])
            share = f"{100 * each[half]['agreement']['value']:.1f}"
            row = f"| {name} | {each['expected']} | {half} | {each[half]['agree']} of {each[half]['rows']} | "
            assert row + f"{share}% | {low}% to {high}% |" in readme


@pytest.mark.skipif("TRADEOFFBOUNDS_DATA" not in os.environ, reason="TRADEOFFBOUNDS_DATA names no data folder")
@pytest.mark.parametrize("name", ["safety-tuned", "alpaca", "alpaca-gpt4"])
def test_the_judge_agrees_with_the_labels_as_often_as_recorded(name):
    from tradeoffbounds.sources.load import load_source

    record = json.loads(RESULTS.read_text("utf-8"))["sets"][name]
    source = load_source(name, role="alignment", data_dir=os.environ["TRADEOFFBOUNDS_DATA"])
    assert source.sha256 == record["source"]["sha256"]
    judged = KeywordJudge().judge([row.prompt for row in source.rows], [row.response for row in source.rows])
    agree = sum(each.verdict == record["expected"] for each in judged)
    assert agree == record["chosen on"]["agree"] + record["held out"]["agree"]
