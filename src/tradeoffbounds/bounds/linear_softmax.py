r"""Certified constants of Theorem 3 where the logits are linear in the trained parameters. Ours.

z_t = W h_t, W trained and measured in the Frobenius norm, h_t fixed: an output head over fixed features,
trained itself or through an additive correction (z_t = W_0 h_t + W h_t). A bias is one more feature that is
1. Low-rank factors are not linear (z = B A h is bilinear) unless one is frozen: with A fixed, the features of
B are A h_t. Softcapped logits are not linear either.

The loss of a response is Σ_t KL(μ_t | softmax(z_t)) or Σ_t -log p_t(y_t), and the gap is its mean over
responses. Let p = softmax(z_t), and q the target (μ_t, or e_y for the token y). *Proof:*

1. the gradient of one term is (p - q) h_tᵀ, of norm ‖p - q‖ ‖h_t‖ <= √2 ‖h_t‖, as p and q lie in the simplex;
2. its Hessian is (diag p - p pᵀ) ⊗ h_t h_tᵀ, of norm λ_max(diag p - p pᵀ) ‖h_t‖², and for ‖v‖ = 1
   vᵀ(diag p - p pᵀ)v = Var_p(v) <= ¼ (max v - min v)² <= ½ (Popoviciu);
3. norms of sums are at most sums of norms.

So the constants hold for every W, in balls of every radius.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from tradeoffbounds.bounds.bound import PER_UNIT, PER_UNIT_SQUARED, Bound

Array = np.ndarray


def lipschitz(norms: Float[Array, " t"], responses: int) -> Bound:
    r"""sup_W ‖∇G(W)‖ <= (√2 / n) Σ_t ‖h_t‖, for G_s as for G_f; approached at a token that p_t rules out.

    Args:
        norms: ‖h_t‖ of all response tokens of all rows, one after the other.
        responses: n, the number of rows.

    Returns:
        A certified upper bound in nats/response/unit, infinite where a norm is not finite.

    Raises:
        ValueError: there is no token or no row, or a norm is < 0.

    Coq: LinearSoftmax.linear_gap_gradient, LinearSoftmax.linear_softmax_lipschitz
    """
    return _certified(math.sqrt(2) * _total(norms, responses, power=1), PER_UNIT)


def smoothness(norms: Float[Array, " t"], responses: int) -> Bound:
    r"""sup_W ‖∇²G(W)‖_op <= (1 / 2n) Σ_t ‖h_t‖², for G_s as for G_f; attained at a token with p_t = (½, ½).

    Arguments and errors are those of :func:`lipschitz`; the unit is nats/response/unit².

    Coq: LinearSoftmax.linear_softmax_smoothness
    """
    return _certified(0.5 * _total(norms, responses, power=2), PER_UNIT_SQUARED)


def _total(norms: Array, responses: int, power: int) -> float:
    """Σ_t ‖h_t‖^power / n in float64, whatever the features came in."""
    if responses < 1:
        raise ValueError(f"`responses` must be at least 1, got {responses}")
    if norms.size == 0:
        raise ValueError("`norms` must hold at least one response token, got none")
    if np.any(norms < 0):
        raise ValueError(f"`norms` must be >= 0, got {norms.min()}")
    with np.errstate(over="ignore"):
        return float(np.sum(norms.astype(np.float64) ** power)) / responses


def _certified(value: float, unit: str) -> Bound:
    status = "ok" if math.isfinite(value) else "vacuous: a feature norm is not finite"
    return Bound(
        value if math.isfinite(value) else math.inf, "certified", "upper", unit=unit,
        assumptions=("rows",), theorem="linear softmax", status=status,
    )  # fmt: skip
