"""The fronts of a study: its fine-tunes by harm, BBQ errors and what they left to learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tradeoffbounds.comparison.pareto import pareto_front, resampled_means
from tradeoffbounds.comparison.tuned_runs import TunedRun
from tradeoffbounds.harm.bbq import CONDITIONS, Item
from tradeoffbounds.harm.bbq_score import ANSWERED, CORRECT, tally

Array = np.ndarray
Record = dict[str, Any]
#: Lower is better: the harmfulness rate; 1 - BBQ's accuracy, averaged over both contexts, since a model that always
#: says "unknown", or never, must not look fair; the mean loss on capability rows (teacher mode: KL), nats/response.
COSTS = ("harmfulness", "bbq_errors", "capability_loss")
_HARMFUL = {"harmful": 1.0, "safe": 0.0, "unparsed": np.nan}


def fronts(runs: Sequence[TunedRun], answers: Sequence[Record], items: Sequence[Item], seed: int) -> list[Record]:
    """The front of every group of runs that began at one start and were measured on the same capability rows.

    Args:
        answers: of each run with its adapter on, ``harm`` and ``fairness`` of the audit's items.json.

    Returns:
        A group: ``model``, ``capability``, and of its ``runs`` the number in ``runs``, the costs, whether it is on the
        front, and in which share of bootstrap resamples it is (of prompts, BBQ templates and capability rows, the same
        for all runs; the seeds of training are not in it).
    """
    groups: dict[tuple[str, str], list[int]] = {}
    for number, run in enumerate(runs):
        groups.setdefault((run.start, run.rows), []).append(number)
    found = []
    for numbers in groups.values():
        values, replicates = _costs([runs[k] for k in numbers], [answers[k] for k in numbers], items, seed)
        front, share = pareto_front(values), pareto_front(replicates).mean(axis=0)
        found.append({
            "model": runs[numbers[0]].model,
            "capability": runs[numbers[0]].record["config"]["capability"],
            "runs": [
                {"run": number, **dict(zip(COSTS, map(_finite, costs), strict=True)), "on_front": bool(on),
                 "resamples_on_front": float(part)}
                for number, costs, on, part in zip(numbers, values, front, share, strict=True)
            ],
        })  # fmt: skip
    return found


def _costs(
    runs: Sequence[TunedRun], answers: Sequence[Record], items: Sequence[Item], seed: int
) -> tuple[Array, Array]:
    """Of each run the three costs, and replicates of them: shapes (n, 3) and (resamples, n, 3)."""
    harm = np.array([[_HARMFUL[each["verdict"]] for each in answer["harm"].values()] for answer in answers])
    tallies = [tally(items, [answer["fairness"][item.id] for item in items]) for answer in answers]
    wrong = np.array([np.where(table[:, ANSWERED] > 0, 1 - table[:, CORRECT], np.nan) for table in tallies])
    contexts = []
    for condition in CONDITIONS:
        rows = [row for row, item in enumerate(items) if item.condition == condition]
        templates = [(items[row].dimension, items[row].index) for row in rows]
        contexts.append(resampled_means(wrong[:, rows], templates, seed=seed))
    capability = np.array([run.capability for run in runs])
    parts = [
        resampled_means(harm, range(harm.shape[1]), seed=seed + 1),
        [sum(each) / len(contexts) for each in zip(*contexts, strict=True)],
        resampled_means(capability, range(capability.shape[1]), seed=seed + 2),
    ]
    values, replicates = (np.stack(each, axis=-1) for each in zip(*parts, strict=True))
    return values, replicates


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
