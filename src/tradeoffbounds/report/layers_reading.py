"""What the table, the figure and the sentences on layers read out of the record together."""

from __future__ import annotations

from typing import Any

import numpy as np

from tradeoffbounds.report.case_two_reading import reference_radius
from tradeoffbounds.report.quantities import number

Record = dict[str, Any]

#: The part of the first-order gain that a set of frozen layers must leave to be spoken of, where there is one.
GAIN_KEPT = 0.9
#: Rank correlations of two halves above which an order is dependable, and below which it is noise.
DEPENDABLE, NOISE = 0.7, 0.3


def at_reference(method: Record) -> Record | None:
    """Layers at the radius that sentences speak about; None where none were looked at, or a method has none."""
    layers = method.get("layers")
    if layers is None or layers["missing"] is not None:
        return None
    radius = reference_radius(method)["radius"]
    found: Record = next(each for each in layers["radii"] if each["radius"] == radius)
    return found


def shares(at: Record) -> np.ndarray:
    """What each layer carries of the drift, nats/response."""
    return np.array(at["shares"]["value"])


def without_one(method: Record, at: Record) -> list[float]:
    """The drift that is left when each layer alone is frozen, nats/response."""
    radius, whole = at["radius"], number(at["drift"])
    return [
        whole
        - radius * number(each["slope"])
        - radius**2 / 2 * (2 * number(each["curvature"]) - number(each["own_curvature"]))
        for each in method["layers"]["layers"]
    ]


def fewest_for_half(at: Record) -> list[int]:
    """The fewest layers that carry half of a drift above 0, the one that carries most first."""
    found = shares(at)
    order = np.argsort(-found, kind="stable")
    count = int(np.argmax(np.cumsum(found[order]) >= found.sum() / 2)) + 1
    return [int(layer) for layer in order[:count]]


def spoken_of(at: Record) -> Record | None:
    """The frozen layers that remove most while they leave 90% of the gain, else the first; None where there are none.

    The chain is one of ever more frozen layers, so the last of those that leave enough removes most.
    """
    chain: list[Record] = at["freezing"]
    enough = [each for each in chain if number(each["gain_kept"]) >= GAIN_KEPT]
    return enough[-1] if enough else chain[0] if chain else None


def removed(at: Record, frozen: Record) -> float:
    """The part of the predicted drift that these frozen layers take away."""
    return 1 - number(frozen["drift"]) / number(at["drift"])


def on_other_rows(frozen: Record) -> str | None:
    """What is removed where other rows chose the layers, in words; None where that is not known."""
    other = frozen["removed_on_other_rows"]
    if other is None:
        return None
    return f"{number(other):.0%}" if number(other) > 0 else "nothing"


def how_dependable(agreement: Record | None) -> str:
    """What the rank correlation of two halves means, in words."""
    if agreement is None:
        return "whether other rows would order the layers alike is not known: too few rows, or no room for them"
    found = number(agreement)
    meaning = (
        "so other rows would order the layers much alike" if found >= DEPENDABLE
        else "so the order is mostly sampling noise" if found < NOISE
        else "so other rows would order them differently in part"
    )  # fmt: skip
    return f"two halves of the rows order the layers with a rank correlation of {found:.2f}, {meaning}"
