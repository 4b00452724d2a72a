"""Advice for a budget of safety gap: which method, penalty, radius and proxy, and what to look at afterwards."""

from __future__ import annotations

import shlex
from typing import Any

from tradeoffbounds.config import EstimateConfig
from tradeoffbounds.models.prompt_init import CONCERNED, VOCABULARY
from tradeoffbounds.report.advice_items import budget, item, stated
from tradeoffbounds.report.case_two_advice import TRAINED, method_advice, radius_advice, reaches, safer
from tradeoffbounds.report.case_two_reading import methods_of
from tradeoffbounds.report.penalty_advice import penalty_advice, proxy_advice
from tradeoffbounds.report.quantities import plain
from tradeoffbounds.report.record import reference

Record = dict[str, Any]


def advice(record: Record) -> list[Record]:
    """Advice read out of an estimate's record alone: ``about``, ``sentence`` and the quantities that it rests on.

    A number that is infinite or known without data is named, and nothing is advised by it.

    Raises:
        UserError: the estimate was made without ``--max-safety-gap``.
    """
    budget(record)
    on_method, methods = method_advice(record)
    on_penalty, penalty = penalty_advice(record)
    found = [*on_method, *on_penalty, *radius_advice(record), *proxy_advice(record, penalty)]
    replaced = [source["stand_in_for"] for source in record["sources"].values() if source.get("stand_in_for")]
    if replaced:
        told = f"On stand-in data, not on {', '.join(replaced)}: "
        found = [each | {"sentence": f"{told}{each['sentence']}"} for each in found]
    return [*found, *_afterwards(record, methods, penalty)]


def _afterwards(record: Record, methods: tuple[str, ...], penalty: float | None) -> list[Record]:
    row = next((each for each in record["loss_constraint"] if each["penalty"] == penalty), reference(record))
    gap = (row["exact"] if "exact" in row else row["predicted"])["safety_gap"]
    audit = (
        "Which categories of harm and which dimensions of fairness will change, these numbers cannot predict: the "
        f"safety gap at lambda = {row['penalty']:g}, {stated(gap)}, is one mean over all alignment rows. Watch all of "
        f"them after the fine-tune: `{_audit(record)}` (START: the model that ADAPTER was trained on, "
        "base_model_name_or_path in its adapter_config.json)."
    )
    asked = "" if penalty is not None else f" at lambda = {row['penalty']:g}, though none was advised,"
    check = (
        f"Whether the predictions hold,{asked} a fine-tune shows: the safety gap, {stated(gap)}, is for a training "
        f"that finds the best trade-off. `{_validate(record, methods, penalty or row['penalty'])}` trains and "
        "measures, from a start that it tunes on the alignment data first; with --start none, from the model as it is."
    )
    return [item("afterwards", audit, gap), item("afterwards", check, gap)]


def _audit(record: Record) -> str:
    config = record["config"]
    folder = config["data_dir"] or "DATA"
    words = ["python", "-m", "tradeoffbounds.audit", "--model", "START", "--adapter", "ADAPTER", "--data-dir", folder]
    return shlex.join([*words, *_system_prompt(config)])


def _validate(record: Record, advised: tuple[str, ...], penalty: float) -> str:
    config = record["config"]
    words = ["python", "-m", "tradeoffbounds.validate"]
    for name in ("model", "alignment", "proxy", "capability", "data_dir"):
        if config[name] is not None:
            words += [f"--{name.replace('_', '-')}", str(config[name])]
    # And one that is larger by far, since the smallest that the best trade-off needs is seldom enough.
    larger = max(10 * penalty, *(row["penalty"] for row in record["loss_constraint"]))
    words += ["--penalty", plain(penalty, 6), plain(larger, 6)]
    trained = [each for each in methods_of(record) if each["peft"] in TRAINED]
    if trained:
        chosen = [each for each in trained if each["peft"] in advised] or trained[:1]
        words += ["--peft", *(each["peft"] for each in chosen)]
        if any(each["peft"] == CONCERNED for each in chosen) and config.get("prompt_init", VOCABULARY) != VOCABULARY:
            words += ["--prompt-init", config["prompt_init"]]
        radii = [safer(found).radius for each in chosen if (found := reaches(each, budget(record)))]
        if radii:
            words += ["--radius", plain(min(radii), 6)]
    return shlex.join([*words, *_system_prompt(config)])


def _system_prompt(config: Record) -> list[str]:
    same = config["system_prompt"] == EstimateConfig.system_prompt
    return [] if same else ["--system-prompt", config["system_prompt"]]
