"""Which adapter method, and how far it may go, for a budget of safety gap."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from tradeoffbounds.bounds import theorem3
from tradeoffbounds.bounds.bound import NATS_PER_RESPONSE, PER_UNIT, PER_UNIT_SQUARED, Bound
from tradeoffbounds.report.advice_items import budget, item, rounded_down, stated
from tradeoffbounds.report.case_two_reading import (
    ADAPTERS,
    PROMPTS,
    comparable,
    methods_of,
    predicted_gain,
    too_far,
    with_lower_constants,
)
from tradeoffbounds.report.quantities import ends, number, plain

Record = dict[str, Any]

_OFF = "Case II was not computed (--curvature off), so no {}: --curvature quick --peft {} computes it."
#: Those that `validate` trains; an additive output head it does not.
TRAINED = (*ADAPTERS, *PROMPTS)
_FORMS = ("paper", "refined")
_IN_WORDS = {"paper": "in the paper's form", "refined": "refined"}


class Reach(NamedTuple):
    """The largest radius that a form of Theorem 3 keeps within the budget, and its bound there."""

    form: str
    radius: float
    bound: Record
    largest: bool


def method_advice(record: Record) -> tuple[list[Record], tuple[str, ...]]:
    """Advice on the adapter method, and those advised: several where nothing tells them apart, or none."""
    methods = methods_of(record)
    if not methods:
        return [item("method", _OFF.format("method is advised over another", " ".join(TRAINED)))], ()
    limit = budget(record)
    fitting = [each for each in methods if reaches(each, limit)]
    if not fitting:
        reasons = "; ".join(f"{each['peft']}: {why_not(each, limit)}" for each in methods)
        said = f"No method fits a safety gap within {plain(limit)} nats a response at any radius: {reasons}."
        return [item("method", said, *(_reason_quantity(each, limit) for each in methods))], ()
    if len(methods) == 1:
        return [_only(fitting[0])], (fitting[0]["peft"],)
    left_out = [each for each in methods if each not in fitting]
    if len(fitting) == 1:
        reasons = "; ".join(f"{each['peft']}: {why_not(each, limit)}" for each in left_out)
        (reach, *_) = reaches(fitting[0], limit)
        said = (
            f"Take {fitting[0]['peft']}, the only method of those looked at that fits a safety gap within "
            f"{plain(limit)} nats a response: at radius {plain(reach.radius)} at most {stated(reach.bound)}. {reasons}."
        )
        rests = [reach.bound, *(_reason_quantity(each, limit) for each in left_out)]
        return [item("method", said, *rests)], (fitting[0]["peft"],)
    by_theorem, first = _by_theorem3(fitting)
    by_cost, chosen = _by_cost(record, fitting, limit, first)
    unfit = [
        item("method", f"{each['peft']} is not advised: {why_not(each, limit)}.", _reason_quantity(each, limit))
        for each in left_out
    ]
    return [by_theorem, by_cost, *unfit], chosen


def radius_advice(record: Record) -> list[Record]:
    """The largest radius of each method that keeps Theorem 3 within the budget."""
    methods = methods_of(record)
    if not methods:
        return [item("radius", _OFF.format("radius is advised", "lora"))]
    limit = budget(record)
    return [advice for each in methods for advice in _radius(each, limit)]


def reaches(method: Record, limit: float) -> list[Reach]:
    """Theorem 3's radii within the budget, paper's form and refined, estimated; those above 0."""
    return _reaches(method, limit, "estimate")


def safer(found: list[Reach]) -> Reach:
    """The smaller of the radii that two forms allow."""
    return min(found, key=lambda each: each.radius)


def why_not(method: Record, limit: float) -> str:
    """Why no radius of a method keeps the budget."""
    start = method["offset"]["safety_gap"]
    if number(start) > limit:
        return f"before any step its safety gap is {stated(start)}"
    if not _finite(method):
        return f"at its smallest radius, {method['radii'][0]['radius']:g}, Theorem 3 is vacuous"
    return f"its start, {stated(start)}, leaves no room"


def _reason_quantity(method: Record, limit: float) -> Record:
    start: Record = method["offset"]["safety_gap"]
    vacuous: Record = method["radii"][0]["theorem3"]["refined"]
    return start if number(start) > limit or _finite(method) else vacuous


def _finite(method: Record) -> bool:
    return any(math.isfinite(number(each["theorem3"][form])) for each in method["radii"] for form in _FORMS)


def _reaches(method: Record, limit: float, which: str) -> list[Reach]:
    start = _as_bound(method["offset"]["safety_gap"], NATS_PER_RESPONSE)
    norm = _as_bound(method["constants"]["grad_norm_s"], PER_UNIT)
    largest = method["radii"][-1]["radius"]
    best: dict[str, Reach] = {}
    for at in method["radii"]:  # constants of a ball hold in every smaller one
        if any(which not in at["constants"][name] for name in ("L_s", "S_s")):
            continue
        lipschitz = _as_bound(at["constants"]["L_s"][which], PER_UNIT)
        smoothness = _as_bound(at["constants"]["S_s"][which], PER_UNIT_SQUARED)
        allowed = {
            "paper": theorem3.largest_radius_paper(limit, start, lipschitz),
            "refined": theorem3.largest_radius(limit, start, norm, smoothness),
        }
        for form, radius in allowed.items():
            radius = min(radius, at["radius"])
            if radius <= 0 or (form in best and best[form].radius >= radius):
                continue
            shown = radius if radius == largest else rounded_down(radius)
            bound = (
                theorem3.paper(start, lipschitz, shown)
                if form == "paper"
                else theorem3.refined(start, norm, smoothness, shown)
            )
            best[form] = Reach(form, shown, bound.to_json(), radius == largest)
    return [best[form] for form in _FORMS if form in best]


def _as_bound(quantity: Record, unit: str) -> Bound:
    return Bound(
        number(quantity), quantity["kind"], quantity["side"], unit,
        interval=None if quantity["interval"] is None else ends(quantity), confidence=quantity["confidence"],
        method=quantity["method"], assumptions=tuple(quantity["assumptions"]), theorem=quantity["theorem"],
        status=quantity.get("status", "ok"),
    )  # fmt: skip


def _only(method: Record) -> Record:
    finite = [each for each in method["radii"] if math.isfinite(number(each["theorem3"]["paper"]))]
    head = f"Only {method['peft']} was looked at, so nothing is said for or against other methods"
    if method["adapter"] is not None:
        return item("method", f"{head}: the fine-tune starts from a trained adapter (--adapter).")
    how = f"--peft {' '.join(TRAINED)} compares four"
    if not finite:
        return item("method", f"{head}: {how}.")
    bound = finite[-1]["theorem3"]["paper"]
    said = f"{head}: Theorem 3 puts it at no more than {stated(bound)} within radius {finite[-1]['radius']:g}; {how}."
    return item("method", said, bound)


def _by_theorem3(methods: list[Record]) -> tuple[Record, str | None]:
    """The order at the largest radius where all are finite, and the lowest if nothing leaves that open."""
    common = [
        ats
        for ats in zip(*(each["radii"] for each in methods), strict=True)
        if all(math.isfinite(number(at["theorem3"][form])) for at in ats for form in _FORMS)
    ]
    if not common:
        named = ", ".join(each["peft"] for each in methods)
        said = f"Theorem 3 orders no methods: there is no radius at which it is finite for all of them ({named})."
        return item("method", said), None
    found = sorted(zip(methods, common[-1], strict=True), key=lambda each: number(each[1]["theorem3"]["paper"]))
    (_, lowest), *others = found
    name = found[0][0]["peft"]
    listed, again = (
        ", ".join(f"{method['peft']} {stated(at['theorem3'][form])}" for method, at in found) for form in _FORMS
    )
    said = f"At radius {lowest['radius']:g} Theorem 3 allows in the paper's form {listed}; refined, {again}"
    top = {form: ends(lowest["theorem3"][form])[1] for form in _FORMS}
    in_both = all(
        number(lowest["theorem3"][form]) < number(at["theorem3"][form]) for _, at in others for form in _FORMS
    )
    apart = all(top[form] < _at_least(method, at, form) for method, at in others for form in _FORMS)
    if in_both and apart:
        said += f": {name} is lowest in both, beyond what the constants leave open"
    elif in_both:
        said += f": {name} is lowest in both, but by less than the constants leave open"
    else:
        said += ": the two forms do not agree on the lowest"
    rests = [at["theorem3"][form] for form in _FORMS for _, at in found]
    sentence = f"{said}. A radius means something else for each method, so this alone chooses none."
    return item("method", sentence, *rests), name if in_both and apart else None


def _at_least(method: Record, at: Record, form: str) -> float:
    """Where a bound cannot fall below: with the largest values found as constants, and the lower end of the start."""
    start = method["offset"]["safety_gap"]
    estimate, lower = number(at["theorem3"][form]), with_lower_constants(method, at)[form]
    return min(estimate, lower) - (number(start) - ends(start)[0])


def _by_cost(
    record: Record, fitting: list[Record], limit: float, by_theorem: str | None
) -> tuple[Record, tuple[str, ...]]:
    """The order at equal gain in capability, and with it what is advised."""
    comparison, names = record["method_comparison"], [each["peft"] for each in fitting]
    known = [each for each in comparable(comparison) if each["peft"] in names]
    if not known:
        said = "No method that fits is predicted to gain anything inside the largest radius, so none is advised by cost"
        return item("method", f"{said}; --radius asks for larger ones."), ()
    rests = [*(each["cost"] for each in known), comparison["gain"]]
    listed = ", ".join(f"{each['peft']} {stated(each['cost'])}" for each in known)
    head = f"For a gain of {stated(comparison['gain'])} nats a response the predicted cost in safety is {listed}"
    if missing := [name for name in names if name not in {each["peft"] for each in known}]:
        head += f" ({' and '.join(missing)} not predicted to gain as much)"
    first, *others = known
    if number(first["cost"]) > limit:
        said = f"even the least exceeds {plain(limit)}, so none is advised for that gain; a smaller radius gains less"
        return item("method", f"{head}: {said}.", *rests), ()
    tied = [first["peft"], *(each["peft"] for each in others if not _told_apart(first["cost"], each["cost"]))]
    if len(tied) == 1:
        why = "beyond the intervals" if others else "the only one predicted to gain as much"
        return item("method", f"{head}: take {tied[0]}, {why}.", *rests), (tied[0],)
    open_ = f"no interval tells {' and '.join(tied)} apart on {fitting[0]['rows']} rows"
    if by_theorem is not None and by_theorem in tied:
        return item("method", f"{head}: {open_}; take {by_theorem}, for which Theorem 3 speaks.", *rests), (by_theorem,)
    if len(tied) < len(known):
        rather = ", ".join(each["peft"] for each in known if each["peft"] not in tied)
        said = f"take {' or '.join(tied)} rather than {rather}; {open_}"
        return item("method", f"{head}: {said}.", *rests), tuple(tied)
    return item("method", f"{head}: {open_}, so none is advised over another.", *rests), tuple(tied)


def _told_apart(low: Record, high: Record) -> bool:
    """Beyond intervals, of which at least one must be known."""
    return (low["interval"] or high["interval"]) is not None and ends(low)[1] < ends(high)[0]


def _radius(method: Record, limit: float) -> list[Record]:
    name, found = method["peft"], reaches(method, limit)
    if not found:
        said = f"No radius of {name} keeps Theorem 3 within {plain(limit)} nats a response: {why_not(method, limit)}."
        return [item("radius", said, _reason_quantity(method, limit))]
    chosen = safer(found)
    forms = " and ".join(
        f"{'at least ' if each.largest else ''}{plain(each.radius)} "
        f"{_IN_WORDS[each.form]}, at most {stated(each.bound)} there"
        for each in found
    )
    said = (
        f"Keep {name} within a radius of {plain(chosen.radius)}: Theorem 3 stays within {plain(limit)} nats a response "
        f"above the aligned model up to {forms}"
    )
    rests = [each.bound for each in found]
    if len(found) == 1:
        said += "; the other form allows none"
    if ends(chosen.bound)[1] > limit:
        said += f", though the interval of its start lets that be {plain(ends(chosen.bound)[1])}"
    if (gain := _gain_of_step(method, chosen.radius)) is not None:
        rests.append(gain)
        said += f". A step that long along the capability gradient gains {stated(gain)}"
    advice = [item("radius", f"{said}.", *rests)]
    if proved := _reaches(method, limit, "certified"):
        held = max(proved, key=lambda each: each.radius)
        said = f"With proved constants {name} may go to radius {plain(held.radius)}, by at most {stated(held.bound)}."
        advice.append(item("radius", said, held.bound))
    return advice


def _gain_of_step(method: Record, radius: float) -> Record | None:
    """What a step of this length is predicted to gain; None where the second-order model does not reach."""
    beyond = next(at for at in method["radii"] if at["radius"] >= radius)
    if beyond["drift"] is None or too_far(beyond["drift"]):
        return None
    gain = predicted_gain(method, "descent", radius)
    if gain <= 0:
        return None
    return Bound(
        gain, "predicted", assumptions=("rows",), method="slope and curvature along -grad G_f", theorem="gain of a step"
    ).to_json()
