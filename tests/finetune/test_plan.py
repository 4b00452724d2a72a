"""The runs of a sweep and what they are compared with: which jobs, and which address each has."""

from dataclasses import replace

import pytest

from tradeoffbounds.errors import UserError
from tradeoffbounds.finetune.plan import ALIGN, FINE_TUNE, Run, Shared, grid, plan
from tradeoffbounds.finetune.training import TRAINED, Training
from tradeoffbounds.sweeps import _resolve

ADDRESSES = {
    "alignment": "aaaa", "proxy: near": "bbbb", "proxy: far": "cccc", "capability: code": "dddd",
    "capability: sums": "eeee",
}  # fmt: skip
SHARED = Shared("aligned:0123", "base", "base@1", "ffff", "cpu", "float32", 1)
REFERENCE = Training("lora", steps=20, every=2, patience=3)
RUN = Run("near", "code", "lora", "sft", None, None, 0, 40, 8, None)
WITH_PENALTY = replace(RUN, penalty=0.5)


def planned(*runs, addresses=ADDRESSES, shared=SHARED, reference=REFERENCE, beta=0.1):
    return plan(runs, addresses, shared, beta=beta, reference=reference)


def ids(jobs):
    return {job.id for job in jobs}


# The grid


def test_the_grid_has_each_penalty_on_each_proxy_and_each_radius_once():
    runs = grid(
        ["near", "far"], ["code", "sums"], ["lora", "ia3"], ["sft", "dpo"], [0.1, 1.0], [0.05], [3, 4],
        steps=40, batch=8, learning_rate=None,
    )  # fmt: skip
    assert len(runs) == len(set(runs)) == 2 * 2 * 2 * 2 * (2 * 2 + 1)
    for each in (runs[0], runs[-1]):
        assert (each.steps, each.batch, each.learning_rate) == (40, 8, None)
    constraints = {(run.proxy, run.penalty, run.radius) for run in runs}
    assert constraints == {
        ("near", 0.1, None), ("near", 1.0, None), ("far", 0.1, None), ("far", 1.0, None), ("near", None, 0.05),
    }  # fmt: skip


def test_without_penalty_and_radius_the_grid_is_unconstrained():
    runs = grid(["near", "far"], ["code"], ["lora"], ["sft"], [], [], [0, 1], steps=4, batch=2, learning_rate=0.1)
    assert runs == [Run("near", "code", "lora", "sft", None, None, seed, 4, 2, 0.1) for seed in (0, 1)]


# What runs are compared with


def test_every_run_has_one_unconstrained_twin_whatever_the_proxies():
    runs = grid(
        ["near", "far"], ["code", "sums"], ["lora", "full"], ["sft", "dpo"], [0.1, 1.0], [0.05], [0, 1],
        steps=40, batch=8, learning_rate=None,
    )  # fmt: skip
    sweep = planned(*runs)
    free = [run for run in sweep.runs if run == run.unconstrained]
    kinds = {(run.capability, run.method, run.objective, run.seed) for run in free}
    assert len(free) == len(kinds) == 2 * 2 * 2 * 2
    assert {run.proxy for run in free} == {"near"}
    assert set(sweep.runs) == {*free, *runs}
    for run, job in sweep.runs.items():
        training = job.config["training"]
        assert training["penalty"] == (run.penalty or 0) and training["radius"] == run.radius
        assert job.config["proxy"] == (ADDRESSES[f"proxy: {run.proxy}"] if run.penalty else None)
        assert job.config["rows"] == ADDRESSES[f"capability: {run.capability}"]


def test_an_unconstrained_run_that_was_asked_for_is_its_own_twin():
    assert list(planned(RUN, WITH_PENALTY).runs) == [RUN, WITH_PENALTY]
    assert list(planned(WITH_PENALTY, RUN).runs) == [RUN, WITH_PENALTY]
    # Under another proxy it is the same fine-tune.
    assert list(planned(WITH_PENALTY, replace(RUN, proxy="far")).runs) == [RUN, WITH_PENALTY]


