"""Door 4, after many fine-tunes: ``python -m tradeoffbounds.study --sweep runs/validate --data-dir DATA``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradeoffbounds.door import make_callable, run_command, with_data_dir
from tradeoffbounds.errors import UserError
from tradeoffbounds.models.load import place
from tradeoffbounds.page import write_page
from tradeoffbounds.report.progress import Reporter
from tradeoffbounds.report.record import plain_options
from tradeoffbounds.runs import environment, open_run_folder, write_json
from tradeoffbounds.study_config import StudyConfig

if TYPE_CHECKING:
    from tradeoffbounds.comparison.tuned_runs import TunedRun

SCHEMA = "tradeoffbounds/study/1"
Record = dict[str, Any]


@dataclass(frozen=True)
class Study:
    """What `study` returns: the record that was written, each run's audit in the order of its runs, and where."""

    record: Record
    audits: list[Record]
    folder: Path


def study(config: StudyConfig, reporter: Reporter | None = None) -> Study:
    """Audit every fine-tune, compare them; ``config.out`` gets study.json, report.html, figures/ and an audit a run.

    Raises:
        UserError: something in the call cannot work; raised before anything is asked wherever it can be.
    """
    from tradeoffbounds.audit import audit
    from tradeoffbounds.comparison.tuned_runs import read_sweep_folder
    from tradeoffbounds.report.study_figures import draw_study_figures
    from tradeoffbounds.report.study_verdict import study_verdict

    say = reporter or Reporter(quiet=True)
    config = with_data_dir(config)
    folder = open_run_folder(config.out)
    read = [read_sweep_folder(sweep) for sweep in config.sweep]
    runs = [run for found, _ in read for run in found]
    if len(runs) < 2:
        where = ", ".join(map(str, config.sweep))
        raise UserError(f"{len(runs)} fine-tunes with an adapter in {where}; a study compares at least 2")
    audits = []
    for done, run in enumerate(runs):
        say.step(f"auditing fine-tune {done + 1} of {len(runs)}")
        asked = config.audit(run.start, run.adapter, run.system_prompt, _audit_folder(config, run))
        audits.append(audit(asked, say).record)
    say.step("comparing fine-tunes")
    placement = place(config.device, config.dtype)
    record: Record = {
        "schema": SCHEMA,
        "config": plain_options(asdict(config)),
        "environment": environment(placement.device, placement.dtype),
        "without_adapter": sum(left for _, left in read),
        **study_parts(config, runs, audits),
    }
    record["verdict"] = study_verdict(record)
    say.step("drawing figures")
    draw_study_figures(record, audits, folder / "figures")
    write_json(folder / "study.json", record)
    write_page(record, folder)
    say.done()
    return Study(record, audits, folder)


def study_parts(config: StudyConfig, runs: Sequence[TunedRun], audits: Sequence[Record]) -> Record:
    """``asked``, ``runs``, ``factors`` and ``fronts`` of the record, from every run and its audit."""
    from tradeoffbounds.audit import bbq_items
    from tradeoffbounds.comparison.factors import factor_effects
    from tradeoffbounds.comparison.fronts import fronts
    from tradeoffbounds.comparison.outcomes import outcomes_of
    from tradeoffbounds.comparison.tuned_runs import short_settings

    settings = short_settings([run.setting for run in runs])
    outcomes = [outcomes_of(run.record, audit) for run, audit in zip(runs, audits, strict=True)]
    names = [name for name in outcomes[0] if any(each[name] is not None for each in outcomes)]
    values = {name: [None if (quantity := each[name]) is None else float(quantity["value"]) for each in outcomes]
              for name in names}  # fmt: skip
    effects = factor_effects(settings, values, confidence=config.confidence, seed=config.seed)
    whole = audits[0]["harm"] is not None and audits[0]["fairness"] is not None
    answers = [json.loads((_audit_folder(config, run) / "items.json").read_text("utf-8"))["adapter"] for run in runs]
    return {
        "asked": {
            "harm": audits[0]["harm"] and {part: audits[0]["harm"][part] for part in ("set", "judge")},
            "fairness": None if audits[0]["fairness"] is None else config.samples or "all",
        },
        "runs": [
            {"id": run.id, "sweep": str(run.sweep), "setting": setting, "outcomes": found}
            for run, setting, found in zip(runs, settings, outcomes, strict=True)
        ],
        "factors": {outcome: {factor: each.to_json() for factor, each in row.items()}
                    for outcome, row in effects.items()},
        "fronts": fronts(runs, answers, bbq_items(config), config.seed) if whole else [],
    }  # fmt: skip


def _audit_folder(config: StudyConfig, run: TunedRun) -> Path:
    return config.out / "audits" / f"{run.sweep.resolve().name}-{run.id}"


def main(arguments: list[str] | None = None) -> int:
    """The command. Returns 0, or 2 for a wrong call (one line on stderr)."""
    return run_command("tradeoffbounds.study", StudyConfig, study, _show, arguments)


def _show(result: Study) -> None:
    from tradeoffbounds.report.study_tables import print_study

    print_study(result.record, result.folder)


make_callable(__name__, study)

if __name__ == "__main__":
    sys.exit(main())
