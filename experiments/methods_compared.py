"""Does Theorem 3 order the adapter methods as arXiv:2511.00382 did: adapters preserve safety, prompts degrade it?

    python experiments/methods_compared.py --data-dir DATA

Case II of LoRA, IA3, prompt tuning and P-tuning on the embedded model, alignment and proxy safety-tuned, for two
capability sets and two seeds (rows and initial values). Writes experiments/methods_compared/results.json, with the
full estimate of the first run beside it, and prints the order at equal predicted gain.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from tradeoffbounds import EstimateConfig, estimate
from tradeoffbounds.report.progress import Reporter
from tradeoffbounds.runs import write_json

RESULTS = Path(__file__).with_suffix("")
METHODS = ("lora", "ia3", "prompt-tuning", "p-tuning")


@dataclass(frozen=True)
class Options:
    data_dir: Path | None = None
    """Folder with safety-tuned.jsonl, gsm8k.jsonl and alpaca-gpt4.jsonl; else the hub or stand-ins."""
    capability: tuple[str, ...] = ("gsm8k", "alpaca-gpt4")
    seeds: tuple[int, ...] = (0, 1)


def main(options: Options) -> None:
    runs: list[dict[str, Any]] = []
    environment = None
    for capability in options.capability:
        for seed in options.seeds:
            record = _run(capability, seed, options.data_dir)
            if environment is None:
                environment = record["environment"]
                write_json(RESULTS / "estimate.json", record)
            comparison = record["method_comparison"]
            runs.append({"capability": capability, "seed": seed, **comparison, "budget": "quick"})
            order = [
                f"{each['peft']} {'unreachable' if each['cost'] is None else format(each['cost']['value'], '.3g')}"
                for each in comparison["methods"]
            ]
            print(f"{capability}, seed {seed}, gain {comparison['gain']['value']:.3g}: {' < '.join(order)}", flush=True)
    write_json(
        RESULTS / "results.json",
        {
            "schema": "tradeoffbounds/experiment/1",
            "command": "python experiments/methods_compared.py --data-dir DATA",
            "environment": environment,
            "runs": runs,
        },
    )


def _run(capability: str, seed: int, data_dir: Path | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, Reporter(quiet=False) as reporter:
        config = EstimateConfig(
            alignment="safety-tuned", proxy="safety-tuned", capability=capability, data_dir=data_dir, seed=seed,
            peft=METHODS, penalty=(1.0,), out=Path(folder),
        )  # fmt: skip
        record = estimate(config, reporter).record
    record["config"] |= {"data_dir": "DATA", "out": "OUT"}
    return record


if __name__ == "__main__":
    main(tyro.cli(Options))
