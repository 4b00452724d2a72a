"""Case II for one adapter method: constants, Theorem 3, drift and the quadratic model, each number with its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from tradeoffbounds.bounds import theorem3
from tradeoffbounds.bounds.bound import NATS_PER_RESPONSE, PER_UNIT, Bound, exact
from tradeoffbounds.bounds.confidence import bootstrap_means, percentile_interval
from tradeoffbounds.curvature.adapted import Adapted
from tradeoffbounds.curvature.certified import head_constants
from tradeoffbounds.curvature.directions import Direction, along_descent
from tradeoffbounds.curvature.products import ChunkedLoss
from tradeoffbounds.curvature.quadratic_model import QuadraticModel, quadratic_model, sharing_cost
from tradeoffbounds.curvature.spectrum import Spectrum, random_start, spectrum
from tradeoffbounds.curvature.suprema import Search, Suprema, explore
from tradeoffbounds.errors import UserError
from tradeoffbounds.sources.chat import Rendered

Constants = dict[str, dict[str, Bound]]
_RESAMPLES = 1000
_OFFSET = "offset of the adapter before training"
#: Above this many numbers the gradients of single rows are not held at once.
_ROW_GRADIENTS = 10**8
#: Below this, rows do not show how much they differ.
_MIN_ROWS = 3


@dataclass(frozen=True)
class Budget:
    """What ``--curvature`` buys.

    Attributes:
        rows: rows of each source that curvature is computed on.
        offset_rows: rows on which the adapter's start is compared with the aligned model.
        tokens: longest text.
        avoided: top curvature directions of G_s that the safest direction keeps clear of.
    """

    rows: int
    offset_rows: int
    tokens: int
    search: Search
    avoided: int


BUDGETS: dict[str, Budget] = {
    "quick": Budget(8, 32, 80, Search(restarts=0, ascents=1, lanczos=5, every_radius=False), avoided=2),
    "full": Budget(64, 256, 256, Search(restarts=2, ascents=4, lanczos=20, every_radius=True), avoided=4),
}


@dataclass(frozen=True)
class AtRadius:
    """Everything that holds in one ball."""

    radius: float
    constants: Constants
    theorem3: dict[str, Bound]
    certified: dict[str, Bound]
    capability: dict[str, Bound]
    drift: dict[str, Bound | None]
    sharing: list[tuple[float, Bound]]


@dataclass(frozen=True)
class CaseTwo:
    """Case II for one adapter method.

    Attributes:
        offset: what the adapter costs before any step, by gap; relative to the aligned model.
        gradient_norms: on the rows, and estimated for the source without the rows' sampling noise.
        directions: ``descent`` and ``safest`` (None where there is none).
        sharing: λ -> predicted δ + κ without a ball.
    """

    method: str
    parameters: int
    rows: int
    offset: dict[str, Bound]
    gradient_norms: dict[str, dict[str, Bound]]
    spectra: dict[str, Spectrum]
    directions: dict[str, Direction | None]
    suprema: dict[str, Suprema]
    model: QuadraticModel
    sharing: list[tuple[float, Bound]]
    radii: list[AtRadius]

    def largest_radius(self, limit: float) -> dict[str, float]:
        """The largest radius, up to the largest computed, whose estimated bound on the safety gap is <= limit."""
        start, norm = self.offset["safety_gap"], self.gradient_norms["safety_gap"]["rows"]
        found = {"paper": 0.0, "refined": 0.0}
        for at in self.radii:
            # Constants of a ball hold in every smaller one.
            lipschitz, smoothness = (at.constants[name]["estimate"] for name in ("L_s", "S_s"))
            paper = theorem3.largest_radius_paper(limit, start, lipschitz)
            refined = theorem3.largest_radius(limit, start, norm, smoothness)
            found["paper"] = max(found["paper"], min(paper, at.radius))
            found["refined"] = max(found["refined"], min(refined, at.radius))
        return found


def case_two(
    adapted: Adapted,
    texts: Mapping[str, Sequence[Rendered]],
    information: Sequence[tuple[float, Bound]],
    *,
    radii: Sequence[float],
    budget: Budget,
    same_source: bool,
    confidence: float,
    seed: int,
    progress: Callable[[str], None] = lambda step: None,
) -> CaseTwo:
    """Constants and bounds at every radius.

    Args:
        texts: by role (alignment, proxy, capability), in random order; the first ``budget.rows`` carry the curvature.
        information: λ and the least G_f + λ Ĝ_s that Case I predicts.
        same_source: alignment and proxy are the same data.

    Raises:
        UserError: a loss is not finite, or memory does not suffice.
    """
    name = adapted.config.method
    theta = adapted.theta
    roles = ["alignment", "capability"] + ([] if same_source else ["proxy"])
    losses = {role: adapted.loss(texts[role][: budget.rows]) for role in roles}

    progress(f"{name}: start against the aligned model")
    offset = {
        gap: _offset(adapted, texts[role][: budget.offset_rows], confidence, seed)
        for gap, role in (("safety_gap", "alignment"), ("capability_gap", "capability"))
    }
    progress(f"{name}: gradients and spectra")
    starts = {role: _start(loss, theta, f"{role} with {name}") for role, loss in losses.items()}
    gradients = {role: start.gradient for role, start in starts.items()}
    steps = budget.search.lanczos
    spectra = {role: _spectrum(losses[role], theta, gradients[role], steps, seed) for role in roles}
    norms = {
        gap: _norms(starts[role], confidence, seed)
        for gap, role in (("safety_gap", "alignment"), ("capability_gap", "capability"))
    }
    progress(f"{name}: directions")
    safety, capability = losses["alignment"], losses["capability"]
    directions = along_descent(
        safety, capability, theta, (gradients["alignment"], gradients["capability"]),
        spectra["alignment"].top_vectors(budget.avoided),
    )  # fmt: skip
    suprema = {}
    for role, what in (("alignment", "safety"), ("capability", "capability")):
        progress(f"{name}: {what} constants over the ball")
        suprema[role] = explore(losses[role], theta, gradients[role], spectra[role], radii, budget.search, seed=seed)
    progress(f"{name}: quadratic model")
    proxy = "alignment" if same_source else "proxy"
    model = quadratic_model(
        capability, losses[proxy], theta, (gradients["capability"], gradients[proxy]),
        (spectra["capability"], spectra[proxy]),
    )  # fmt: skip
    certified = _certified(adapted, safety, capability)
    return CaseTwo(
        method=name,
        parameters=int(theta.size),
        rows=starts["alignment"].rows,
        offset=offset,
        gradient_norms=norms,
        spectra=spectra,
        directions=directions,
        suprema=suprema,
        model=model,
        sharing=[(penalty, sharing_cost(model.interference(penalty), cost)) for penalty, cost in information],
        radii=[
            _at_radius(radius, offset, norms, suprema, certified, directions, model, information)
            for radius in sorted(radii)
        ],
    )  # fmt: skip


def _at_radius(
    radius: float,
    offset: dict[str, Bound],
    norms: dict[str, dict[str, Bound]],
    suprema: dict[str, Suprema],
    certified: Constants,
    directions: dict[str, Direction | None],
    model: QuadraticModel,
    information: Sequence[tuple[float, Bound]],
) -> AtRadius:
    constants = {
        "L_s": suprema["alignment"].lipschitz(radius),
        "S_s": suprema["alignment"].smoothness(radius),
        "L_f_prime": suprema["capability"].smoothness(radius),
    }
    constants = {name: pair | certified.get(name, {}) for name, pair in constants.items()}
    safety_norm, capability_norm = (norms[gap]["rows"] for gap in ("safety_gap", "capability_gap"))

    def bounds(kind: str) -> dict[str, Bound]:
        return {
            "paper": theorem3.paper(offset["safety_gap"], constants["L_s"][kind], radius),
            "refined": theorem3.refined(offset["safety_gap"], safety_norm, constants["S_s"][kind], radius),
        }

    curvature = constants["L_f_prime"]["estimate"]
    return AtRadius(
        radius=radius,
        constants=constants,
        theorem3=bounds("estimate"),
        certified=bounds("certified") if certified else {},
        capability={
            "lower": theorem3.capability_lower(offset["capability_gap"], capability_norm, curvature, radius),
            "upper": theorem3.capability_upper(offset["capability_gap"], capability_norm, curvature, radius),
        },
        drift={name: None if each is None else each.drift(radius, name) for name, each in directions.items()},
        sharing=[
            (penalty, sharing_cost(model.interference(penalty, radius), cost)) for penalty, cost in information
        ],
    )  # fmt: skip


class _Start(NamedTuple):
    """The gradient at the start, and where they fit those of the single rows, which average to it."""

    gradient: Array
    of_rows: Array | None
    rows: int


def _start(loss: ChunkedLoss, theta: Array, what: str) -> _Start:
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
    return _Start(gradient, of_rows, rows)


def _spectrum(loss: ChunkedLoss, theta: Any, gradient: Any, steps: int, seed: int) -> Spectrum:
    start = gradient if bool(jnp.any(gradient != 0)) else random_start(theta.size, seed)
    try:
        return spectrum(loss, theta, start, steps)
    except FloatingPointError as error:
        raise UserError(f"{error}; try --dtype float32") from error


def _offset(adapted: Adapted, texts: Sequence[Rendered], confidence: float, seed: int) -> Bound:
    """What the adapter costs before any step: its loss less the aligned model's on the same rows."""
    if adapted.identity:
        return replace(exact(0.0, _OFFSET), assumptions=("aligned-reference",))
    differences = np.asarray(adapted.row_losses(texts) - adapted.base_row_losses(texts), np.float64)
    low, high = percentile_interval(bootstrap_means(differences[:, None], resamples=_RESAMPLES, seed=seed), confidence)
    value = float(differences.mean())
    return Bound(
        value, "measured", unit=NATS_PER_RESPONSE, interval=(min(float(low[0]), value), max(float(high[0]), value)),
        confidence=confidence, method=f"paired bootstrap over {len(texts)} rows",
        assumptions=("aligned-reference", "iid"), theorem=_OFFSET,
    )  # fmt: skip


def _norms(start: _Start, confidence: float, seed: int) -> dict[str, Bound]:
    """‖∇G‖ on the rows, and without their noise: ‖ĝ‖² exceeds ‖g‖² by the variance of the mean in expectation."""
    measured = Bound(
        float(jnp.linalg.norm(start.gradient)), "measured", unit=PER_UNIT, method=f"gradient over {start.rows} rows",
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


def _certified(adapted: Adapted, safety: ChunkedLoss, capability: ChunkedLoss) -> Constants:
    """Proved constants, for the one method whose logits are linear in its parameters."""
    if adapted.config.method != "output-head":
        return {}
    of_safety, of_capability = (
        head_constants(adapted.decoder, adapted.params, loss.chunks) for loss in (safety, capability)
    )
    return {
        "L_s": {"certified": of_safety["lipschitz"]},
        "S_s": {"certified": of_safety["smoothness"]},
        "L_f_prime": {"certified": of_capability["smoothness"]},
    }
