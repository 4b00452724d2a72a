"""The runs of a sweep: the grid, and what it is compared with, as jobs addressed by their content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from tradeoffbounds.finetune.perform import job_config
from tradeoffbounds.finetune.training import Training
from tradeoffbounds.models.prompt_init import VOCABULARY, prompt_inits_of
from tradeoffbounds.sweeps import Job

FINE_TUNE = "tradeoffbounds.finetune.perform:fine_tune"
ALIGN = "tradeoffbounds.finetune.perform:align"
#: References stop after so many validations without improvement.
PATIENCE = 3
#: From a training's start to its end its distance, loss and safety gradient are looked at so many times, about.
_LOOKS = 6


@dataclass(frozen=True)
class Run:
    """One fine-tune of the grid, in the words of its record; without penalty and radius it is unconstrained.

    Attributes:
        prompt_init: None where it was not chosen, see `prompt_inits_of`.
    """

    proxy: str
    capability: str
    method: str
    objective: str
    penalty: float | None
    radius: float | None
    seed: int
    steps: int
    batch: int
    learning_rate: float | None
    prompt_init: str | None = None

    def training(self, beta: float) -> Training:
        """What is trained."""
        return Training(
            self.method, self.objective, self.penalty or 0.0, self.radius, self.seed, self.steps, self.batch,  # type: ignore[arg-type]
            self.learning_rate, every=max(1, self.steps // _LOOKS), beta=beta,
            prompt_init=self.prompt_init or VOCABULARY,
        )  # fmt: skip

    @property
    def unconstrained(self) -> Run:
        """The same fine-tune left to itself, which no proxy enters."""
        return replace(self, penalty=None, radius=None)


def grid(
    proxies: Sequence[str], capabilities: Sequence[str], methods: Sequence[str], objectives: Sequence[str],
    penalties: Sequence[float], radii: Sequence[float], seeds: Sequence[int],
    prompt_inits: Sequence[str] = (VOCABULARY,), **training: Any,
) -> list[Run]:  # fmt: skip
    """Every combination: with each penalty on each proxy, within each radius; without any, unconstrained.

    Args:
        prompt_inits: multiply prompt tuning alone.
        training: ``steps``, ``batch`` and ``learning_rate`` of all.
    """

    def constraints() -> Iterator[tuple[str, float | None, float | None]]:
        for proxy in proxies:
            for penalty in penalties:
                yield proxy, penalty, None
        for radius in radii:
            yield proxies[0], None, radius
        if not (penalties or radii):
            yield proxies[0], None, None

    return [
        Run(proxy, capability, method, objective, penalty, radius, seed, prompt_init=prompt_init, **training)
        for capability in capabilities
        for method in methods
        for prompt_init in prompt_inits_of(method, prompt_inits)
        for objective in objectives
        for seed in seeds
        for proxy, penalty, radius in constraints()
    ]


@dataclass(frozen=True)
class Plan:
    """Jobs by what they are for.

    Attributes:
        start: the start, measured on every source.
        runs: of the grid.
        proxy_alone: run with a penalty -> the fine-tune by its method on its proxy alone, as long as the run.
        references: label -> the early-stopped fine-tunes on that source alone, whose gap counts as 0, one a seed.
    """

    start: Job
    runs: dict[Run, Job]
    proxy_alone: dict[Run, Job]
    references: dict[str, list[Job]]

    @property
    def jobs(self) -> list[Job]:
        """All of them, those first without which nothing can be said."""
        references = [job for jobs in self.references.values() for job in jobs]
        return [self.start, *references, *self.proxy_alone.values(), *self.runs.values()]


@dataclass(frozen=True)
class Shared:
    """What all jobs of a sweep have in common: ``start`` and ``base`` as models, ``probe`` as an address.

    ``identity`` is of the base's weights, for the jobs' addresses alone.
    """

    start: str
    base: str
    identity: str
    probe: str
    device: str
    dtype: str
    processes: int


def plan(
    runs: Iterable[Run],
    addresses: dict[str, str],
    shared: Shared,
    *,
    beta: float,
    reference: Training | None,
) -> Plan:
    """Jobs for the runs, for each left unconstrained, and for the other things that they are compared with.

    Args:
        addresses: label -> address of the source's material.
        reference: how references are trained, but for the seed; None where gaps need none (teacher mode).
    """
    runs = _with_unconstrained(runs)
    common = asdict(shared)

    def job(training: Training | None, rows: str | None, proxy: str | None, measure: Iterable[str]) -> Job:
        found = list(dict.fromkeys(addresses[label] for label in measure))
        config = job_config(
            **common, training=training, rows=rows and addresses[rows], proxy=proxy and addresses[proxy], measure=found
        )
        return Job(FINE_TUNE, config)

    def of_run(run: Run) -> Job:
        proxy, capability = f"proxy: {run.proxy}", f"capability: {run.capability}"
        if run.penalty is None:  # no proxy enters the training, so it is measured on all
            measure = ["alignment", *(label for label in addresses if label.startswith("proxy: ")), capability]
            return job(run.training(beta), capability, None, measure)
        return job(run.training(beta), capability, proxy, ["alignment", proxy, capability])

    def on_proxy_alone(run: Run) -> Job:
        label = f"proxy: {run.proxy}"
        return job(replace(run.unconstrained, objective="sft").training(beta), label, None, ["alignment", label])

    alone = {run: on_proxy_alone(run) for run in runs if run.penalty is not None}
    references: dict[str, list[Job]] = {}
    if reference is not None:
        used = dict.fromkeys(f"capability: {run.capability}" for run in runs)
        used |= dict.fromkeys(f"proxy: {run.proxy}" for run in runs)
        for label in used:
            if addresses[label] != addresses["alignment"]:  # of which the start is the reference
                references[label] = [
                    job(replace(reference, seed=seed), label, None, [label])
                    for seed in sorted({run.seed for run in runs})
                ]
    return Plan(job(None, None, None, addresses), {run: of_run(run) for run in runs}, alone, references)


def _with_unconstrained(runs: Iterable[Run]) -> list[Run]:
    """Each run once, and before it the same fine-tune left to itself, under the name of the sweep's first proxy."""
    runs = list(runs)
    found: dict[Run, None] = {}
    for run in runs:
        found |= {replace(run.unconstrained, proxy=runs[0].proxy): None}
        if run != run.unconstrained:
            found |= {run: None}
    return list(found)
