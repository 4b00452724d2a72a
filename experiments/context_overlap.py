"""Which fine-tuning data overlap least with safety data, seen before any training (arXiv:2503.20807, context overlap).

    python experiments/context_overlap.py --data-dir DATA

Runs `estimate` on real data with the embedded model: safety-tuned as alignment and as proxy, against four
capability sets; and two other proxies. Writes one estimate.json a run into experiments/context_overlap/ and draws
figures/context_overlap.png from those files alone.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from matplotlib.figure import Figure

from tradeoffbounds import EstimateConfig, estimate
from tradeoffbounds.bounds.classifier_bound import trivial_total
from tradeoffbounds.report.figure_style import BLUE, GREEN, GREY, ORANGE, PURPLE, TEXT, log_axis, panel_style
from tradeoffbounds.report.progress import Reporter
from tradeoffbounds.runs import atomic_path

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).with_suffix("")
ALIGNMENT = "safety-tuned"
CAPABILITIES = ("code-gpt4", "gsm8k", "alpaca-gpt4", "alpaca")
#: (proxy, capability)
RUNS = [*((ALIGNMENT, name) for name in CAPABILITIES), ("alpaca-gpt4", "code-gpt4"), ("alpaca", "code-gpt4")]
COLOURS = dict(zip(CAPABILITIES, (BLUE, GREEN, ORANGE, PURPLE), strict=True))


@dataclass(frozen=True)
class Options:
    data_dir: Path | None = None
    """Folder with the data sets; without one only the figure is drawn again."""
    samples: int = 400
    """Rows of each source."""


def main(options: Options) -> None:
    if options.data_dir is not None:
        for proxy, capability in RUNS:
            run(options, proxy, capability)
    draw({name: json.loads(_file(ALIGNMENT, name).read_text(encoding="utf-8")) for name in CAPABILITIES})


def run(options: Options, proxy: str, capability: str) -> None:
    """One estimate; of its run folder only the record is kept."""
    with tempfile.TemporaryDirectory() as folder, Reporter(quiet=False) as reporter:
        config = EstimateConfig(
            alignment=ALIGNMENT, proxy=proxy, capability=capability, data_dir=options.data_dir,
            samples=options.samples, penalty=(0.1, 1.0, 10.0), stand_in=False, out=Path(folder),
        )  # fmt: skip
        record = estimate(config, reporter).record
        # Where the data lay and where the run wrote is nobody else's business.
        record["config"] |= {"data_dir": "DATA", "out": "OUT"}
        text = json.dumps(record, indent=1, allow_nan=False, ensure_ascii=False)
        with atomic_path(Path(folder) / "record.json") as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
        RESULTS.mkdir(exist_ok=True)
        shutil.copyfile(Path(folder) / "record.json", _file(proxy, capability))


def draw(records: dict[str, dict[str, Any]]) -> None:
    """Left: log-loss, certificate and trivial bound at λ = 1. Right: the upper end of the total over λ."""
    at_one = {name: next(r for r in record["loss_constraint"] if r["penalty"] == 1) for name, record in records.items()}
    points = {name: row["classifier_bound"]["value"] for name, row in at_one.items()}
    ratio = min(points["alpaca"], points["alpaca-gpt4"]) / max(points["code-gpt4"], points["gsm8k"])
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    figure.suptitle(
        f"Code and arithmetic overlap least with safety data: {ratio:.0f} times less than Alpaca prompts",
        fontsize=13, fontweight="bold", x=0.01, ha="left",
    )  # fmt: skip
    left, right = figure.subplots(1, 2)
    for height, name in enumerate(reversed(CAPABILITIES)):
        row = at_one[name]
        left.plot(points[name], height, "o", color=COLOURS[name], markersize=9)
        left.plot(
            row["certificate"]["total"]["value"], height, "|", color=COLOURS[name], markersize=18, markeredgewidth=3
        )
        left.text(points[name], height + 0.18, f"{points[name]:.3g}", ha="center", fontsize=TEXT)
    left.axvline(trivial_total(1.0), color=GREY, linestyle="--", linewidth=1)
    left.text(trivial_total(1.0) * 0.93, 3.45, "known without data", color=GREY, ha="right", fontsize=TEXT)
    left.set_yticks(range(4), reversed(CAPABILITIES))
    left.set_ylim(-0.5, 3.7)
    panel_style(
        left, "λ = 1: held-out log-loss (dot), certificate (bar)", x="bound on both losses, nats/response", y=""
    )
    log_axis(left, "x", 0.003, 2.5)
    for name, record in records.items():
        curves = record["curves"]
        right.plot(curves["penalties"], curves["total"]["upper"], color=COLOURS[name], lw=2, label=name)
    first = next(iter(records.values()))["curves"]
    right.plot(
        first["penalties"], first["trivial"]["total"], color=GREY, linestyle="--", lw=1, label="known without data"
    )
    panel_style(right, "upper end of both losses, estimated", y="both losses, nats/response")
    log_axis(right, "x", 1e-3, 1e3)
    log_axis(right, "y", 1e-3, 10)
    right.legend(frameon=False, fontsize=TEXT, loc="upper left")
    with atomic_path(ROOT / "figures" / "context_overlap.png") as temporary:
        figure.savefig(temporary, dpi=150)


def _file(proxy: str, capability: str) -> Path:
    return RESULTS / f"{proxy}--{capability}.json"


if __name__ == "__main__":
    main(tyro.cli(Options))
