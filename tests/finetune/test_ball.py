"""The projection: never outside, never further than needed, and off where there is nothing to do."""

import pytest
import torch

from tradeoffbounds.finetune.ball import Ball

SHAPES = [(3, 5), (7,), (2, 2, 2)]


def parameters(seed=0, dtype=torch.float32, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return [(scale * torch.randn(shape, generator=generator)).to(dtype).requires_grad_() for shape in SHAPES]


def flat(tensors):
    return torch.cat([each.detach().double().flatten() for each in tensors])


def moved(radius, by, *, dtype=torch.float32, seed=0, scale=1.0):
    """A ball, its parameters having gone a way; where they started and where they went."""
    own = parameters(seed, dtype, scale)
    ball = Ball(own, radius)
    start = flat(own)
    generator = torch.Generator().manual_seed(seed + 100)
    with torch.no_grad():
        for each in own:
            each += (by * torch.randn(each.shape, generator=generator)).to(dtype)
    return ball, own, start, flat(own)


def test_the_distance_is_over_all_parameters_together():
    ball, _, start, end = moved(None, 0.3)
    assert ball.distance() == pytest.approx(float((end - start).norm()), rel=1e-12)


@pytest.mark.parametrize("radius", [1e-4, 0.03, 0.9])
def test_the_projection_is_the_nearest_point(radius):
    ball, own, start, end = moved(radius, 1.0)
    assert ball.distance() > radius
    distance = ball.project()
    nearest = start + radius * (end - start) / (end - start).norm()
    torch.testing.assert_close(flat(own), nearest, rtol=0, atol=3e-7)
    assert distance == ball.distance() == pytest.approx(radius, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_the_end_is_within_the_ball_as_it_was_asked_for(dtype):
    """Exactly, however coarse the format; far from the origin its steps are wider than the radius."""
    for seed in range(40):
        radius = 10.0 ** (-seed % 7 - 5)
        ball, own, start, _ = moved(radius, 0.5, dtype=dtype, seed=seed, scale=10.0 ** (seed % 3))
        distance = ball.project()
        assert 0 <= distance <= radius
        assert float((flat(own) - start).norm()) <= radius
        assert {each.dtype for each in own} == {dtype}


def test_in_a_coarse_format_the_end_is_not_the_centre_without_need():
    ball, _, _, _ = moved(1.0, 1.0, dtype=torch.bfloat16)
    assert ball.project() > 0.9


def test_radius_0_is_the_start_bit_for_bit():
    ball, own, start, end = moved(0.0, 1.0)
    assert not torch.equal(start, end)
    assert ball.project() == 0.0 and torch.equal(flat(own), start)


@pytest.mark.parametrize("radius", [None, 1e6])
def test_within_the_ball_or_without_one_nothing_moves(radius):
    ball, own, _, end = moved(radius, 1.0)
    assert ball.project() == ball.distance() > 1
    assert torch.equal(flat(own), end)


def test_the_centre_is_a_copy_and_gradients_stay():
    own = parameters()
    ball = Ball(own, 0.1)
    for each in own:
        each.grad = torch.ones_like(each)
    with torch.no_grad():
        own[0] += 1
    ball.project()
    assert all(each.requires_grad and torch.equal(each.grad, torch.ones_like(each)) for each in own)
    assert 0 < ball.distance() <= 0.1
