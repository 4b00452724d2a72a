"""A fine-tune from its start to its end: what it starts from, that it learns, and what it writes down."""

import math

import numpy as np
import pytest
import torch

from tradeoffbounds.errors import UserError
from tradeoffbounds.finetune import trainers
from tradeoffbounds.finetune.gaps import row_losses
from tradeoffbounds.finetune.train import Lesson
from tradeoffbounds.models.adapter_config import preset
from tradeoffbounds.models.fresh_adapter import fresh_adapter
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

OBJECTIVES = ("sft", "dpo")
ROWS, STEPS, EVERY, SEED = 6, 15, 3, 4
PROBE = texts(5, seed=50)


@pytest.fixture(scope="module", params=[(method, objective) for objective in OBJECTIVES for method in METHODS], ids=str)
def finished(request, start, tmp_path_factory):
    """A fine-tune on all rows at every step: its method and objective, the trained model, the history."""
    method, objective = request.param
    done = tune(
        start, tmp_path_factory.mktemp("finished"), lesson(objective, ROWS, probe=PROBE),
        method=method, objective=objective, seed=SEED, steps=STEPS, batch=ROWS, every=EVERY,
    )  # fmt: skip
    return method, objective, done.model, done.history


@pytest.fixture(scope="module", params=[(method, objective) for objective in OBJECTIVES for method in METHODS], ids=str)
def held(request, start, tmp_path_factory):
    """A fine-tune in a ball of radius 0: every step is taken from the start."""
    method, objective = request.param
    done = tune(
        start, tmp_path_factory.mktemp("held"), lesson(objective, ROWS),
        method=method, objective=objective, seed=SEED, steps=3, batch=ROWS, every=1, radius=0.0,
    )  # fmt: skip
    return method, objective, done.model, done.history


def loss_of(model, objective, start):
    rows = lesson(objective, ROWS).rows
    with torch.no_grad():
        if objective == "sft":
            return float(sft_loss(model, rows))
        reference = None if hasattr(model, "peft_config") else load_model(start, ON_CPU)
        return float(dpo_loss(model, rows, reference=reference))


# The start


def test_training_starts_from_the_fresh_adapter_of_its_seed(held, start):
    method, _, model, _ = held
    if method == "full":
        expected = {name: weight.detach() for name, weight in load_model(start, ON_CPU).named_parameters()}
        assert same(values(model), expected)
        return
    made = fresh_adapter(load_model(start, ON_CPU), preset(method, 32), SEED)
    other = fresh_adapter(load_model(start, ON_CPU), preset(method, 32), SEED + 1)
    found = {name.replace(".default", ""): weight.detach().numpy() for name, weight in trained(model).items()}
    if method == "prompt-tuning":
        found = dict(zip(made, found.values(), strict=True))
    assert found.keys() == made.keys()
    for name, array in made.items():
        np.testing.assert_array_equal(found[name], array)
    if method != "ia3":  # whose factors all start at 1
        assert any(not np.array_equal(made[name], other[name]) for name in made)


def test_the_first_loss_is_that_of_the_start(held, start):
    method, objective, _, history = held
    expected = loss_of(fresh(start, method, SEED), objective, start)
    losses = logged(history, "loss")
    assert list(losses) == [1, 2, 3]
    assert list(losses.values()) == pytest.approx([expected] * 3, rel=1e-5)


def test_preferences_start_from_indifference_where_the_adapter_starts_as_the_identity(held):
    method, objective, _, history = held
    if objective == "sft":
        return
    first = logged(history, "loss")[1]
    if method in ("lora", "ia3", "full"):
        assert first == pytest.approx(math.log(2), abs=1e-6)
    else:  # virtual tokens change the model before any step; the reference is the model without them
        assert abs(first - math.log(2)) > 1e-3


# What is learned


def test_the_training_loss_falls(finished, start):
    method, objective, model, _ = finished
    before, after = (loss_of(each, objective, start) for each in (fresh(start, method, SEED), model))
    assert after < before - (0.1 if objective == "sft" else 0.005)
    if objective == "sft":
        assert row_losses(model, lesson("sft", ROWS).rows).mean() == pytest.approx(after, rel=1e-4)


def test_the_history_has_losses_distances_and_looks_at_safety(finished, start):
    method, _, model, history = finished
    losses, distances = logged(history, "loss"), logged(history, "distance")
    assert list(losses) == [3, 6, 9, 12, 15] and list(distances) == [0, 3, 6, 9, 12, 15]
    assert min(losses, key=losses.get) in (12, 15) and max(losses, key=losses.get) in (3, 6)
    assert distances[0] == 0 and all(distances[step] > 0 for step in losses)
    assert distances[15] == pytest.approx(apart(values(model), values(fresh(start, method, SEED))), rel=1e-9)
    safety, gradients = logged(history, "safety_loss"), logged(history, "safety_gradient")
    assert list(safety) == list(gradients) == list(distances)
    with torch.no_grad():
        assert safety[0] == pytest.approx(float(sft_loss(fresh(start, method, SEED), PROBE)), rel=1e-5)
        assert safety[15] == pytest.approx(float(sft_loss(model, PROBE)), rel=1e-5)
    assert min(gradients.values()) > 0


