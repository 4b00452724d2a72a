"""The fine-tunes of finished sweeps, read back from their folders."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tradeoffbounds.comparison.stored import stored_run
from tradeoffbounds.errors import UserError, first_line
from tradeoffbounds.finetune.perform import ALIGNED_PREFIX, start_spec
from tradeoffbounds.models.prompt_init import VOCABULARY
from tradeoffbounds.runs import read_json

Record = dict[str, Any]
#: Of a run's configuration: what is a choice by itself. Penalty, radius and proxy are told as one, the constraint.
_CHOICES = ("capability", "method", "objective", "steps", "batch", "learning_rate", "seed")


@dataclass(frozen=True)
class TunedRun:
    """One fine-tune that left an adapter.

    Attributes:
        sweep: folder it was found in.
        id: of the run in its sweep.
        record: of the run, from validate.json.
        model: what the sweep was called with; ``start`` is what was tuned.
        capability: one number a held-out row of its capability data, nats: a loss, or in teacher mode a KL; the same
            rows for every run of ``rows``.
        rows: address of these rows.
    """

    sweep: Path
    id: str
    record: Record
    model: str
    system_prompt: str
    start: str
    adapter: Path
    capability: tuple[float, ...]
    rows: str

    @property
    def setting(self) -> dict[str, str]:
        """Every choice in words."""
        config = self.record["config"]
        choices = {name: str(config[name]) for name in _CHOICES}
        # Where it was not chosen it is the default, which every other method can be compared with.
        choices["prompt_init"] = config.get("prompt_init") or VOCABULARY
        return {"model": self.model, **choices, "constraint": _constraint(config)}


def read_sweep_folder(folder: Path) -> tuple[list[TunedRun], int]:
    """The fine-tunes of one sweep, and how many left no adapter (`full` keeps none).

    Raises:
        UserError: no finished sweep of `validate` is there, or the start of its runs is gone.
    """
    path = folder / "validate.json"
    try:
        record = read_json(path)
        config, runs = record["config"], record["runs"]
    except (UserError, KeyError) as error:
        raise UserError(
            f"--sweep {folder} is no finished sweep of validate ({first_line(error)}); run it first"
        ) from error
    try:
        found = [tuned for run in runs if (tuned := _tuned_run(run, config, folder)) is not None]
    except UserError:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(
            f"--sweep {folder}: its results are damaged ({type(error).__name__}: {first_line(error)}); run its "
            "validate command again"
        ) from error
    return found, len(runs) - len(found)


def _tuned_run(run: Record, config: Record, folder: Path) -> TunedRun | None:
    work = folder / "runs" / _inside(run["id"], folder)
    if not (work / "adapter" / "adapter_config.json").is_file():
        return None
    performed = stored_run(work)
    rows = performed["config"]["rows"]
    return TunedRun(
        folder, run["id"], run, config["model"], config["system_prompt"], _start(performed, folder),
        work / "adapter", tuple(performed["kls"].get(rows) or performed["losses"][rows]), rows,
    )  # fmt: skip


def _start(performed: Record, folder: Path) -> str:
    name = performed["config"]["start"]
    if name.startswith(ALIGNED_PREFIX):
        _inside(name.removeprefix(ALIGNED_PREFIX), folder)
    start = start_spec(name)
    if start != name and not Path(start).is_dir():
        raise UserError(
            f"the aligned start of {folder} is no longer in the cache; run its validate command again, which makes it"
        )
    return start


def _inside(id: str, folder: Path) -> str:
    """The id, which becomes the name of a folder: results of others may say anything."""
    if id in ("", ".", "..") or Path(id).name != id or "\0" in id:
        raise UserError(f"--sweep {folder}: {id[:60]!r} is no id of a run; these results were tampered with")
    return id


def _constraint(config: Record) -> str:
    if config["penalty"] is not None:
        return f"λ = {config['penalty']:g} on {config['proxy']}"
    return "none" if config["radius"] is None else f"ε = {config['radius']:g}"


def short_settings(settings: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """The settings with the proxy named only where penalties were put on several."""
    constraints = {setting["constraint"] for setting in settings}
    proxies = {each.partition(" on ")[2] for each in constraints if " on " in each}
    if len(proxies) > 1:
        return list(settings)
    return [setting | {"constraint": setting["constraint"].partition(" on ")[0]} for setting in settings]


def growth(record: Record, gap: str) -> float | None:
    """By how much the fine-tune raised a gap, nats/response; None where either end is infinite."""
    from tradeoffbounds.report.quantities import number

    after, before = (number(record["observed"][name]) for name in (gap, f"{gap}_start"))
    return after - before if math.isfinite(after) and math.isfinite(before) else None
