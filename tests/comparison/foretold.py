"""Bounds, predictions and gaps by hand, in the shapes that Case I and Case II hand over."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from tradeoffbounds.bounds.bound import PER_UNIT, Bound
from tradeoffbounds.comparison.compare import Foretold, Gaps
from tradeoffbounds.comparison.observed import Measured

#: Of even rows, one before and one behind the mean.
SPREAD = np.array([-1.0, 1.0])


def upper(value, **more):
    return Bound(value, "estimated", side="upper", **more)


def predicted(value, **more):
    return Bound(value, "predicted", **more)


def measured(value, address, spread=0.1, n=8):
    """Rows of a mean, with so large a deviation from it."""
    return Measured({address: value + spread * np.tile(SPREAD, n // 2)})


def gaps(safety, proxy, capability, spread=0.1):
    """Gaps of one model, of three sources."""
    return Gaps(measured(safety, "s", spread), measured(proxy, "p", spread), measured(capability, "c", spread))


def penalty_row(scale=1.0, exact=None):
    """What Case I says at one penalty; ``exact`` where sources are models."""
    row = {
        "theorem1": {"paper": upper(4 * scale, theorem="theorem 1, paper"), "refined": upper(3 * scale)},
        "theorem2": {"paper": upper(2.5 * scale), "refined": upper(1.5 * scale)},
        "classifier_bound": upper(2 * scale),
        "certificate": {"total": Bound(2.2 * scale, "certified", side="upper"), "proxy_gap": upper(1.0)},
        "predicted": {
            "safety_gap": predicted(0.6 * scale), "proxy_gap": predicted(0.5 * scale),
            "capability_gap": predicted(0.4 * scale), "total": predicted(0.9 * scale, interval=(0.5, 1.0)),
        },
    }  # fmt: skip
    if exact is not None:
        row["exact"] = {name: Bound(value, "estimated") for name, value in exact.items()}
    return row


def ball(radius=0.1, drift=0.25):
    """What Case II says of one ball, counted from the aligned model."""
    return SimpleNamespace(
        radius=radius,
        theorem3={"paper": upper(0.7, theorem="theorem 3, paper"), "refined": upper(0.5, theorem="theorem 3, refined")},
        capability={
            "lower": Bound(-0.9, "estimated", side="lower", theorem="capability, lower"),
            "upper": Bound(-0.2, "estimated", side="upper", theorem="capability, upper"),
        },
        drift={"descent": None if drift is None else predicted(drift), "safest": predicted(0.01)},
        constants={"L_s": {"estimate": Bound(5.0, "estimated", unit=PER_UNIT, theorem="L_s"), "lower": None}},
    )  # fmt: skip


def nothing():
    return Foretold({}, {})
