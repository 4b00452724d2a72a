"""Case I: the penalty on the proxy's rows. Case II: the ball. Each against what it must be on these very rows."""

import pytest
import torch

from tradeoffbounds.finetune.rows import batch_at
from tradeoffbounds.finetune.train import Lesson
from tradeoffbounds.models.load import Placement, load_model

from .lessons import (
    METHODS,
    ON_CPU,
    apart,
    dpo_loss,
    fresh,
    lesson,
    logged,
    same,
    sft_loss,
    texts,
    trained,
    tune,
    values,
)

PROXY = texts(6, seed=70)
SEED = 5


# Case I


@pytest.mark.parametrize(
    ("method", "objective"),
    [*((method, "sft") for method in METHODS), ("lora", "dpo"), ("p-tuning", "dpo"), ("full", "dpo")],
)
def test_each_step_is_on_the_mean_of_both_losses_over_the_named_rows(method, objective, start, tmp_path):
    """In a ball of radius 0, so that all steps are taken from the start."""
    penalty, batch, steps = 2.5, 4, 4
    given = lesson(objective, batch, proxy=PROXY)
    history = tune(
        start, tmp_path, given, method=method, objective=objective, penalty=penalty, radius=0.0, seed=SEED,
        steps=steps, batch=batch, every=1,
    ).history  # fmt: skip
    model = fresh(start, method, SEED)
    reference = load_model(start, ON_CPU) if method == "full" else None
    own = sft_loss(model, given.rows) if objective == "sft" else dpo_loss(model, given.rows, reference=reference)
    losses, norms = logged(history, "loss"), logged(history, "grad_norm")
    assert len(losses) == steps and len({round(each, 3) for each in losses.values()}) == steps
    for step in range(steps):
        chosen = batch_at(step, rows=len(PROXY), batch=batch, seed=SEED)
        expected = (own + penalty * sft_loss(model, [PROXY[i] for i in chosen])) / (1 + penalty)
        gradient = torch.autograd.grad(expected, list(trained(model).values()), retain_graph=True)
        norm = sum(float(each.double().square().sum()) for each in gradient) ** 0.5
        assert losses[step + 1] == pytest.approx(float(expected.detach()), rel=1e-5)
        assert norms[step + 1] == pytest.approx(norm, rel=1e-4)


@pytest.mark.parametrize("method", ["lora", "p-tuning"])
def test_under_a_huge_penalty_training_is_on_the_proxy_alone(method, start, tmp_path):
    """All rows at every step, so that the two streams of batches are the same."""

    def end(name, rows, penalty):
        given = Lesson(rows, proxy=PROXY)
        return values(
            tune(start, tmp_path / name, given, method=method, penalty=penalty, steps=10, batch=6, seed=SEED).model
        )

    both, alone, neither = end("both", texts(6, 71), 1e6), end("alone", PROXY, 0.0), end("neither", texts(6, 71), 0.0)
    way = apart(alone, values(fresh(start, method, SEED)))
    assert apart(both, alone) < 0.01 * way
    assert apart(both, neither) > 0.2 * way


def test_without_a_penalty_the_proxy_is_ignored(start, tmp_path):
    given = {"method": "lora", "steps": 5, "batch": 3, "seed": SEED, "penalty": 0.0}
    with_rows = tune(start, tmp_path / "with", lesson("sft", proxy=PROXY), **given)
    without = tune(start, tmp_path / "without", lesson("sft"), **given)
    assert same(values(with_rows.model), values(without.model))


def test_a_penalty_lowers_the_proxy_s_loss(start, tmp_path):
    """Against training that has none, the capability's rows and the seed being the same."""
    ends = [
        tune(start, tmp_path / str(penalty), lesson("sft", proxy=PROXY), method="lora", penalty=penalty, steps=15).model
        for penalty in (0.0, 3.0)
    ]
    with torch.no_grad():
        free, bound = (float(sft_loss(each, PROXY)) for each in ends)
    assert bound < free - 0.5


# Case II


@pytest.fixture(
    scope="module", params=[*((method, "sft") for method in METHODS), ("lora", "dpo"), ("p-tuning", "dpo")], ids=str
)
def free(request, start, tmp_path_factory):
    """A fine-tune without a ball: how it is asked for, and where it ends."""
    method, objective = request.param
    asked = {"method": method, "objective": objective, "seed": SEED, "steps": 12, "batch": 4, "every": 5}
    done = tune(start, tmp_path_factory.mktemp("free"), lesson(objective), **asked)
    return asked, values(done.model), logged(done.history, "distance")[12]


def test_every_step_ends_within_the_ball(free, start, tmp_path):
    asked, _, distance = free
    radius = distance / 4
    done = tune(start, tmp_path, lesson(asked["objective"]), radius=radius, **asked)
    steps = logged(done.history, "projected_distance")
    assert list(steps) == list(range(1, 13))
    assert all(each <= radius for each in steps.values())
    assert max(steps.values()) > 0.999 * radius
    assert logged(done.history, "distance")[12] == steps[12] <= radius
    centre = values(fresh(start, asked["method"], SEED))
    assert apart(values(done.model), centre) == pytest.approx(steps[12], rel=1e-9)
    assert apart(values(done.model), centre) <= radius


def test_a_ball_that_is_never_left_changes_nothing(free, start, tmp_path):
    asked, end, _ = free
    done = tune(start, tmp_path, lesson(asked["objective"]), radius=1e9, **asked)
    assert same(values(done.model), end)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_checkpoints_and_the_best_state_are_within_the_ball(method, start, tmp_path):
    """Also where the model's own format is coarse."""
    radius, placement = 0.003, Placement("cpu", "bfloat16")
    given = lesson("sft", validation=texts(3, 72))
    done = tune(
        start, tmp_path, given, placement, method=method, radius=radius, steps=9, every=2, patience=2, seed=SEED
    )
    centre = load_model(start, ON_CPU) if method == "full" else None
    steps = logged(done.history, "projected_distance")
    assert steps and all(0 <= each <= radius for each in steps.values())
    if centre is not None:
        assert apart(values(done.model), values(centre)) <= radius


def test_penalty_and_ball_go_together(start, tmp_path):
    history = tune(
        start, tmp_path, lesson("sft", 4, proxy=PROXY), method="ia3", penalty=1.0, radius=0.05, steps=5, batch=4,
        every=1, seed=SEED,
    ).history  # fmt: skip
    model = fresh(start, "ia3", SEED)
    chosen = batch_at(0, rows=len(PROXY), batch=4, seed=SEED)
    with torch.no_grad():
        first = (sft_loss(model, texts(4, 1)) + sft_loss(model, [PROXY[i] for i in chosen])) / 2
    assert logged(history, "loss")[1] == pytest.approx(float(first), rel=1e-5)
    assert max(logged(history, "projected_distance").values()) == pytest.approx(0.05, rel=1e-3)
