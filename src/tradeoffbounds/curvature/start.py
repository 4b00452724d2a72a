"""Where a fine-tune starts: losses and gradients at θ_s, what the adapter costs there, and the rows' noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from tradeoffbounds.bounds.bound import NATS_PER_RESPONSE, PER_UNIT, Bound, exact
from tradeoffbounds.bounds.confidence import bootstrap_means, percentile_interval
from tradeoffbounds.curvature.adapted import Adapted
from tradeoffbounds.curvature.products import ChunkedLoss
from tradeoffbounds.curvature.spectrum import Spectrum, random_start, spectrum
from tradeoffbounds.errors import UserError
from tradeoffbounds.sources.chat import Rendered

_RESAMPLES = 1000
_OFFSET = "offset of the adapter before training"
#: Above this many numbers the gradients of single rows are not held at once.
_ROW_GRADIENTS = 10**8
#: Below this, rows do not show how much they differ.
_MIN_ROWS = 3


class Start(NamedTuple):
    """Loss and gradient at the start, and where they fit the gradients of single rows, which average to it."""

    loss: float
    gradient: Array
    of_rows: Array | None
    rows: int


def start_of(loss: ChunkedLoss, theta: Array, what: str) -> Start:
    """The gradient at ``theta``.

    Args:
        what: names the loss in an error.

    Raises:
        UserError: the loss or its gradient is not finite.
    """
    losses = loss.row_losses(theta)
    rows = int(jnp.count_nonzero(losses))
    if not bool(jnp.isfinite(losses).all()):
        raise UserError(f"the loss of {what} is not finite; try --dtype float32, or check the adapter's values")
    of_rows = None
    if theta.size * losses.size <= _ROW_GRADIENTS:
        of_rows = loss.row_gradients(theta)[jnp.nonzero(losses)[0]] * rows
        gradient = of_rows.mean(axis=0)
    else:
        gradient = loss.value_and_gradient(theta)[1]
    if not bool(jnp.isfinite(gradient).all()):
        raise UserError(f"the gradient of {what} is not finite; try --dtype float32, or check the adapter's values")
    return Start(float(losses.sum()), gradient, of_rows, rows)


def spectrum_at(loss: ChunkedLoss, theta: Array, gradient: Array, steps: int, seed: int) -> Spectrum:
    """Lanczos from the gradient, or from a random vector where it vanishes.

    Raises:
        UserError: the Hessian is not finite.
    """
    start = gradient if bool(jnp.any(gradient != 0)) else random_start(theta.size, seed)
    try:
        return spectrum(loss, theta, start, steps)
    except FloatingPointError as error:
        raise UserError(f"{error}; try --dtype float32") from error


def offset_of(adapted: Adapted, texts: Sequence[Rendered], confidence: float, seed: int) -> Bound:
    """What the adapter costs before any step: its loss less the aligned model's on the same rows.

    Raises:
        UserError: a loss is not finite.
    """
    if adapted.identity:
        return replace(exact(0.0, _OFFSET), assumptions=("aligned-reference",))
    differences = np.asarray(adapted.row_losses(texts) - adapted.base_row_losses(texts), np.float64)
    if not np.isfinite(differences).all():
        raise UserError(
            f"the loss with {adapted.config.method} is not finite; try --dtype float32, or check the adapter's values"
        )
    low, high = percentile_interval(bootstrap_means(differences[:, None], resamples=_RESAMPLES, seed=seed), confidence)
    value = float(differences.mean())
    return Bound(
        value, "measured", unit=NATS_PER_RESPONSE, interval=(min(float(low[0]), value), max(float(high[0]), value)),
        confidence=confidence, method=f"paired bootstrap over {len(texts)} rows",
        assumptions=("aligned-reference", "iid"), theorem=_OFFSET,
    )  # fmt: skip


def loss_of(start: Start) -> Bound:
    """-log P(response), the mean over the rows: no gap can fall by more than this, as no loss falls below 0."""
    return Bound(
        start.loss, "certified", method=f"mean over {start.rows} rows", assumptions=("rows",),
        theorem="loss at the start",
    )  # fmt: skip


def gradient_norms(start: Start, confidence: float, seed: int) -> dict[str, Bound]:
    """‖∇G‖ on the rows, and without their noise: ‖ĝ‖² exceeds ‖g‖² by the variance of the mean in expectation."""
    measured = Bound(
        # Computed, not sampled: of the loss over these rows it is the norm itself.
        float(jnp.linalg.norm(start.gradient)), "certified", unit=PER_UNIT, method=f"gradient over {start.rows} rows",
        assumptions=("rows",), theorem="gradient norm at the start",
    )  # fmt: skip
    n = start.rows
    if n < _MIN_ROWS or start.of_rows is None:
        return {"rows": measured}
    gram = np.asarray(start.of_rows @ start.of_rows.T, np.float64)
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=_RESAMPLES).astype(float)
    value, *replicates = (_unbiased_norm(gram, count) for count in np.concatenate([np.ones((1, n)), counts]))
    low, high = percentile_interval(np.asarray(replicates), confidence)
    without_noise = Bound(
        value, "estimated", unit=PER_UNIT, interval=(min(float(low), value), max(float(high), value)),
        confidence=confidence, method="products of different rows; bootstrap", assumptions=("iid",),
        theorem="gradient norm at the start",
    )  # fmt: skip
    return {"rows": measured, "source": without_noise}


def _unbiased_norm(gram: np.ndarray, counts: np.ndarray) -> float:
    """sqrt of the mean of ⟨g_i, g_j⟩ over pairs of different rows, i drawn counts_i times."""
    pairs = np.outer(counts, counts)
    np.fill_diagonal(pairs, 0.0)
    total = pairs.sum()
    return float(np.sqrt(max((pairs * gram).sum() / total, 0.0))) if total else 0.0
