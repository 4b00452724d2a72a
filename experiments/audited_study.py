"""Which choice costs safety and fairness: the method, the objective or the penalty? A small grid, audited run by run.

    python experiments/audited_study.py --data-dir DATA --seeds 0 1

Two methods × {SFT, DPO} × {unconstrained, λ = 0.5} × two seeds on preference pairs, 24 steps each, from one start
aligned on safety-tuned; every fine-tune is asked 100 harmful prompts and 144 BBQ items. For a GPU, the grid of
arXiv:2511.00382 for one model:

    python -m tradeoffbounds.validate --model MODEL --sweep experiments/audited_study/grid.yaml --data-dir DATA
    python -m tradeoffbounds.study --sweep runs/validate --data-dir DATA --samples 0 --harm-samples 0
"""

from __future__ import annotations

from dataclasses import replace

import tyro
from tuned import ROOT, Options, experiment, rounded

from tradeoffbounds.report.progress import Reporter
from tradeoffbounds.report.study_figures import build_study_figures
from tradeoffbounds.report.study_tables import print_study
from tradeoffbounds.runs import write_json
from tradeoffbounds.study import study
from tradeoffbounds.study_config import StudyConfig
from tradeoffbounds.validate_config import ValidateConfig

NAME = "audited_study"
CONFIG = ValidateConfig(
    alignment="safety-tuned", proxy=("safety-tuned",), capability=("preferences-demo",), penalty=(0.5,),
    peft=("lora", "prompt-tuning"), objective=("sft", "dpo"), rows=200, validation_rows=24, test_rows=48, steps=24,
    batch=4, start_steps=100, max_tokens=64,
)  # fmt: skip
_DPI = 80


def main(options: Options) -> None:
    if len(options.seeds) == 1:
        options = replace(options, seeds=(0, 1))
    experiment(NAME, CONFIG, options, ("observed",))
    config = StudyConfig(
        sweep=(ROOT / "runs" / NAME,), harm="harmful-prompts", samples=144, data_dir=options.data_dir,
        out=ROOT / "runs" / f"{NAME}_audits",
    )  # fmt: skip
    with Reporter(quiet=False) as reporter:
        result = study(config, reporter)
    record = result.record
    print_study(record, result.folder)
    for which, figure in build_study_figures(record, result.audits).items():
        figure.savefig(ROOT / "figures" / f"{NAME}_{which}.png", dpi=_DPI)
    # In the place of folders that mean nothing elsewhere
    record["config"] |= {"data_dir": "DATA", "out": "OUT", "sweep": ["SWEEP"]}
    for run in record["runs"]:
        run["sweep"] = "SWEEP"
    write_json(ROOT / "experiments" / NAME / "study.json", rounded(record))


if __name__ == "__main__":
    main(tyro.cli(Options))
