"""What the experiments with real fine-tunes share: run `validate`, keep its record and the figures that tell most.

A run is kept under runs/NAME, so that an experiment that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tradeoffbounds.report.progress import Reporter
from tradeoffbounds.report.validate_figures import build_validate_figures
from tradeoffbounds.report.validate_tables import print_validate
from tradeoffbounds.runs import write_json
from tradeoffbounds.validate import validate
from tradeoffbounds.validate_config import ValidateConfig, name_of

ROOT = Path(__file__).parents[1]
_DPI = 90


@dataclass(frozen=True)
class Options:
    data_dir: Path | None = None
    """Folder with the data sets; else the hub or stand-ins."""
    seeds: tuple[int, ...] = (0,)
    steps: int | None = None
    """Instead of the experiment's own."""


def experiment(name: str, config: ValidateConfig, options: Options, figures: Sequence[str]) -> dict[str, Any]:
    """Run and keep: experiments/NAME/validate.json, and figures/NAME_FIGURE.png for each figure that is named."""
    folder = ROOT / "runs" / name
    config = replace(
        config, data_dir=options.data_dir, seeds=options.seeds, steps=options.steps or config.steps, out=folder
    )
    with Reporter(quiet=False) as reporter:
        record = validate(config, reporter).record
    print_validate(record, folder)
    keep(name, record, figures)
    return record


def keep(name: str, record: dict[str, Any], figures: Sequence[str]) -> None:
    """Write the record, without folders of this machine, and the figures that are named."""
    for which, figure in build_validate_figures(record).items():
        if which in figures:
            figure.savefig(ROOT / "figures" / f"{name}_{which}.png", dpi=_DPI)
    record["config"] |= {
        "data_dir": "DATA",
        "out": "OUT",
        "capability": [_without_path(each) for each in record["config"]["capability"]],
    }
    del record["predictions"]  # each run has what was foretold of it, and this repeats it for every penalty
    write_json(ROOT / "experiments" / name / "validate.json", rounded(record))


def rounded(record: dict[str, Any]) -> dict[str, Any]:
    """The record to eight digits, which is more than any of these numbers is good for."""
    rounded: dict[str, Any] = json.loads(json.dumps(record), parse_float=lambda digits: float(f"{float(digits):.8g}"))
    return rounded


def _without_path(given: str) -> str:
    """A source as it was given, or its name where that was a file of this machine."""
    name, spec = name_of(given)
    return name if Path(spec).is_absolute() else given