def test_the_model_comes_back_ready_to_be_measured(finished):
    _, _, model, _ = finished
    assert not any(module.training for module in model.modules())


def test_only_what_the_method_names_is_trained(finished, start):
    method, _, model, _ = finished
    if method == "full":
        assert trained(model).keys() == dict(model.named_parameters()).keys()
        return
    kept = {name.replace(".base_layer", ""): weight for name, weight in model.get_base_model().named_parameters()}
    for name, weight in load_model(start, ON_CPU).named_parameters():
        assert torch.equal(kept[name], weight)


def test_the_seed_decides_and_the_caller_s_does_not(start, tmp_path):
    def end(name, seed):
        torch.manual_seed(len(name))
        return values(
            tune(start, tmp_path / name, lesson("sft"), method="lora", seed=seed, steps=4, batch=4, every=9).model
        )

    first = end("a", 0)
    assert same(end("bc", 0), first) and not same(end("d", 1), first)


# Formats


@pytest.mark.parametrize("method", ["lora", "p-tuning", "full"])
def test_on_a_bfloat16_model_what_is_trained_is_float32(method, start, tmp_path):
    """And after one in bfloat16, a training in float32 is what it was before."""
    coarse = Placement("cpu", "bfloat16")
    fine = tune(start, tmp_path / "fine", lesson("sft"), method=method, steps=4, every=1)
    done = tune(start, tmp_path / "coarse", lesson("sft"), coarse, method=method, steps=4, every=1)
    again = tune(start, tmp_path / "again", lesson("sft"), method=method, steps=4, every=1)
    assert {weight.dtype for weight in trained(done.model).values()} == {torch.float32}
    frozen = {weight.dtype for weight in done.model.parameters() if not weight.requires_grad}
    assert frozen == (set() if method == "full" else {torch.bfloat16})
    assert same(values(again.model), values(fine.model)) and not same(values(done.model), values(fine.model))
    exact, rounded = (logged(each.history, "loss") for each in (fine, done))
    assert rounded != exact and list(rounded.values()) == pytest.approx(list(exact.values()), rel=0.02)


def test_a_model_trained_in_full_is_measured_in_its_own_precision(start, tmp_path):
    """Its products were rounded to bfloat16 while it was trained."""
    rows = lesson("sft").rows
    model = tune(start, tmp_path / "run", lesson("sft"), Placement("cpu", "bfloat16"), method="full", steps=2).model
    model.save_pretrained(tmp_path / "saved")
    reloaded = load_model(str(tmp_path / "saved"), ON_CPU)
    np.testing.assert_array_equal(row_losses(model, rows), row_losses(reloaded, rows))


# Wrong calls


def test_no_rows_and_a_penalty_without_a_proxy_are_refused(start, tmp_path):
    with pytest.raises(UserError, match="there are no rows to train on"):
        tune(start, tmp_path, Lesson(()))
    with pytest.raises(UserError, match="a penalty needs proxy rows"):
        tune(start, tmp_path, lesson("sft"), penalty=0.5)
    assert not list(tmp_path.iterdir())


def test_the_reference_of_a_full_fine_tune_is_loaded_as_its_start_is(start, tmp_path, monkeypatch):
    """TRL's own way knows no GGUF files."""
    monkeypatch.setattr("trl.trainer.dpo_trainer.create_model_from_path", lambda *_, **__: pytest.fail("by TRL"))
    history = tune(start, tmp_path, lesson("dpo"), method="full", objective="dpo", steps=1, every=1).history
    assert logged(history, "loss")[1] == pytest.approx(math.log(2), abs=1e-6)


def test_one_loss_that_is_no_number_among_others_is_said(start, tmp_path, monkeypatch):
    """Transformers would leave it out of the mean, and the parameters may be finite still."""
    own, losses = trainers.response_loss, iter([0.0, float("inf"), 0.0, 0.0])
    monkeypatch.setattr(trainers, "response_loss", lambda *given: own(*given) + next(losses))
    with pytest.raises(UserError, match="training loss is not a finite number"):
        tune(start, tmp_path, lesson("sft"), method="lora", steps=4, every=2)


@pytest.mark.parametrize("steps", [4, 5])
def test_a_training_that_diverged_is_said(steps, start, tmp_path):
    """And every later call says so too."""
    for _ in range(2):
        with pytest.raises(UserError, match=r"training loss is not a finite number; try a learning rate below 1e\+30"):
            tune(start, tmp_path, lesson("sft"), method="lora", learning_rate=1e30, steps=steps, every=2)
