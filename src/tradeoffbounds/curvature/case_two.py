"""Case II for one adapter method: constants, Theorem 3, drift and the quadratic model, each number with its kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tradeoffbounds.bounds import theorem3
from tradeoffbounds.bounds.bound import Bound, tightest
from tradeoffbounds.curvature.adapted import Adapted
from tradeoffbounds.curvature.certified import head_constants
from tradeoffbounds.curvature.directions import Direction, along_descent
from tradeoffbounds.curvature.layers import NO_STEP, LayerDrift, layer_drift, no_layers
from tradeoffbounds.curvature.products import ChunkedLoss
from tradeoffbounds.curvature.quadratic_model import QuadraticModel, Sharing, quadratic_model, sharing
from tradeoffbounds.curvature.spectrum import Spectrum
from tradeoffbounds.curvature.start import gradient_norms, loss_of, offset_of, spectrum_at, start_of
from tradeoffbounds.curvature.suprema import Search, Suprema, explore
from tradeoffbounds.sources.chat import Rendered

Constants = dict[str, dict[str, Bound]]
#: Whose rows each gap of Case II is measured on.
_ROLES = {"safety_gap": "alignment", "capability_gap": "capability"}


@dataclass(frozen=True)
class Budget:
    """What ``--curvature`` buys.

    Attributes:
        rows: rows of each source that curvature is computed on.
        offset_rows: rows on which the adapter's start is compared with the aligned model.
        tokens: longest text.
        avoided: top curvature directions of G_s that the safest direction keeps clear of.
        layer_lanczos: Lanczos steps for the top curvature of every layer, where layers are asked for.
    """

    rows: int
    offset_rows: int
    tokens: int
    search: Search
    avoided: int
    layer_lanczos: int = 0


BUDGETS: dict[str, Budget] = {
    "quick": Budget(8, 32, 80, Search(restarts=0, ascents=1, lanczos=5, every_radius=False), avoided=2),
    "full": Budget(
        64, 256, 256, Search(restarts=2, ascents=4, lanczos=20, every_radius=True), avoided=4, layer_lanczos=5
    ),
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
    sharing: list[Sharing]


@dataclass(frozen=True)
class CaseTwo:
    """Case II for one adapter method.

    Attributes:
        offset: what the adapter costs before any step, by gap; relative to the aligned model.
        losses: on the rows, at the start.
        gradient_norms: on the rows, and estimated for the source without the rows' sampling noise.
        directions: ``descent`` and ``safest`` (None where there is none).
        sharing: what sharing parameters costs at each λ, without a ball.
        layers: the drift along ``descent`` by layer, or why there is none; None where it was not asked for.
    """

    method: str
    parameters: int
    rows: int
    offset: dict[str, Bound]
    losses: dict[str, Bound]
    gradient_norms: dict[str, dict[str, Bound]]
    spectra: dict[str, Spectrum]
    directions: dict[str, Direction | None]
    suprema: dict[str, Suprema]
    model: QuadraticModel
    sharing: list[Sharing]
    radii: list[AtRadius]
    layers: LayerDrift | str | None = None

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
    layers: bool = False,
    progress: Callable[[str], None] = lambda step: None,
) -> CaseTwo:
    """Constants and bounds at every radius.

    Args:
        texts: by role (alignment, proxy, capability), in random order; the first ``budget.rows`` carry the curvature.
        information: λ and the least G_f + λ Ĝ_s that Case I predicts.
        same_source: alignment and proxy are the same data.
        layers: which of them carry the drift is asked for.

    Raises:
        UserError: a loss is not finite, or memory does not suffice.
    """
    name = adapted.config.method
    theta = adapted.theta
    roles = ["alignment", "capability"] + ([] if same_source else ["proxy"])
    losses = {role: adapted.loss(texts[role][: budget.rows]) for role in roles}

    progress(f"{name}: start against the aligned model")
    offset = {
        gap: offset_of(adapted, texts[role][: budget.offset_rows], confidence, seed) for gap, role in _ROLES.items()
    }
    progress(f"{name}: gradients and spectra")
    starts = {role: start_of(loss, theta, f"{role} with {name}") for role, loss in losses.items()}
    gradients = {role: start.gradient for role, start in starts.items()}
    steps = budget.search.lanczos
    spectra = {role: spectrum_at(losses[role], theta, gradients[role], steps, seed) for role in roles}
    norms = {gap: gradient_norms(starts[role], confidence, seed) for gap, role in _ROLES.items()}
    at_start = {gap: loss_of(starts[role]) for gap, role in _ROLES.items()}
    progress(f"{name}: directions")
    safety, capability = losses["alignment"], losses["capability"]
    directions = along_descent(
        safety, capability, theta, (gradients["alignment"], gradients["capability"]),
        spectra["alignment"].top_vectors(budget.avoided),
    )  # fmt: skip
    found_layers: LayerDrift | str | None = None
    if layers and adapted.blocks is None:
        found_layers = no_layers(name)
    elif layers and adapted.blocks is not None:
        found_layers = layer_drift(
            safety, theta, adapted.blocks, (starts["alignment"], starts["capability"]), seed=seed,
            lanczos=budget.layer_lanczos, progress=lambda step: progress(f"{name}: {step}"),
        ) or NO_STEP  # fmt: skip
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

    def shared(radius: float) -> list[Sharing]:
        def most(penalty: float) -> float:
            return starts["capability"].loss + penalty * starts[proxy].loss

        return [sharing(model, penalty, cost, radius, most=most(penalty)) for penalty, cost in information]

    known = _Known(offset, at_start, norms, directions, suprema, _certified(adapted, safety, capability))
    return CaseTwo(
        method=name,
        parameters=int(theta.size),
        rows=starts["alignment"].rows,
        offset=offset,
        losses=at_start,
        gradient_norms=norms,
        spectra=spectra,
        directions=directions,
        suprema=suprema,
        model=model,
        sharing=shared(math.inf),
        radii=_nested([_at_radius(radius, known, shared(radius)) for radius in sorted(radii)]),
        layers=found_layers,
    )


@dataclass(frozen=True)
class _Known:
    """What all balls share; by gap, but suprema by role, and constants that are proved by name."""

    offset: dict[str, Bound]
    losses: dict[str, Bound]
    norms: dict[str, dict[str, Bound]]
    directions: dict[str, Direction | None]
    suprema: dict[str, Suprema]
    certified: Constants


def _at_radius(radius: float, known: _Known, shared: list[Sharing]) -> AtRadius:
    constants = {
        "L_s": known.suprema["alignment"].lipschitz(radius),
        "S_s": known.suprema["alignment"].smoothness(radius),
        "L_f_prime": known.suprema["capability"].smoothness(radius),
    }
    constants = {name: _capped(pair | known.certified.get(name, {})) for name, pair in constants.items()}
    safety_norm, capability_norm = (known.norms[gap]["rows"] for gap in ("safety_gap", "capability_gap"))
    safety_start, capability_start = (known.offset[gap] for gap in ("safety_gap", "capability_gap"))

    def bounds(kind: str) -> dict[str, Bound]:
        return {
            "paper": theorem3.paper(safety_start, constants["L_s"][kind], radius),
            "refined": theorem3.refined(safety_start, safety_norm, constants["S_s"][kind], radius),
        }

    curvature = constants["L_f_prime"]["estimate"]
    lower = theorem3.capability_lower(capability_start, capability_norm, curvature, radius)
    floor = (capability_start - known.losses["capability_gap"]).named("zero loss", side="lower")
    if lower.value < floor.value:
        lower = replace(floor, status="vacuous: no loss falls below 0, and the constants say no more")
    safety_loss = known.losses["safety_gap"].value
    return AtRadius(
        radius=radius,
        constants=constants,
        theorem3=bounds("estimate"),
        certified=bounds("certified") if known.certified else {},
        capability={
            "lower": lower,
            "upper": theorem3.capability_upper(capability_start, capability_norm, curvature, radius),
        },
        drift={
            name: None if each is None else each.drift(radius, name, safety_loss)
            for name, each in known.directions.items()
        },
        sharing=shared,
    )


def _capped(constant: dict[str, Bound]) -> dict[str, Bound]:
    """No estimate above what is proved."""
    if "certified" not in constant or constant["estimate"].value <= constant["certified"].value:
        return constant
    proved = replace(constant["estimate"], value=constant["certified"].value, method="the proved constant", status="ok")
    return constant | {"estimate": proved}


def _nested(balls: list[AtRadius]) -> list[AtRadius]:
    """A larger ball holds the smaller ones, so what can be gained there can be gained in it too."""
    return [
        replace(
            ball,
            capability=ball.capability
            | {"upper": tightest((each.capability["upper"] for each in balls[: which + 1]), "theorem 3, nested balls")},
        )
        for which, ball in enumerate(balls)
    ]


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
