"""Layers in plain words: which of them carry the drift, how far that can be trusted, and which to freeze."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tradeoffbounds.report.case_two_reading import too_far
from tradeoffbounds.report.layers_reading import (
    at_reference,
    fewest_for_half,
    how_dependable,
    on_other_rows,
    removed,
    shares,
    spoken_of,
)
from tradeoffbounds.report.quantities import ends, number, plain

Record = dict[str, Any]

#: More layers than these are counted, not listed.
_LISTED = 6


def layers_verdict(method: Record) -> list[str]:
    """One or two sentences; none where layers were not asked for."""
    if method.get("layers") is None:
        return []
    if method["layers"]["missing"] is not None:
        return [f"Layers of {method['peft']}: {method['layers']['missing']}."]
    at = at_reference(method)
    assert at is not None
    head = f"Layers of {method['peft']} (counted from 0)"
    if too_far(at["drift"]):
        return [f"{head}: a step of {at['radius']:g} is too long for a second-order prediction, by layer as in all."]
    return [f"{head}: {_carried(at)}; {how_dependable(at['agreement'])}.", *_freezing(at)]


def named(layers: Sequence[int]) -> str:
    """``layer 3``, ``layers 3, 7 and 11``, or how many where they are more than six."""
    if len(layers) == 1:
        return f"layer {layers[0]}"
    if len(layers) > _LISTED:
        return f"{len(layers)} layers"
    *first, last = map(str, layers)
    return f"layers {', '.join(first)} and {last}"


def _carried(at: Record) -> str:
    drift, found = number(at["drift"]), shares(at)
    step = f"a step of {at['radius']:g} along the capability gradient"
    if drift <= 0:
        lowest = int(found.argmin())
        return (
            f"{step} is predicted to lower the safety gap by {plain(-drift)}, most of it "
            f"({plain(-found[lowest])}) in layer {lowest}, so there is no drift to freeze layers for"
            if drift < 0
            else f"{step} is predicted not to move the safety gap"
        )
    half = fewest_for_half(at)
    verb = "carries" if len(half) == 1 else "carry"
    return (
        f"of the {plain(drift)} by which {step} is predicted to raise the safety gap, {named(half)} of {len(found)} "
        f"{verb} at least half"
    )


def _freezing(at: Record) -> list[str]:
    frozen = spoken_of(at)
    if frozen is None:
        return []
    low, high = ends(frozen["gain_kept"])
    kept = f"{number(frozen['gain_kept']):.0%}"
    kept += f" ({low:.0%} to {high:.0%})" if low < high else ""
    said = (
        f"Freezing {named(frozen['layers'])} is predicted to keep {kept} of the first-order capability gain and to "
        f"remove {removed(at, frozen):.0%} of that drift, {plain(number(at['drift']))} becoming "
        f"{plain(number(frozen['drift']))}"
    )
    other = on_other_rows(frozen)
    if other is None:
        return [f"{said}, on the rows that the layers were chosen on."]
    count = len(frozen["layers"])
    return [
        f"{said}; {'one layer' if count == 1 else f'{count} layers'} chosen on one half of the rows "
        f"{'removes' if count == 1 else 'remove'} {other} on the other half."
    ]
