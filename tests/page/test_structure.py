"""What stands in the file: the record's own sentences, a policy that lets nothing in, numbers in words."""

from __future__ import annotations

import base64
import copy
import hashlib
import itertools
import json
import re

import pytest

from tradeoffbounds.errors import UserError
from tradeoffbounds.page import render_page
from tradeoffbounds.page.__main__ import main

from ..report import audit_record, validate_records
from ..report.records import bound
from .pages import COMMITTED, EXPERIMENTS, committed, read

EVIL = "</script><script>alert(1)</script>"
ESTIMATE, AUDIT, VALIDATE, STUDY = (
    "two_system_prompts/estimate.json", "audited_fine_tune/audit.json", "ball_sizes/validate.json",
    "audited_study/study.json",
)  # fmt: skip
_NO_WORDS = re.compile(r"\b(NaN|nan|undefined|null|inf|Infinity)\b|[:=(]\s*None\b")


def estimate_record(**changed):
    return copy.deepcopy(committed(ESTIMATE)[0]) | changed


@pytest.mark.parametrize("name", COMMITTED)
def test_committed_records_have_a_page(name):
    record, html, page = committed(name)
    said = [text.strip() for text in page.verdict if text.strip()]
    assert said == record["verdict"]
    assert not [text for text in page.text if _NO_WORDS.search(text)]
    for source in record.get("sources", {}).values():
        assert source["name"] in "".join(page.text)
    assert html.count("plotly.js v") == 1


