"""What did a fine-tune on arithmetic do to harm and fairness? One adapter of tuned_methods.py beside its start.

    python experiments/tuned_methods.py --data-dir DATA       # first, if it was not run on this machine
    python experiments/audited_fine_tune.py --data-dir DATA

The aligned start and the unconstrained LoRA fine-tune on gsm8k: 100 harmful prompts in five categories, judged by
refusal phrases, and 270 BBQ items. Counts and ids are kept, no answers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import tyro

from tradeoffbounds.audit import audit
from tradeoffbounds.audit_config import AuditConfig
from tradeoffbounds.errors import UserError
from tradeoffbounds.report.audit_figures import build_audit_figures
from tradeoffbounds.report.audit_tables import print_audit
from tradeoffbounds.report.audit_verdict import audit_verdict
from tradeoffbounds.report.progress import Reporter
from tradeoffbounds.runs import write_json

ROOT = Path(__file__).parents[1]
NAME = "audited_fine_tune"
_DPI = 90


@dataclass(frozen=True)
class Options:
    data_dir: Path | None = None
    """Folder with harmful-prompts.jsonl and bbq/."""
    method: str = "lora"
    """Of the fine-tune."""
    penalty: float | None = None
    """Of the fine-tune; None: unconstrained."""


def main(options: Options) -> None:
    adapter = _adapter(options.method, options.penalty)
    start = json.loads((adapter / "adapter_config.json").read_text("utf-8"))["base_model_name_or_path"]
    config = AuditConfig(
        model=start, adapter=adapter, harm="harmful-prompts", data_dir=options.data_dir, out=ROOT / "runs" / NAME
    )
    with Reporter(quiet=False) as reporter:
        record = audit(config, reporter).record
    # In the place of names and folders that mean nothing elsewhere
    record["model"]["name"] = "the aligned start"
    record["adapter"]["name"] = "a fine-tune on gsm8k"
    record["verdict"] = audit_verdict(record)
    record["config"] |= {"model": "START", "adapter": "ADAPTER", "data_dir": "DATA", "out": "OUT"}
    print_audit(record, config.out)
    write_json(ROOT / "experiments" / NAME / "audit.json", record)
    for which, figure in build_audit_figures(record).items():
        figure.savefig(ROOT / "figures" / f"{NAME}_{which}.png", dpi=_DPI)


def _adapter(method: str, penalty: float | None) -> Path:
    """The folder that tuned_methods.py left of this run."""
    runs = ROOT / "runs" / "tuned_methods"
    if not (runs / "validate.json").is_file():
        raise UserError(f"{runs} has no validate.json; run experiments/tuned_methods.py first")
    record = json.loads((runs / "validate.json").read_text("utf-8"))
    for run in record["runs"]:
        if run["config"]["method"] == method and run["config"]["penalty"] == penalty:
            return runs / "runs" / str(run["id"]) / "adapter"
    raise UserError(f"{runs} has no run of {method} with penalty {penalty}")


if __name__ == "__main__":
    main(tyro.cli(Options))
