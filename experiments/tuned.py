"""What the experiments with real fine-tunes share: run `validate`, keep its record and the figures that tell most.

A run is kept under runs/NAME, so that an experiment that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tradeoffbounds.report.progress import Reporter
from tradeoffbounds.report.validate_tables import print_validate
from tradeoffbounds.runs import write_json
from tradeoffbounds.validate import validate
from tradeoffbounds.validate_config import ValidateConfig

ROOT = Path(__file__).parents[1]


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
    record["config"] |= {"data_dir": "DATA", "out": "OUT"}
    write_json(ROOT / "experiments" / name / "validate.json", record)
    for figure in figures:
        shutil.copyfile(folder / "figures" / f"{figure}.png", ROOT / "figures" / f"{name}_{figure}.png")
    return record
