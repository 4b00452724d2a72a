"""Does Theorem 3 order the adapter methods as arXiv:2511.00382 did: adapters preserve safety, prompts degrade it?

    python experiments/methods_compared.py --data-dir DATA

Case II of LoRA, IA3, prompt tuning and P-tuning on the embedded model, alignment and proxy safety-tuned, for two
capability sets and two seeds (rows and initial values); a run takes a quarter of an hour on two cores. Writes
experiments/methods_compared/results.json with each comparison, case_two.json with Case II of the first run in full, and
figures/methods.png of that run; prints the order at equal predicted gain.
"""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from tradeoffbounds import EstimateConfig, estimate
from tradeoffbounds.report.methods_figure import methods_figure
from tradeoffbounds.report.progress import Reporter
from tradeoffbounds.runs import write_json

RESULTS = Path(__file__).with_suffix("")
FIGURE = Path(__file__).parents[1] / "figures" / "methods.png"
#: Of an estimate; the rest is Case I.
KEPT = (
    "schema", "config", "environment", "sources", "parameter_constraint", "other_methods", "method_comparison",
    "verdict",
)  # fmt: skip
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
                write_json(RESULTS / "case_two.json", {name: record[name] for name in KEPT})
                methods_figure(record).savefig(FIGURE, dpi=110)
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
            "command": f"python experiments/methods_compared.py --data-dir DATA {_said(options)}",
            "revision": _revision(),
            "environment": environment,
            "runs": runs,
        },
    )


def _said(options: Options) -> str:
    return f"--capability {' '.join(options.capability)} --seeds {' '.join(map(str, options.seeds))}"


def _revision() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


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