def test_runs_of_other_lengths_have_twins_of_their_own():
    sweep = planned(WITH_PENALTY, replace(WITH_PENALTY, steps=10), replace(WITH_PENALTY, learning_rate=0.1))
    assert list(sweep.runs)[::2] == [RUN, replace(RUN, steps=10), replace(RUN, learning_rate=0.1)]


def test_each_run_with_a_penalty_is_beside_the_same_fine_tune_on_its_proxy_alone():
    runs = [
        WITH_PENALTY, replace(WITH_PENALTY, penalty=2.0), replace(WITH_PENALTY, proxy="far"),
        replace(WITH_PENALTY, objective="dpo"), replace(WITH_PENALTY, seed=1), replace(WITH_PENALTY, steps=10),
        replace(WITH_PENALTY, method="ia3", learning_rate=0.1), replace(RUN, radius=0.1),
        replace(WITH_PENALTY, radius=0.1),
    ]  # fmt: skip
    sweep = planned(*runs)
    assert set(sweep.proxy_alone) == {run for run in runs if run.penalty}
    for run, job in sweep.proxy_alone.items():
        config, training = job.config, Training(**job.config["training"])
        assert config["rows"] == ADDRESSES[f"proxy: {run.proxy}"] and config["proxy"] is None
        assert training == replace(run.unconstrained, objective="sft").training(0.1)
        assert (training.method, training.seed, training.steps) == (run.method, run.seed, run.steps)
        assert training.learning_rate == run.learning_rate
    # Penalty, objective, ball and capability have no part in it: the first, second, fourth and last are one.
    assert len(ids(sweep.proxy_alone.values())) == 5


def test_references_are_trained_for_every_source_that_is_not_the_alignment_s():
    runs = [replace(WITH_PENALTY, seed=seed, proxy=proxy) for seed in (4, 0) for proxy in ("near", "far")]
    sweep = planned(*runs, addresses=ADDRESSES | {"proxy: far": "aaaa"})
    assert set(sweep.references) == {"capability: code", "proxy: near"}  # not the capability that no run has
    for label, jobs in sweep.references.items():
        assert [Training(**job.config["training"]) for job in jobs] == [
            replace(REFERENCE, seed=0),
            replace(REFERENCE, seed=4),
        ]
        for job in jobs:
            assert job.config["rows"] == ADDRESSES[label] and job.config["measure"] == [ADDRESSES[label]]
            assert job.config["proxy"] is None


def test_exact_gaps_need_no_references():
    assert planned(WITH_PENALTY, reference=None).references == {}


def test_the_start_is_measured_on_every_source():
    start = planned(RUN).start
    assert start.config["training"] is None and start.config["rows"] is None
    assert start.config["measure"] == list(ADDRESSES.values())
    assert planned(RUN, addresses=ADDRESSES | {"proxy: far": "aaaa"}).start.config["measure"].count("aaaa") == 1


def test_runs_are_measured_on_what_they_are_compared_on():
    sweep = planned(WITH_PENALTY, replace(RUN, radius=0.1))
    assert sweep.runs[WITH_PENALTY].config["measure"] == ["aaaa", "bbbb", "dddd"]
    # No proxy enters these, so one training serves them all.
    for run in (RUN, replace(RUN, radius=0.1)):
        assert sweep.runs[run].config["measure"] == ["aaaa", "bbbb", "cccc", "dddd"]
    both = planned(replace(RUN, radius=0.1), replace(RUN, radius=0.1, proxy="far"))
    assert len(both.runs) == 3 and len(ids(both.runs.values())) == 2
    assert sweep.proxy_alone[WITH_PENALTY].config["measure"] == ["aaaa", "bbbb"]


