"""A softmax policy trained with optax on Case I's objective: the closed form, reached by optimisation."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float

from tradeoffbounds.bounds.finite import FiniteProblem, Policy


def train(problem: FiniteProblem, penalty: float, *, steps: int = 1000) -> Policy:
    """Minimise G_f + λ Ĝ_s over P(y|x) = softmax(θ_x)_y, from θ = 0, by Adam in float64.

    The objective is a sum over prompts with a θ_x each, so every prompt is trained on its own share of
    it, divided by (D_f + λD̂)(x): otherwise λ = 1e6 would leave the capability prompts untrained.

    Returns:
        The trained policy, shape (X, Y). Prompts that neither source reaches stay uniform.
    """
    reached = (problem.D_f > 0) | (problem.D_hat > 0)
    w, v = problem.weights(penalty)
    with jax.enable_x64(True):
        return np.asarray(_train_all(problem.mu_f, problem.mu_hat, w * reached, v * reached, steps))


@partial(jax.jit, static_argnames="steps")
def _train_all(
    mu_f: Float[Any, "x y"], mu_hat: Float[Any, "x y"], w: Float[Any, " x"], v: Float[Any, " x"], steps: int
) -> Float[Any, "x y"]:
    def loss(theta: jax.Array) -> jax.Array:
        cross_entropy = optax.softmax_cross_entropy
        return jnp.sum(w * cross_entropy(theta, mu_f) + v * cross_entropy(theta, mu_hat))

    # The gradient of a response that should vanish shrinks like its probability. A short memory keeps pace
    # with it; Adam's usual one stalls, and L-BFGS jumps to where probabilities round to 0.
    optimiser = optax.adam(optax.exponential_decay(0.5, steps, decay_rate=1e-4), b1=0.8, b2=0.9)

    def step(carry: tuple[jax.Array, Any], _: None) -> tuple[tuple[jax.Array, Any], None]:
        theta, state = carry
        updates, state = optimiser.update(jax.grad(loss)(theta), state)
        return (optax.apply_updates(theta, updates), state), None

    theta = jnp.zeros_like(mu_f)
    (theta, _), _ = jax.lax.scan(step, (theta, optimiser.init(theta)), length=steps)
    return jax.nn.softmax(theta)
