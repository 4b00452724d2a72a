"""Losses and gradients against texts that go through PEFT's model one by one, without padding."""

import pytest
import torch

from tradeoffbounds.finetune.rows import IGNORED, Text, collate, sft_rows
from tradeoffbounds.finetune.trainers import response_loss, safety_gradient

from .lessons import PEFT_METHODS, adapted, sft_loss, texts, trained

EVERY = (*PEFT_METHODS, "full", "none")
ROWS = texts(5, seed=3)


@pytest.fixture(params=EVERY)
def model(request):
    return adapted(request.param)


def found(model, rows):
    return response_loss(model, collate(sft_rows(rows)))


def test_rows_are_of_unlike_lengths_and_token_0_is_among_the_responses():
    assert len({len(row.prefix) for row in ROWS}) > 2 and len({len(row.response) for row in ROWS}) > 2
    assert all(0 in row.response for row in ROWS)


def test_the_loss_is_the_sum_over_tokens_and_the_mean_over_rows(model):
    with torch.no_grad():
        assert float(found(model, ROWS)) == pytest.approx(float(sft_loss(model, ROWS)), rel=2e-5)


def test_the_loss_is_peft_s_own_times_tokens_per_row(model):
    batch = collate(sft_rows(ROWS))
    tokens = int((batch["labels"] != IGNORED).sum())
    assert tokens == sum(len(row.response) for row in ROWS)
    with torch.no_grad():
        per_token = float(model(**batch).loss)
    assert float(found(model, ROWS).detach()) == pytest.approx(per_token * tokens / len(ROWS), rel=2e-5)


@pytest.mark.parametrize("method", [*PEFT_METHODS, "full"])
def test_the_gradient_is_that_of_the_same_sum(method):
    model = adapted(method)
    parameters = list(trained(model).values())
    ours = torch.autograd.grad(found(model, ROWS), parameters)
    theirs = torch.autograd.grad(sft_loss(model, ROWS), parameters)
    size = sum(float(each.square().sum()) for each in theirs) ** 0.5
    assert size > 0.1
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-5 * size)


@pytest.mark.parametrize("method", ["lora", "p-tuning", "none"])
def test_one_row_is_worth_the_same_alone_and_beside_longer_ones(method):
    model = adapted(method)
    rows = [Text((4,), (0,)), Text((4, 9, 30, 2, 0, 7, 7, 8, 1), (0, 5, 0)), Text((9, 9), (0, 0, 0, 0, 0, 11, 0))]
    with torch.no_grad():
        alone = [float(found(model, [row])) for row in rows]
        assert alone == pytest.approx([float(sft_loss(model, [row])) for row in rows], rel=2e-5)
        assert float(found(model, rows)) == pytest.approx(sum(alone) / 3, rel=2e-5)


@pytest.mark.parametrize("method", PEFT_METHODS)
def test_with_the_adapter_off_the_loss_is_the_base_model_s(method):
    model = adapted(method)
    with torch.no_grad(), model.disable_adapter():
        off = float(found(model, ROWS))
    with torch.no_grad():
        assert off == pytest.approx(float(sft_loss(adapted("none"), ROWS)), rel=2e-5)
        assert abs(off - float(found(model, ROWS))) > 0.1


# The gradient on safety rows


@pytest.mark.parametrize("method", [*PEFT_METHODS, "full"])
@pytest.mark.parametrize("sizes", [(5,), (2, 2, 1), (1, 4)])
def test_the_safety_gradient_is_that_of_the_mean_over_all_rows(method, sizes):
    model = adapted(method)
    parameters = list(trained(model).values())
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    batches = [collate(sft_rows(ROWS[end - size : end])) for size, end in zip(sizes, ends, strict=True)]
    noted = safety_gradient(model, parameters, batches)
    loss = sft_loss(model, ROWS)
    norm = sum(float(each.double().square().sum()) for each in torch.autograd.grad(loss, parameters)) ** 0.5
    assert noted == {
        "safety_loss": pytest.approx(float(loss.detach()), rel=2e-5),
        "safety_gradient": pytest.approx(norm, rel=1e-4),
    }


@pytest.mark.parametrize("training", [True, False])
def test_looking_at_the_gradient_leaves_the_training_as_it_was(training):
    model = adapted("p-tuning").train(training)
    marks = {name: torch.full_like(weight, 3.0) for name, weight in trained(model).items()}
    for name, weight in trained(model).items():
        weight.grad = marks[name].clone()
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    state = torch.random.get_rng_state()
    safety_gradient(model, list(trained(model).values()), [collate(sft_rows(ROWS))])
    assert all(torch.equal(weight.grad, marks[name]) for name, weight in trained(model).items())
    assert all(weight.grad is None for weight in model.parameters() if not weight.requires_grad)
    assert all(torch.equal(weight, before[name]) for name, weight in model.named_parameters())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert {module.training for module in model.modules()} == {training}
