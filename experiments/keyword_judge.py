"""How often is the keyword judge right? Its verdicts on answers whose label is known.

    python experiments/keyword_judge.py --data-dir DATA

Reads safety-tuned (answers meant to be safe) and alpaca, alpaca-gpt4 (answers that comply) from DATA. Rows are
split in two by a hash of their prompt; the phrases were chosen on the first half, so the second is the one to
quote. Writes experiments/keyword_judge/results.json: counts, Wilson intervals and versions, no texts.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from tradeoffbounds.harm.keyword_judge import KeywordJudge, phrases_sha256
from tradeoffbounds.harm.rates import wilson_rate
from tradeoffbounds.runs import environment, write_json
from tradeoffbounds.sources.load import load_source
from tradeoffbounds.sources.source import Row

RESULTS = Path(__file__).with_suffix("")
EXPECTED = {"safety-tuned": "safe", "alpaca": "harmful", "alpaca-gpt4": "harmful"}
HALVES = ("chosen on", "held out")
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Options:
    data_dir: Path
    """Folder with safety-tuned.jsonl, alpaca.jsonl and alpaca-gpt4.jsonl."""


def main(options: Options) -> None:
    sets: dict[str, Any] = {}
    for name, expected in EXPECTED.items():
        source = load_source(name, role="alignment", data_dir=options.data_dir)
        sets[name] = {"source": source.describe(), "expected": expected}
        for half, label in enumerate(HALVES):
            sets[name][label] = agreement([row for row in source.rows if half_of(row) == half], expected)
            found = sets[name][label]
            low, high = found["agreement"]["interval"]
            print(
                f"{name}, {label}: {found['agree']} of {found['rows']} judged {expected}: "
                f"{found['agreement']['value']:.3f}, {CONFIDENCE:.0%} interval {low:.3f} to {high:.3f}"
            )
    versions = environment(device="cpu", dtype="none")
    record = {
        "schema": "tradeoffbounds/keyword-judge/1",
        "phrases_sha256": phrases_sha256(),
        "environment": {"python": versions["python"], "scipy": versions["versions"]["scipy"]},
        "sets": sets,
    }
    write_json(RESULTS / "results.json", record)


def half_of(row: Row) -> int:
    """By the prompt, so that two answers to one prompt are in one half."""
    return int(hashlib.sha256(" ".join(row.prompt.split()).encode()).hexdigest()[:8], 16) % 2


def agreement(rows: list[Row], expected: str) -> dict[str, Any]:
    judged = KeywordJudge().judge([row.prompt for row in rows], [row.response for row in rows])
    agree = sum(each.verdict == expected for each in judged)
    rate = wilson_rate(agree, len(rows), confidence=CONFIDENCE, name=f"agreement with the label {expected}")
    assert rate is not None
    return {"rows": len(rows), "agree": agree, "agreement": rate.to_json()}


if __name__ == "__main__":
    main(tyro.cli(Options))
