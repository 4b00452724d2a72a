"""From finished jobs to the parts of validate.json: gaps from their references, each run beside what was foretold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from tradeoffbounds.comparison.compare import Gaps, compared
from tradeoffbounds.comparison.foretell import Foresight, labels_of
from tradeoffbounds.comparison.observed import Reference, gap, per_token, preference
from tradeoffbounds.comparison.signatures import signatures
from tradeoffbounds.comparison.stored import stored_run, stored_start
from tradeoffbounds.comparison.summary import summarise
from tradeoffbounds.finetune.gather import Gathered
from tradeoffbounds.finetune.perform import start_spec
from tradeoffbounds.finetune.plan import Plan, Run
from tradeoffbounds.finetune.training import Training
from tradeoffbounds.report.record import case_one_rows
from tradeoffbounds.sweeps import Job

Record = dict[str, Any]
_GAPS = {"alignment": "safety_gap", "proxy": "proxy_gap", "capability": "capability_gap"}
_EXACT = "exact KLs of next tokens along sampled responses: a gap of 0 is the source itself"


class Results:
    """The finished jobs of a sweep, and what their rows are gaps from."""

    def __init__(self, plan: Plan, folders: Mapping[str, Path], gathered: Gathered) -> None:
        self.plan, self.gathered = plan, gathered
        self.records = {id: stored_run(folder) for id, folder in folders.items()}
        self.references = {label: self._reference(label) for label in gathered.addresses}

    def record(self, job: Job) -> Record:
        """What a job wrote."""
        return self.records[job.id]

    def rows(self, job: Job) -> dict[str, np.ndarray]:
        """Of a job, one number a held-out row by address: exact KLs where sources are models, else losses."""
        record = self.record(job)
        return {each: np.asarray(rows) for each, rows in (record["kls"] or record["losses"]).items()}

    def gaps(self, job: Job, run: Run, *, proxy_job: Job | None = None) -> Gaps:
        """The gaps of a run's model; the proxy gap of another job where one is given."""
        labels = labels_of((run.proxy, run.capability))

        def of(role: str, which: Job) -> Any:
            label = labels[role]
            return gap(self.rows(which), self.gathered.addresses[label], self.references[label])

        return Gaps(of("alignment", job), of("proxy", proxy_job or job), of("capability", job))

    def _reference(self, label: str) -> Reference:
        address = self.gathered.addresses[label]
        if self.gathered.is_teacher:
            return Reference(np.zeros(len(self.gathered.material[label].test)), _EXACT)
        jobs = self.plan.references.get(label)
        if jobs is None:
            return Reference(
                self.rows(self.plan.start)[address], "difference of losses to the aligned start, whose gap counts as 0"
            )
        best = min(jobs, key=lambda job: _best_validation(self.record(job)["history"]))
        means = [float(self.rows(job)[address].mean()) for job in jobs]
        seed, steps = best.config["training"]["seed"], _last_step(self.record(best)["history"])
        return Reference(
            self.rows(best)[address],
            f"difference of losses to LoRA on this source alone (stopped early after {steps} steps, seed {seed}, the "
            f"best of {len(jobs)} by validation), whose gap counts as 0",
            max(means) - min(means) if len(means) > 1 else None,
        )


def start_record(results: Results, trained: str, confidence: float) -> Record:
    """The aligned start: what it is, and its own safety gap where gaps are absolute."""
    start = results.plan.start
    address = results.gathered.addresses["alignment"]
    measured = gap(results.rows(start), address, results.references["alignment"])
    model = start.config["start"]
    aligned = None if trained == "none" else stored_start(Path(start_spec(model)).parent)
    return {
        "model": model,
        "trained": trained,
        "steps": 0 if aligned is None else _last_step(aligned["history"]),
        "safety_gap": measured.bound("safety gap of the start", confidence).to_json(),
        "loss": {label: float(np.mean(results.record(start)["losses"][each])) for label, each in
                 results.gathered.addresses.items()},
    }  # fmt: skip


