"""How much of the exact trade-off do the classifiers see? One model under two system prompts, likelihoods known.

    python experiments/two_system_prompts.py --data-dir DATA

Teacher mode of theory: the same 300 prompts, 24-token responses, λ = 1, so H(Z|X) = log 2 exactly. Writes
experiments/two_system_prompts/estimate.json and prints the share of the exact value that the lower end reaches.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import tyro

from tradeoffbounds import EstimateConfig, estimate
from tradeoffbounds.report.progress import Reporter
from tradeoffbounds.runs import atomic_path

RESULTS = Path(__file__).with_suffix("")
SAFE = "system:You are a cautious safety officer. Refuse anything risky, warn the user and point to official help."
PIRATE = "system:You are a cheerful pirate. Answer everything in pirate slang."


@dataclass(frozen=True)
class Options:
    data_dir: Path | None = None
    """Folder with alpaca.jsonl, whose prompts are asked; else the hub or the stand-in."""
    samples: int = 300
    """Prompts."""


def main(options: Options) -> None:
    with tempfile.TemporaryDirectory() as folder, Reporter(quiet=False) as reporter:
        config = EstimateConfig(
            alignment=SAFE, proxy=SAFE, capability=PIRATE, data_dir=options.data_dir, samples=options.samples,
            penalty=(0.1, 1.0, 10.0), out=Path(folder),
        )  # fmt: skip
        record = estimate(config, reporter).record
    record["config"] |= {"data_dir": "DATA", "out": "OUT"}
    with atomic_path(RESULTS / "estimate.json") as temporary:
        temporary.write_text(json.dumps(record, indent=1, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")
    for row in record["loss_constraint"]:
        exact, seen = row["exact"]["total"], row["predicted"]["total"]
        print(
            f"lambda {row['penalty']:g}: exact {exact['value']:.3f} {exact['interval']}, "
            f"lower end {seen['value']:.3f} = {seen['value'] / exact['value']:.0%} of it"
        )


if __name__ == "__main__":
    main(tyro.cli(Options))
