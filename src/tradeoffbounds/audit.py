"""Door 3, after a fine-tune: ``python -m tradeoffbounds.audit --data-dir DATA --adapter DIR``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradeoffbounds.audit_config import NONE, AuditConfig
from tradeoffbounds.door import make_callable, run_command, with_data_dir
from tradeoffbounds.errors import UserError
from tradeoffbounds.models.load import (
    Placement,
    check_model,
    load_model,
    load_settings,
    load_tokenizer,
    model_id,
    model_names,
    place,
)
from tradeoffbounds.page import write_page
from tradeoffbounds.report.progress import Reporter
from tradeoffbounds.report.record import plain_options
from tradeoffbounds.runs import atomic_path, content_hash, environment, open_run_folder, write_json
from tradeoffbounds.sources import template_sha256

if TYPE_CHECKING:
    from tradeoffbounds.harm.bbq import Item
    from tradeoffbounds.harm.generation import Respondent
    from tradeoffbounds.harm.prompts import HarmPrompt, HarmSet
    from tradeoffbounds.harm.verdicts import Judge, Judgement

SCHEMA = "tradeoffbounds/audit/1"
Record = dict[str, Any]


@dataclass(frozen=True)
class Audit:
    """What `audit` returns: the record that was written, and where."""

    record: Record
    folder: Path


@dataclass(frozen=True)
class Side:
    """What the model said, its adapter on or off; None where it was not asked."""

    texts: list[str] | None
    judged: list[Judgement] | None
    choices: list[int | None] | None


def audit(config: AuditConfig, reporter: Reporter | None = None) -> Audit:
    """Ask, judge, count and compare; writes audit.json, items.json, report.html and figures/ into ``config.out``.

    Raises:
        UserError: something in the call cannot work; raised before anything is asked wherever it can be.
    """
    from tradeoffbounds.report.audit_figures import draw_audit_figures
    from tradeoffbounds.report.audit_verdict import audit_verdict
    from tradeoffbounds.report.lm_eval_results import write_lm_eval_results

    say = reporter or Reporter(quiet=True)
    config = with_data_dir(config)
    folder = open_run_folder(config.out)
    check_model(config.model)
    adapter = None if config.adapter is None else _read_adapter(config.adapter, config.model)
    asked = _harm_set(config)
    items = bbq_items(config)
    placement = place(config.device, config.dtype)
    judge = None if asked is None else _judge(config, placement)
    say.step("loading the model")
    respondents = _respondents(config, adapter, placement)
    sides = {name: _ask(config, each, name, asked, judge, items, say) for name, each in respondents.items()}
    say.step("comparing")
    record: Record = {
        "schema": SCHEMA,
        "config": plain_options(asdict(config)),
        "environment": environment(placement.device, placement.dtype),
        "model": {
            "name": model_names(config.model)[0],
            "template_sha256": template_sha256(respondents["base"].tokenizer, config.system_prompt or None),
        },
        "adapter": adapter,
        **_parts(config, asked, judge, items, sides),
    }
    record["verdict"] = audit_verdict(record)
    draw_audit_figures(record, folder / "figures")
    write_json(folder / "items.json", _by_item(asked, items, sides))
    if config.keep_texts and asked is not None:
        _write_texts(folder / "texts.jsonl", asked.prompts, sides)
    write_json(folder / "audit.json", record)
    write_page(record, folder)
    if config.lm_eval:
        write_lm_eval_results(record, folder, datetime.now())
    say.done()
    return Audit(record, folder)


def _read_adapter(folder: Path, model: str) -> Record:
    """What the record says of the adapter; refused where it is none, or is of another model."""
    from tradeoffbounds.models.peft_folder import read_adapter

    config, tensors = read_adapter(folder, model=model, settings=load_settings(model))
    content = {name: content_hash(tensor.tobytes().hex()) for name, tensor in sorted(tensors.items())}
    name = "/".join(folder.resolve().parts[-2:])  # the folder itself is often called `adapter`
    return {"name": name, "method": config.method, "sha256": content_hash(asdict(config), content)}


def _harm_set(config: AuditConfig) -> HarmSet | None:
    from tradeoffbounds.harm.prompts import load_harm_set

    if config.harm == NONE:
        return None
    found = load_harm_set(config.harm, data_dir=config.data_dir)
    return found if config.harm_samples == 0 else found.sample(config.harm_samples, config.seed)


def bbq_items(config: AuditConfig) -> tuple[Item, ...]:
    """The items that are asked, none where BBQ is left out."""
    from tradeoffbounds.harm.bbq import load_bbq, sample_items

    if config.fairness == NONE:
        return ()
    folder = Path(config.fairness)
    if config.data_dir is not None and (config.data_dir / config.fairness).is_dir():
        folder = config.data_dir / config.fairness
    try:
        found = load_bbq(folder)
    except UserError as error:
        raise UserError(f"--fairness {config.fairness}: {error}; --fairness none leaves it out") from error
    return found if config.samples == 0 else sample_items(found, config.samples, config.seed)


def _judge(config: AuditConfig, placement: Placement) -> Judge:
    # Before anything is asked: a judge that cannot be had is told at once.
    from tradeoffbounds.harm.judges import make_judge

    return make_judge(config.judge, placement)


def _respondents(config: AuditConfig, adapter: Record | None, placement: Placement) -> dict[str, Respondent]:
    from tradeoffbounds.harm.generation import Respondent

    model, tokenizer = load_model(config.model, placement), load_tokenizer(config.model)
    if config.adapter is not None and adapter is not None:
        from tradeoffbounds.models.peft_folder import load_adapter

        model = load_adapter(model, config.adapter)
    respond = partial(Respondent, model, tokenizer, model_id(config.model))
    return {"base": respond()} | ({} if adapter is None else {"adapter": respond(adapter["sha256"])})


def _ask(
    config: AuditConfig, respondent: Respondent, name: str, asked: HarmSet | None, judge: Judge | None,
    items: Sequence[Item], say: Reporter,
) -> Side:  # fmt: skip
    from tradeoffbounds.harm.bbq_answer import answer_items
    from tradeoffbounds.harm.generation import complete

    texts, judged, choices = None, None, None
    who = "the model" if name == "base" else "the model with its adapter"
    common: Record = {"system_prompt": config.system_prompt or None, "warn": say.warn}
    if asked is not None and judge is not None:
        total = len(asked.prompts)
        texts = complete(
            respondent, asked.prompts, max_new_tokens=config.max_new_tokens, **common,
            on_batch=lambda done: say.advance(f"{who}: harmful prompts", done, total),
        )  # fmt: skip
        say.step(f"judging {who}")
        judged = judge.judge([each.prompt for each in asked.prompts], texts)
    if items:
        answers = answer_items(
            respondent, items, config.answers, **common,
            on_batch=lambda done: say.advance(f"{who}: BBQ", done, len(items)),
        )  # fmt: skip
        choices = [each.choice for each in answers]
    return Side(texts, judged, choices)


def _parts(
    config: AuditConfig, asked: HarmSet | None, judge: Judge | None, items: Sequence[Item], sides: dict[str, Side]
) -> Record:
    """``harm``, ``fairness``, ``base`` and ``compared_with_base`` of the record."""
    both = {name: _of_side(config, asked, judge, items, side) for name, side in sides.items()}
    if "adapter" not in both:
        return {**both["base"], "base": None, "compared_with_base": None}
    return {
        **both["adapter"], "base": both["base"],
        "compared_with_base": _compared(config, asked, judge, items, sides["base"], sides["adapter"]),
    }  # fmt: skip


def _of_side(
    config: AuditConfig, asked: HarmSet | None, judge: Judge | None, items: Sequence[Item], side: Side
) -> Record:
    from tradeoffbounds.harm.bbq_score import scores
    from tradeoffbounds.harm.rates import harm_summary

    found: Record = {"harm": None, "fairness": None}
    if asked is not None and judge is not None:
        summary = harm_summary(
            _verdicts(asked, side), _categories(asked), not_supplied=asked.not_supplied, covers=judge.covers,
            confidence=config.confidence,
        )  # fmt: skip
        said = {"name": judge.name, "weak": judge.weak, "calibration": judge.calibration}
        found["harm"] = {"set": asked.describe(), "judge": said} | summary.to_json()
    if side.choices is not None:
        scored = scores(items, side.choices, confidence=config.confidence, seed=config.seed)
        found["fairness"] = {
            dimension: {condition: score.to_json() for condition, score in cells.items()}
            for dimension, cells in scored.items()
        }
    return found


def _compared(
    config: AuditConfig, asked: HarmSet | None, judge: Judge | None, items: Sequence[Item], before: Side, after: Side
) -> Record:
    from tradeoffbounds.harm.compare import cells_json, compare_fairness, compare_harm

    found: Record = {"harm": None, "fairness": None, "overall": {"harm": None, "fairness": None}}
    options: Record = {"confidence": config.confidence, "seed": config.seed}
    if asked is not None and judge is not None:
        verdicts = _verdicts(asked, before), _verdicts(asked, after)
        harm = compare_harm(*verdicts, _categories(asked), covers=judge.covers, **options)
        found["harm"] = harm.to_json()
        found["overall"]["harm"] = harm.overall and harm.overall.to_json()
    if before.choices is not None and after.choices is not None:
        fairness = compare_fairness(items, before.choices, after.choices, **options)
        found["fairness"] = fairness.to_json()
        found["overall"]["fairness"] = cells_json(fairness.overall)
    return found


def _categories(asked: HarmSet) -> dict[str, str | None]:
    return {each.id: each.category for each in asked.prompts}


def _verdicts(asked: HarmSet, side: Side) -> Record:
    return {each.id: judged.verdict for each, judged in zip(asked.prompts, side.judged or (), strict=True)}


def _by_item(asked: HarmSet | None, items: Sequence[Item], sides: dict[str, Side]) -> Record:
    """Verdicts and choices by the ids of prompts and items, so that any two audits can be compared; no texts."""
    return {
        name: {
            "harm": None if asked is None else {
                each.id: {"verdict": judged.verdict, "codes": list(judged.codes), "probability": judged.probability,
                          "remark": judged.remark}
                for each, judged in zip(asked.prompts, side.judged or (), strict=True)
            },
            "fairness": None if side.choices is None else {
                item.id: choice for item, choice in zip(items, side.choices, strict=True)
            },
        }
        for name, side in sides.items()
    }  # fmt: skip


def _write_texts(path: Path, prompts: Sequence[HarmPrompt], sides: dict[str, Side]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for name, side in sides.items():
            for prompt, text, judged in zip(prompts, side.texts or (), side.judged or (), strict=True):
                said = {"id": prompt.id, "category": prompt.category, "prompt": prompt.prompt, "answer": text}
                said |= {"side": name, "verdict": judged.verdict, "judge_wrote": judged.raw}
                file.write(json.dumps(said, ensure_ascii=False) + "\n")


def main(arguments: list[str] | None = None) -> int:
    """The command. Returns 0, or 2 for a wrong call (one line on stderr)."""
    return run_command("tradeoffbounds.audit", AuditConfig, audit, _show, arguments)


def _show(result: Audit) -> None:
    from tradeoffbounds.report.audit_tables import print_audit

    print_audit(result.record, result.folder)


make_callable(__name__, audit)

if __name__ == "__main__":
    sys.exit(main())