def foretold_parts(foresight: Foresight) -> Record:
    """What was said before the runs, in full."""
    curvature = []
    others = ((pair, methods) for (pair, _), methods in foresight.other_prompts.items())
    for (proxy, capability), methods in (*foresight.case_two.items(), *others):
        from tradeoffbounds.report.case_two_record import case_two_record

        curvature.append({"proxy": proxy, "capability": capability, **case_two_record(methods)})
    return {
        "predictions": [
            {"proxy": proxy, "capability": capability, "loss_constraint": case_one_rows(case)}
            for (proxy, capability), case in foresight.case_one.items()
        ],
        "curvature": curvature,
    }


def run_records(results: Results, foresight: Foresight, confidence: float) -> list[Record]:
    """One record a run, in the order of the plan."""
    found: dict[Run, Record] = {run: _run_record(results, run, foresight, confidence) for run in results.plan.runs}
    for run, record in found.items():
        free = None if run == run.unconstrained else _left_to_itself(found, run)
        record["signatures"] = signatures(record, None if free is None else found[free])
    return list(found.values())


def comparison_parts(results: Results, foresight: Foresight, confidence: float) -> Record:
    """Runs, summary and references of validate.json."""
    runs = run_records(results, foresight, confidence)
    return {
        "references": _reference_words(results.references),
        "reference_spread": {
            label: each.spread for label, each in results.references.items() if each.spread is not None
        },
        "runs": runs,
        "summary": summarise(runs),
    }


def _reference_words(references: Mapping[str, Reference]) -> dict[str, str]:
    """What a gap of 0 means, by gap; of several sources with references of their own, each by its name."""
    found = {}
    for role, name in _GAPS.items():
        words = {label.partition(": ")[2]: each.words for label, each in references.items() if label.startswith(role)}
        same = len(set(words.values())) == 1
        found[name] = (
            next(iter(words.values())) if same else "; ".join(f"{each}: {text}" for each, text in words.items())
        )
    return found


def _run_record(results: Results, run: Run, foresight: Foresight, confidence: float) -> Record:
    plan, gathered = results.plan, results.gathered
    job = plan.runs[run]
    start, gaps = results.gaps(plan.start, run), results.gaps(job, run)
    history = results.record(job)["history"]
    parts = compared(
        gaps, start, foresight.of(run, start, confidence), penalty=run.penalty, alone=_alone(results, run),
        history=history, confidence=confidence,
    )  # fmt: skip
    training = Training(**results.record(job)["config"]["training"])
    config = asdict(run) | {"learning_rate": training.rate}
    if run.prompt_init is None:
        del config["prompt_init"]
    measured = {"alignment": gaps.safety, "proxy": gaps.proxy, "capability": gaps.capability}
    for role, label in labels_of((run.proxy, run.capability)).items():
        name = _GAPS[role]
        lengths = [len(text.response) for text in gathered.material[label].test]
        whole = measured[role].bound(name.replace("_", " "), confidence)
        parts["observed"][f"{name}_per_token"] = per_token(whole, lengths).to_json()
    parts["preference"] = None
    if run.objective == "dpo":
        address = gathered.addresses["alignment"]
        after, before = (np.asarray(results.record(each)["losses"][address]) for each in (job, plan.start))
        parts["preference"] = preference(after, before, training.beta, confidence)
    return {"id": job.id, "config": config, **parts}


def _alone(results: Results, run: Run) -> Gaps | None:
    """Single-source training of the same method, where the sweep has it."""
    proxy_job = results.plan.proxy_alone.get(run)
    free = _left_to_itself(results.plan.runs, run)
    if proxy_job is None or free is None:
        return None
    return results.gaps(results.plan.runs[free], run, proxy_job=proxy_job)


def _left_to_itself(runs: Iterable[Run], run: Run) -> Run | None:
    """The same fine-tune without a constraint, where it is among ``runs``; the proxy has no part in that."""
    wanted = run.unconstrained
    return next((each for each in runs if replace(each, proxy=wanted.proxy) == wanted), None)


def _best_validation(history: Sequence[Mapping[str, float]]) -> float:
    return min((entry["eval_loss"] for entry in history if "eval_loss" in entry), default=float("inf"))


def _last_step(history: Sequence[Mapping[str, float]]) -> int:
    return int(max((entry["step"] for entry in history), default=0))
