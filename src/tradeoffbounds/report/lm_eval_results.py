"""An audit as a results folder of EleutherAI's lm-evaluation-harness, for tables made to read that.

The layout is theirs, the tasks are not: each has a name of its own, since the definitions differ (their `bbq` scores
other options, and has no accuracy by category). Everything comes from the record of the audit alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from scipy import stats

from tradeoffbounds.report.quantities import Record, ends, number
from tradeoffbounds.runs import write_json

FOLDER = "lm-eval"
#: Of our tasks' definitions; raised when one changes.
VERSION = 1
_STDERR = "half the width of the interval over the normal quantile of its level"
_DEFINITIONS = {
    "harmfulness_rate": "harmful answers over answers judged harmful or safe",
    "acc": "correct answers over answers that could be read",
    "bias_score": "BBQ's, as its authors define it (arXiv:2110.08193, section 5): from -1 to 1, 0 is no preference",
}
#: A bias score is best at 0.
_HIGHER_IS_BETTER = {"harmfulness_rate": False, "acc": True, "bias_score": None}


@dataclass(frozen=True)
class _Task:
    """One row of their tables: ``read`` of ``n`` answers could be counted."""

    name: str
    alias: str
    dataset: str
    output_type: str
    how: str
    n: int
    read: int
    metrics: dict[str, Record]


def lm_eval_results(record: Record, when: datetime) -> dict[str, Record]:
    """Model -> its results file.

    Args:
        record: of the audit; with an adapter there are two models.
    """
    base = record["model"]["name"]
    if record["adapter"] is None:
        return {base: _results(record, record, base, when)}
    adapter = record["adapter"]["name"]
    return {base: _results(record, record["base"], base, when), adapter: _results(record, record, adapter, when)}


def write_lm_eval_results(record: Record, folder: Path, when: datetime) -> list[Path]:
    """Write ``lm-eval/MODEL/results_TIME.json`` for every model of the audit."""
    paths = []
    for model, results in lm_eval_results(record, when).items():
        time = when.isoformat().replace(":", "-")
        paths.append(folder / FOLDER / sanitised(model) / f"results_{time}.json")
        write_json(paths[-1], results)
    return paths


def sanitised(model: str) -> str:
    """A model's name as lm-eval makes a folder of it."""
    return re.sub(r'["<>:/|\\?*\[\]]+', "__", model)


def _results(record: Record, side: Record, model: str, when: datetime) -> Record:
    tasks = _told_apart([*_harm_tasks(side["harm"]), *_bbq_tasks(side["fairness"], record["config"])])
    config, prompt = record["config"], record["config"]["system_prompt"] or None
    adapter = record["adapter"] is not None and side is record
    arguments = f"pretrained={config['model']}" + (f",peft={config['adapter']}" if adapter else "")
    return {
        "results": {task.name: {"alias": task.alias, **_numbers(task)} for task in tasks},
        "group_subtasks": {task.name: [] for task in tasks},
        "configs": {task.name: _config(task, record) for task in tasks},
        "versions": {task.name: VERSION for task in tasks},
        "n-shot": {task.name: 0 for task in tasks},
        "higher_is_better": {
            task.name: {metric: _HIGHER_IS_BETTER[metric] for metric in task.metrics} for task in tasks
        },
        "n-samples": {task.name: {"original": task.n, "effective": task.read} for task in tasks},
        "config": {
            "model": "tradeoffbounds.audit", "model_args": arguments, "model_dtype": record["environment"]["dtype"],
            "device": record["environment"]["device"], "limit": None, "random_seed": config["seed"],
        },
        "date": when.timestamp(),
        "transformers_version": record["environment"]["versions"].get("transformers"),
        "tradeoffbounds_version": record["environment"]["versions"].get("tradeoffbounds"),
        "task_hashes": {},
        "model_source": "tradeoffbounds.audit",
        "model_name": model,
        "model_name_sanitized": sanitised(model),
        "system_instruction": prompt,
        "system_instruction_sha": prompt and hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest(),
        "template_sha256": record["model"]["template_sha256"],
    }  # fmt: skip


def _harm_tasks(harm: Record | None) -> Iterator[_Task]:
    if harm is None:
        return
    asked, judge = harm["set"]["name"], harm["judge"]["name"]
    for category, counted in [("", harm["overall"]), *harm["categories"].items()]:
        if counted["rate"] is not None:
            yield _Task(
                _task_name("harm", asked, category), ", ".join(filter(None, ("harm", asked, category))), asked,
                "generate_until", judge, counted["n"], counted["harmful"] + counted["safe"],
                {"harmfulness_rate": counted["rate"]},
            )  # fmt: skip


def _bbq_tasks(fairness: Record | None, config: Record) -> Iterator[_Task]:
    how = config["answers"]
    output = "generate_until" if how == "said" else "multiple_choice"
    for dimension, conditions in (fairness or {}).items():
        for condition, score in conditions.items():
            found = {"acc": score["accuracy"], "bias_score": score["bias"]}
            metrics = {name: quantity for name, quantity in found.items() if quantity is not None}
            if metrics:
                yield _Task(
                    _task_name("bbq", dimension, condition), f"BBQ, {dimension}, {condition}", config["fairness"],
                    output, how, score["n"], score["n"] - score["unparsed"], metrics,
                )  # fmt: skip


def _task_name(*parts: str) -> str:
    """``tradeoffbounds_bbq_age_ambig``: no task of theirs is called so."""
    return "_".join(["tradeoffbounds", *(re.sub(r"\W+", "_", part).strip("_").lower() for part in parts if part)])


def _told_apart(tasks: list[_Task]) -> list[_Task]:
    """Categories that differ in signs alone would share a name: those after the first are numbered."""
    seen: dict[str, int] = {}
    apart = []
    for task in tasks:
        seen[task.name] = seen.get(task.name, 0) + 1
        apart.append(task if seen[task.name] == 1 else replace(task, name=f"{task.name}_{seen[task.name]}"))
    return apart


def _numbers(task: _Task) -> Record:
    """``METRIC,FILTER`` and ``METRIC_stderr,FILTER``; the filter says how answers were read: by judge, or by option."""
    found: Record = {}
    how = task.how.replace(",", " ")
    for metric, quantity in task.metrics.items():
        found[f"{metric},{how}"] = number(quantity)
        low, high = ends(quantity)
        known = quantity["interval"] is not None and quantity["confidence"] is not None
        spread = float(stats.norm.ppf((1 + quantity["confidence"]) / 2)) if known else 1.0
        found[f"{metric}_stderr,{how}"] = (high - low) / (2 * spread) if known else "N/A"
    return found


def _config(task: _Task, record: Record) -> Record:
    return {
        "task": task.name,
        "dataset_path": task.dataset,
        "output_type": task.output_type,
        "num_fewshot": 0,
        "metric_list": [
            {"metric": metric, "aggregation": "mean", "higher_is_better": _HIGHER_IS_BETTER[metric]}
            if metric != "bias_score" else {"metric": metric, "higher_is_better": None}
            for metric in task.metrics
        ],
        "metadata": {
            "version": VERSION,
            "definitions": {metric: _DEFINITIONS[metric] for metric in task.metrics},
            "stderr": _STDERR,
            "quantities": task.metrics,
            "answers": task.how,
            "audit": record["schema"],
        },
    }  # fmt: skip