def test_all_jobs_are_there_and_references_come_before_runs():
    sweep = planned(WITH_PENALTY)
    assert sweep.jobs[0] == sweep.start
    assert len(sweep.jobs) == len(ids(sweep.jobs)) == 1 + 2 + 1 + 2
    assert sweep.jobs[-2:] == list(sweep.runs.values())
    assert {job.function for job in sweep.jobs} == {FINE_TUNE}
    assert callable(_resolve(FINE_TUNE)) and callable(_resolve(ALIGN))


# Trainings


@pytest.mark.parametrize(("steps", "every"), [(60, 10), (40, 6), (6, 1), (4, 1), (1, 1)])
def test_a_run_is_looked_at_about_six_times_however_long_it_is(steps, every):
    assert replace(RUN, steps=steps).training(0.1).every == every


@pytest.mark.parametrize("method", TRAINED)
def test_a_run_is_trained_as_it_says(method):
    run = Run("near", "code", method, "dpo", 0.5, 0.25, 7, 30, 4, 0.01)
    assert run.training(0.2) == Training(method, "dpo", 0.5, 0.25, 7, 30, 4, 0.01, every=5, beta=0.2)
    assert run.unconstrained.training(0.2) == Training(method, "dpo", 0.0, None, 7, 30, 4, 0.01, every=5, beta=0.2)


def test_a_run_that_cannot_be_trained_is_refused():
    with pytest.raises(UserError, match="cannot train 'prefix'"):
        planned(replace(RUN, method="prefix"))


# Addresses


def test_equal_content_has_an_equal_address():
    first, again = planned(WITH_PENALTY), planned(replace(WITH_PENALTY))
    assert [job.id for job in first.jobs] == [job.id for job in again.jobs]
    # Names of sources are not content.
    renamed = {"alignment": "aaaa", "proxy: n": "bbbb", "capability: c": "dddd"}
    other = planned(replace(WITH_PENALTY, proxy="n", capability="c"), addresses=renamed)
    assert other.runs[replace(WITH_PENALTY, proxy="n", capability="c")].id == first.runs[WITH_PENALTY].id


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1}, {"penalty": 0.25}, {"radius": 0.1}, {"steps": 41}, {"batch": 4}, {"learning_rate": 0.1},
        {"method": "ia3"}, {"objective": "dpo"}, {"capability": "sums"}, {"proxy": "far"},
    ],
)  # fmt: skip
def test_another_run_has_another_address(change):
    other = replace(WITH_PENALTY, **change)
    assert planned(WITH_PENALTY).runs[WITH_PENALTY].id != planned(other).runs[other].id


@pytest.mark.parametrize("label", ["alignment", "proxy: near", "capability: code"])
def test_other_rows_give_another_address(label):
    changed = planned(WITH_PENALTY, addresses=ADDRESSES | {label: "9999"})
    assert changed.runs[WITH_PENALTY].id != planned(WITH_PENALTY).runs[WITH_PENALTY].id


@pytest.mark.parametrize("field", ["start", "base", "identity", "probe", "dtype"])
def test_another_start_gives_another_address(field):
    changed = planned(WITH_PENALTY, shared=replace(SHARED, **{field: "another"}))
    assert not ids(changed.jobs) & ids(planned(WITH_PENALTY).jobs)


def test_beta_is_part_of_the_address():
    run = replace(RUN, objective="dpo")
    assert planned(run, beta=0.2).runs[run].id != planned(run).runs[run].id


def test_an_address_does_not_depend_on_the_other_runs():
    runs = [*grid(
        ["near", "far"], ["code", "sums"], ["lora"], ["sft"], [0.1, 1.0], [0.05], [0, 1], steps=40, batch=8,
        learning_rate=None,
    ), replace(RUN, steps=10, penalty=1.0)]  # fmt: skip
    together = planned(*runs)
    for run in runs:
        alone = planned(run)
        assert alone.runs[run].id == together.runs[run].id
        assert ids(alone.runs.values()) <= ids(together.runs.values())
        assert ids(alone.proxy_alone.values()) <= ids(together.proxy_alone.values())
        assert alone.start.id == together.start.id
        for label, jobs in alone.references.items():
            assert ids(jobs) <= ids(together.references[label])
