"""The lower end against the number of rows: a value may be called predicted only where this has flattened."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tradeoffbounds.overlap.domain import Domain
from tradeoffbounds.overlap.trade_off import LogRatios, curves, log_ratios

_SHARES = (0.25, 0.5)
#: Flat: the last doubling of the rows moved the lower end by less than this share of it ...
_TOLERANCE = 0.1
#: ... or by less than this, nats per response, too little to matter.
_NEGLIGIBLE = 0.005
#: Distinct prompts of a source below which folds by prompt run empty.
MIN_PROMPTS = 20


@dataclass(frozen=True)
class LearningCurve:
    """Lower end of the total at λ = 1, nats per response, by rows a source (ascending)."""

    rows: tuple[int, ...]
    lower: tuple[float, ...]
    flat: bool


def learning_curve(capability: Domain, proxy: Domain, full: LogRatios, *, seed: int) -> LearningCurve:
    """Fit again on a quarter and on half of the prompts; ``full`` is the fit on all of them."""
    rows, lower = [], []
    # By prompt, so that sources that share their prompts go on sharing them.
    distinct = np.random.default_rng(seed).permutation(np.unique(np.concatenate([capability.groups, proxy.groups])))
    for share in _SHARES:
        kept = distinct[: round(share * len(distinct))]
        parts = [each.subset(np.flatnonzero(np.isin(each.groups, kept))) for each in (capability, proxy)]
        if min(len(np.unique(part.groups)) for part in parts) < MIN_PROMPTS:
            continue
        rows.append(min(len(part) for part in parts))
        lower.append(_lower_end(log_ratios(*parts, seed=seed)))
    rows.append(min(len(capability), len(proxy)))
    lower.append(_lower_end(full))
    # With a single point nothing is known about flatness.
    flat = len(lower) > 1 and abs(lower[-1] - lower[-2]) <= max(_TOLERANCE * abs(lower[-1]), _NEGLIGIBLE)
    return LearningCurve(tuple(rows), tuple(lower), flat)


def _lower_end(ratios: LogRatios) -> float:
    return float(curves(ratios, [1.0], confidence=0.95, seed=0)["total"].lower[0])