@pytest.mark.parametrize("name", [ESTIMATE, AUDIT, VALIDATE, STUDY])
def test_nothing_is_fetched(name):
    _, html, page = committed(name)
    fetched = [
        value for _, each in page.tags for key, value in each.items() if key in ("src", "href", "srcset", "data")
    ]
    assert all(value.startswith(("#", "data:")) for value in fetched)
    (policy,) = [each["content"] for _, each in page.tags if each.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert (
        rules["default-src"] == "'none'"
        and rules["img-src"] == "data: blob:"
        and rules["style-src"] == "'unsafe-inline'"
    )
    scripts = re.findall(r"<script>(.*?)</script>", html, flags=re.S)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert rules["script-src"].split() == [f"'sha256-{each}'" for each in hashes] and len(hashes) == 2


@pytest.mark.parametrize("name", [ESTIMATE, AUDIT, VALIDATE, STUDY])
def test_the_page_is_the_same_again(name):
    record, html, _ = committed(name)
    assert render_page(copy.deepcopy(record)) == html


@pytest.mark.parametrize("name", [ESTIMATE, AUDIT, VALIDATE, STUDY])
def test_headings_are_in_order_and_landmarks_are_there(name):
    page = committed(name)[2]
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    tags = [tag for tag, _ in page.tags]
    assert all(tags.count(tag) == 1 for tag in ("header", "main", "footer", "title"))
    assert ("html", {"lang": "en"}) in page.tags
    ids = [each["id"] for _, each in page.tags if "id" in each]
    assert len(ids) == len(set(ids))
    pointed = {
        value
        for _, each in page.tags
        for key in ("aria-describedby", "aria-labelledby", "for")
        if (value := each.get(key))
    }
    assert pointed <= set(ids)


def test_names_from_records_stay_text():
    record = estimate_record()
    record["sources"]["proxy"]["name"] = EVIL
    record["sources"]["proxy"]["stand_in_for"] = EVIL
    record["verdict"] = [EVIL]
    html = render_page(record)
    assert html.count("<script") == committed(ESTIMATE)[1].count("<script")
    assert EVIL not in html and EVIL in "".join(read(html).text)


def test_names_in_chart_labels_and_data_stay_text():
    record = copy.deepcopy(committed(AUDIT)[0])
    text = json.dumps(record).replace('"hateful-content"', json.dumps(EVIL))
    html = render_page(json.loads(text))
    assert EVIL not in html
    assert "&lt;/script&gt;" in json.dumps(json.loads(read(html).data))


@pytest.mark.parametrize("name", [ESTIMATE, VALIDATE])
def test_stand_ins_are_announced(name):
    record = copy.deepcopy(committed(name)[0])
    next(iter(record["sources"].values()))["stand_in_for"] = "orca"
    page = read(render_page(record))
    assert ("div", {"class": "warning", "role": "alert"}) in page.tags
    assert any("STAND-IN DATA" in text and "orca" in text for text in page.text)
    assert ("div", {"class": "warning", "role": "alert"}) not in committed(name)[2].tags


@pytest.mark.parametrize("name", [AUDIT, STUDY])
def test_weak_judges_are_announced(name):
    assert any(text.startswith("WEAK JUDGE: keyword") for text in committed(name)[2].text)


def test_a_study_shows_every_fine_tune_and_every_choice():
    record, _, page = committed(STUDY)
    charts = json.loads(page.data)["charts"]
    outcomes = list(record["factors"])
    for outcome, chart in zip(outcomes, charts, strict=False):
        drawn = [x for trace in chart["data"] if trace["mode"] == "markers" for x in trace["x"]]
        factors = record["factors"][outcome].values()
        means = [level["mean"] for effect in factors for level in effect["levels"].values()]
        measured = [run["outcomes"][outcome]["value"] for run in record["runs"]]
        assert sorted(drawn) == pytest.approx(sorted([*means, *measured * len(factors)]))
    for chart in charts[len(outcomes) :]:
        drawn = [(x, y) for trace in chart["data"] for x, y in zip(trace["x"], trace["y"], strict=True)]
        assert len(drawn) == len(record["fronts"][0]["runs"])
    front = record["fronts"][0]["runs"]
    shown = "".join(page.text)
    assert all(f"{100 * run['resamples_on_front']:.0f}%" in shown for run in front)


def test_bundled_harmful_prompts_are_announced():
    record = audit_record.record(audit_record.harm_part(origin="bundled", weak=False))
    texts = read(render_page(record)).text
    assert any(text.startswith("STAND-IN DATA") for text in texts)
    assert not any(text.startswith("WEAK JUDGE") for text in texts)


def test_infinite_and_missing_numbers_are_words():
    record = estimate_record(pilot={
        "response_kl": bound(1.5, side="value", interval=[1.0, None]),
        "theorem1_refined": [{"penalty": 1.0, "bound": bound(float("inf"))}],
    })  # fmt: skip
    record["loss_constraint"] = record["loss_constraint"][:1]
    record["loss_constraint"][0]["theorem1"]["refined"] |= {"value": None, "infinite": True, "interval": [None, None]}
    texts = [text.strip() for text in read(render_page(record)).text]
    assert "no finite bound" in texts and "1 or more" in texts and "the only value that the record has" in texts
    assert not [text for text in texts if _NO_WORDS.search(text)]


def test_case_two_that_was_not_asked_for_is_said():
    assert any("not asked for (--curvature off)" in text for text in committed(ESTIMATE)[2].text)


@pytest.mark.parametrize("parts", [
    {"harm": audit_record.harm_part()}, {"fairness": audit_record.fairness_part({"Age": ((0.6, 0.6), (0.2, 0.85))})},
    {"harm": audit_record.harm_part(), "adapter": False},
])  # fmt: skip
def test_audits_of_parts(parts):
    texts = read(render_page(audit_record.record(**parts))).text
    assert ("Fairness (BBQ)" in texts) == ("fairness" in parts) and ("Harm" in texts) == ("harm" in parts)
    assert not [text for text in texts if _NO_WORDS.search(text)]


@pytest.mark.parametrize("runs", [[], validate_records.radius_runs(), validate_records.method_runs()])
def test_validations_without_some_parts(runs):
    texts = read(render_page(validate_records.record(*runs))).text
    assert not [text for text in texts if _NO_WORDS.search(text)]


def test_kinds_are_words_beside_their_numbers():
    html = committed(ESTIMATE)[1]
    for kind in ("certified", "estimated", "predicted"):
        assert f'<span class="kind kind-{kind}">{kind}</span>' in html
    assert '<span class="kind kind-measured">measured</span>' in committed(AUDIT)[1]


def test_command_makes_the_page(tmp_path, capsys):
    out = tmp_path / "page.html"
    assert main([str(EXPERIMENTS / ESTIMATE), "--out", str(out)]) == 0
    assert out.read_text("utf-8") == committed(ESTIMATE)[1] and str(out) in capsys.readouterr().out


@pytest.mark.parametrize(("content", "said"), [
    ('{"schema": "other/1"}', "other/1"), ("{}", "None"), ("[]", "no record"), ("{", "not JSON"),
    ('{"schema": "tradeoffbounds/audit/1"}', "not its parts"),
])  # fmt: skip
def test_wrong_files_are_refused_in_one_line(content, said, tmp_path, capsys):
    path = tmp_path / "record.json"
    path.write_text(content, "utf-8")
    assert main([str(path)]) == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error
    assert list(tmp_path.iterdir()) == [path]


def test_missing_file_is_refused(tmp_path, capsys):
    assert main([str(tmp_path / "none.json")]) == 2
    assert "cannot read" in capsys.readouterr().err


def test_unknown_schema_is_a_user_error():
    with pytest.raises(UserError, match="other/1"):
        render_page({"schema": "other/1"})
