"""Numbers in the manual are those of the committed records; the citation and the changes are well-formed."""

from __future__ import annotations

import json
import re

import yaml

from .pages import ROOT

EXPERIMENTS = ROOT / "experiments"
METHODS = {"LoRA": "lora", "prompt tuning": "prompt-tuning"}


def record(*parts: str):
    return json.loads(EXPERIMENTS.joinpath(*parts).read_text("utf-8"))


def rows(page: str, first: str) -> list[list[str]]:
    """Cells of the table whose head begins with ``first``."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    (table,) = re.findall(rf"^\| {re.escape(first)}[^\n]*\n\|[-|]+\n((?:\|[^\n]*\n)+)", text, re.M)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def agree(said: str, value: float) -> bool:
    """Whether a number as it is written is ``value``, rounded to as many decimals or half a unit off."""
    decimals = len(said.partition(".")[2])
    return abs(float(said) - value) <= 0.51 * 10**-decimals


def test_teacher_mode():
    runs = {
        (run["config"]["capability"], run["config"]["penalty"], run["config"]["method"]): run
        for run in record("teacher_mode", "validate.json")["runs"]
    }
    table = rows("theory-in-pictures.md", "capability, λ, method")
    assert len(table) == 8
    for name, *cells in table:
        capability, penalty, method = name.split(", ")
        run = runs[capability, float(penalty), METHODS[method]]
        for cell, gap in ((cells[0], "safety_gap"), (cells[1], "total"), (cells[3], "interference")):
            predicted, observed = cell.split(", ")
            assert agree(predicted, run["predicted"][gap]["value"]), (name, gap)
            assert agree(observed, run["observed"][gap]["value"]), (name, gap)
        assert agree(cells[2], run["slack"]["apart"]["value"]), name


def test_context_overlap():
    for name, bound, certificate, capability, safety in rows("choosing-a-proxy.md", "fine-tuning data"):
        found = record("context_overlap", f"safety-tuned--{name}.json")
        (row,) = (row for row in found["loss_constraint"] if row["penalty"] == 1)
        assert agree(bound, row["classifier_bound"]["value"])
        said, of = certificate.split(" of ")
        assert agree(said, row["certificate"]["total"]["value"]) and of == "1.39"
        for cell, gap in ((capability, "capability_gap"), (safety, "safety_gap")):
            low, high = cell.split(" to ")
            ends = row["predicted"][gap]["interval"]
            assert agree(low, ends[0]) and agree(high, ends[1]), (name, gap)


def test_other_proxies():
    text = (ROOT / "docs" / "choosing-a-proxy.md").read_text("utf-8")
    for proxy, words in (("alpaca-gpt4", "safety gap of 0.6 nats"), ("alpaca", "`alpaca` 1.0 and 1.6")):
        assert words in text.replace("\n", " ")
        found = record("context_overlap", f"{proxy}--code-gpt4.json")
        (row,) = (row for row in found["loss_constraint"] if row["penalty"] == 1)
        safety, refined = {"alpaca-gpt4": ("0.6", "1.2"), "alpaca": ("1.0", "1.6")}[proxy]
        assert agree(safety, row["predicted"]["safety_gap"]["value"])
        assert agree(refined, row["theorem1"]["refined"]["value"])


def test_audited_fine_tune():
    text = " ".join((ROOT / "docs" / "audit.md").read_text("utf-8").split())
    harm = record("audited_fine_tune", "audit.json")["harm"]["overall"]
    assert f"answers {harm['harmful']} of {harm['n']} harmful prompts" in text


def test_methods():
    found = record("methods_compared", "case_two.json")
    methods = {each["peft"]: each for each in (found["parameter_constraint"], *found["other_methods"])}
    for name, trained, *_ in rows("before-your-fine-tune.md", "method"):
        method = name.partition(",")[0].lower().replace(" ", "-")
        assert int(trained.replace(",", "")) == methods[method]["parameters"]


def test_the_example_of_a_quantity_is_one():
    text = (ROOT / "docs" / "reading-a-report.md").read_text("utf-8")
    said = next(json.loads(each) for each in re.findall(r"```json\n(.*?)```", text, re.S))
    penalties = record("context_overlap", "safety-tuned--code-gpt4.json")["loss_constraint"]
    (row,) = (row for row in penalties if row["penalty"] == 1)
    found = row["certificate"]["total"]
    assert said == found | {"value": round(found["value"], 3)}


def test_the_citation():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(cited) and cited["cff-version"] == "1.2.0"
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text("utf-8"), re.M)
    assert version and cited["version"] == version[1] and cited["license"] == "Apache-2.0"
    for paper in cited["references"]:
        assert {"type", "title", "authors"} <= set(paper)
        number = re.fullmatch(r"arXiv:(\d{4}\.\d{5})", paper["identifiers"][0]["value"])
        assert number and paper["url"] == f"https://arxiv.org/abs/{number[1]}"


def test_the_changes_name_every_door():
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert "## [Unreleased]" in text and "### Added" in text
    from tradeoffbounds.__main__ import DOORS

    assert [door for door in DOORS if f"`{door}`" not in text] == []
