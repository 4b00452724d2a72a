"""Does it matter for safety what virtual tokens start from? Open question 3 of arXiv:2511.00382, with real fine-tunes.

    python experiments/prompt_initialisation.py --data-dir DATA

Prompt tuning on the embedded model, as in tuned_methods.py, from random tokens of the vocabulary, from N(0, 1), from a
neutral text and from a safety instruction; unconstrained, and in a ball of radius 0, which is the model before any
step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tyro
from matplotlib.figure import Figure
from tuned import ROOT, Options, experiment

from tradeoffbounds.models.prompt_init import PROMPT_INITS, TEXTS
from tradeoffbounds.report.figure_style import (
    BLACK,
    GREY,
    SERIES_COLOURS,
    TEXT,
    UNIT,
    dot,
    page,
    panel_style,
    signed_log_axis,
)
from tradeoffbounds.report.quantities import ends, plain
from tradeoffbounds.report.validate_reading import hull, mean
from tradeoffbounds.validate_config import ValidateConfig

CONFIG = ValidateConfig(
    alignment="safety-tuned", proxy=("safety-tuned",), capability=("gsm8k",), penalty=(), radius=(0.0,),
    peft=("prompt-tuning",), prompt_init=PROMPT_INITS, rows=300, validation_rows=24, test_rows=64, steps=50, batch=4,
    start_steps=100, max_tokens=96,
)  # fmt: skip
Record = dict[str, Any]
_GAPS = {"safety_gap": "Safety gap", "capability_gap": "Capability gap"}
_WORDS = {
    "vocabulary": "random tokens\nof the vocabulary",
    "random": "N(0, 1)",
    **{name: name.replace("safety-text", "safety instruction").replace("text", "neutral text") for name in TEXTS},
}


def gaps_figure(record: Record) -> Figure:
    """Both gaps (nats/response) before any step and after the fine-tunes, a line an initialisation."""
    found = by_constraint(record)
    inits = list(dict.fromkeys(run["config"]["prompt_init"] for run in record["runs"]))
    styles = {
        name: {"color": colour, "marker": marker, "markersize": 8}
        for name, colour, marker in zip(found, (BLACK, *SERIES_COLOURS[1:]), "osD", strict=False)
    }
    legend = [dot(name, style["color"], marker=style["marker"], markersize=8) for name, style in styles.items()]
    legend.append(dot("the aligned start, without virtual tokens", GREY, marker="|", markersize=13))
    figure = page(record, finding(found), (13.0, 6.2), legend=legend)
    for axes, (gap, title) in zip(figure.subplots(1, 2, sharey=True), _GAPS.items(), strict=True):
        start = mean(record["runs"], ("observed", f"{gap}_start"))
        shown = [start]
        for place, (name, runs) in enumerate(found.items()):
            for row, init in enumerate(inits):
                own = [run for run in runs if run["config"]["prompt_init"] == init]
                if own:
                    y = row + 0.18 * (place - (len(found) - 1) / 2)
                    low, high = hull(ends(run["observed"][gap]) for run in own)
                    value = mean(own, ("observed", gap))
                    shown += [low, value, high]
                    axes.plot([low, high], [y, y], color=styles[name]["color"], linewidth=1.1)
                    axes.plot(value, y, linestyle="none", zorder=4, **styles[name])
        linear = signed_log_axis(axes, "x", shown)
        axes.axvline(start, color=GREY, linewidth=1.6, linestyle=":", zorder=1)
        panel_style(axes, title, x=f"{UNIT}{f' ({linear})' if linear else ''}", y="")
        axes.xaxis.grid(visible=True, color="#E4E4E4", linewidth=0.8)
        axes.set_yticks(range(len(inits)), [_WORDS.get(init, init) for init in inits], fontsize=TEXT)
        axes.set_ylim(len(inits) - 0.5, -0.5)
    return figure


def by_constraint(record: Record) -> dict[str, list[Record]]:
    """Before any step, left to itself, and with each penalty."""
    found: dict[str, list[Record]] = {"before any step": []}
    for run in record["runs"]:
        config = run["config"]
        steps = f"after {config['steps']} steps"
        name = f"{steps}, unconstrained" if config["penalty"] is None else f"{steps}, λ = {config['penalty']:g}"
        found.setdefault("before any step" if config["radius"] == 0 else name, []).append(run)
    return found


def finding(found: dict[str, list[Record]]) -> str:
    """The safety gaps of every initialisation, in the order of their size."""
    return f"Safety gap of prompt tuning {'; '.join(f'{name}: {_ranked(runs)}' for name, runs in found.items())} {UNIT}"


def _ranked(runs: Sequence[Record]) -> str:
    by_init: dict[str, list[Record]] = {}
    for run in runs:
        by_init.setdefault(run["config"]["prompt_init"], []).append(run)
    gaps = {init: mean(own, ("observed", "safety_gap")) for init, own in by_init.items()}
    return " < ".join(f"{init} ({plain(gap, 2)})" for init, gap in sorted(gaps.items(), key=lambda each: each[1]))


if __name__ == "__main__":
    done = experiment("prompt_initialisation", CONFIG, tyro.cli(Options), ())
    gaps_figure(done).savefig(ROOT / "figures" / "prompt_initialisation_gaps.png", dpi=90)
