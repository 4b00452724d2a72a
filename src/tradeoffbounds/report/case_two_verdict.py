"""Case II in plain words: what Theorem 3 says at one radius, what that rests on, and which method costs least."""

from __future__ import annotations

import math
from typing import Any

from tradeoffbounds.report.case_two_reading import (
    WITHIN_INTERVALS,
    comparable,
    families,
    gains,
    methods_of,
    predicted_gain,
    reference_radius,
    rises_until,
    terms,
    too_far,
    uncertainty,
)
from tradeoffbounds.report.layers_verdict import layers_verdict
from tradeoffbounds.report.quantities import number, plain
from tradeoffbounds.report.record import reference

Record = dict[str, Any]

#: An estimate more than this many times the largest value found leaves a constant open.
_FAR = 2.0
_TERMS = {
    "start": "is there before any step, and no radius lowers it",
    "gradient": "is the gradient term, which shrinks in step with the radius",
    "curvature": "is the curvature term, which shrinks with the square of the radius",
}
_NAMES = {"L_s": "L_s", "S_s": "S_s", "L_f_prime": "L'_f", "grad_norm_s": "|grad G_s|", "grad_norm_f": "|grad G_f|"}
_CLAIM = "arXiv:2511.00382 (adapters preserve alignment, prompt methods degrade it)"


def case_two_verdict(record: Record) -> list[str]:
    """Sentences on Case II: in full for the first method, one bound each for the others."""
    methods = methods_of(record)
    if not methods:
        return ["Case II (a radius around the aligned parameters) was not asked for (--curvature off)."]
    first, *others = methods
    sentences = [
        _bound(first), *_infinite(first), _direction(first), _constants(first), _noise(first), *_cut(first, record),
        _sharing(first, reference(record)["penalty"]), *map(_bound, others), *map(_proved, methods),
        *(sentence for method in methods for sentence in layers_verdict(method)),
    ]  # fmt: skip
    if not any(map(_proved, methods)):
        sentences.append("Every constant of Case II is an estimate, so none of its bounds is a certificate.")
    if record.get("method_comparison") is not None:
        sentences.append(_methods(record["method_comparison"], first))
    if (record.get("max_safety_gap") or {}).get("radius_up_to"):
        sentences.append(_inverted(record["max_safety_gap"], first))
    return [sentence for sentence in sentences if sentence]


def _bound(method: Record) -> str:
    at = reference_radius(method)
    radius, paper, refined = at["radius"], *(number(at["theorem3"][name]) for name in ("paper", "refined"))
    head = f"Case II, {method['peft']} ({method['parameters']:,} parameters, {method['rows']} rows a source)"
    if math.isinf(refined):
        return f"{head}: already at radius {radius:g} Theorem 3 is vacuous, as the loss is not finite in the ball."
    parts = terms(method, at)
    largest = max(parts, key=lambda name: parts[name])
    start = "" if parts["start"] == 0 else f" Before any step it is {_with_interval(method['offset']['safety_gap'])}."
    said = (
        f"{head}: inside radius {radius:g} Theorem 3 puts the safety gap at no more than an estimated {plain(refined)} "
        f"nats a response (in the paper's form {plain(paper)}).{start} "
        f"Its largest part, {plain(parts[largest])}, {_TERMS[largest]}."
    )
    if rises_until(method) is None:
        return f"{said} No radius promises a gain in capability; this is the smallest."
    low, high = (number(each) for each in gains(method, at).values())
    larger = any(each["radius"] > radius for each in method["radii"])
    why = "beyond this radius the constants promise no more" if larger else "it is the largest radius computed"
    return f"{said} The best fine-tune in there gains an estimated {plain(low)} to {plain(high)}; {why}."


def _with_interval(quantity: Record) -> str:
    text = plain(number(quantity))
    if quantity["interval"] is None or None in quantity["interval"]:
        return text
    low, high = quantity["interval"]
    return f"{text} ({quantity['confidence']:.0%} interval {plain(low)} to {plain(high)})"


def _infinite(method: Record) -> list[str]:
    vacuous = [at["radius"] for at in method["radii"] if math.isinf(number(at["theorem3"]["refined"]))]
    if not vacuous or len(vacuous) == len(method["radii"]):
        return []
    return [f"From radius {vacuous[0]:g} on Theorem 3 is vacuous: the loss is not finite somewhere in the ball."]


def _direction(method: Record) -> str:
    at = reference_radius(method)
    if at["drift"] is None:
        return "The capability gradient is zero on these rows, so no step is predicted to gain and no drift to follow."
    radius, drift = at["radius"], number(at["drift"])
    if too_far(at["drift"]):
        return f"A step of {radius:g} along the capability gradient is too long for a second-order prediction."
    said = (
        f"The bound is for the worst direction. A step of {radius:g} along the capability gradient is predicted to "
        f"gain {plain(predicted_gain(method, 'descent', radius))} and to {_moves(drift)}"
    )
    if at["safest_drift"] is None or too_far(at["safest_drift"]):
        return f"{said}; no direction that gains keeps clear of the safety gap's gradient and largest curvatures."
    gain, moves = plain(predicted_gain(method, "safest", radius)), _moves(number(at["safest_drift"]))
    return f"{said}; one as long in the safest direction, to gain {gain} and to {moves}."


def _moves(drift: float) -> str:
    return f"{'raise' if drift > 0 else 'lower'} the safety gap by {plain(abs(drift))}"


def _constants(method: Record) -> str:
    factors = {_NAMES[name]: uncertainty(pair) for name, pair in reference_radius(method)["constants"].items()}
    far = [name for name, factor in factors.items() if factor > _FAR]
    listed = ", ".join(f"{name} {plain(factor, 2)}" for name, factor in factors.items())
    close = (
        f"{' and '.join(far)} may be far from known" if far else "close, which proves nothing about points not visited"
    )
    moving = [role for role, spectrum in method["spectra"].items() if not spectrum["converged"]]
    steps = max(spectrum["steps"] for spectrum in method["spectra"].values())
    lanczos = "Lanczos converged."
    if moving:
        more = " --curvature full takes more." if method["budget"] == "quick" else ""
        lanczos = f"Lanczos did not converge in {steps} steps ({', '.join(moving)}), so curvatures may be larger.{more}"
    return f"The constants are estimated at so many times the largest value found: {listed}; {close}. {lanczos}"


def _noise(method: Record) -> str:
    said = []
    for name, source in method["gradient_norms_of_source"].items():
        if source is not None:
            on_rows, without = number(method["constants"][name]), number(source)
            share = max(0.0, 1 - (without / on_rows) ** 2) if on_rows > 0 else 0.0
            zero = ", perhaps zero" if source["interval"] and source["interval"][0] == 0 else ""
            said.append(
                f"{_NAMES[name]} is {plain(on_rows)} on the rows and an estimated {_with_interval(source)}{zero} "
                f"without their sampling noise, which is {share:.0%} of its square"
            )
    if not said:
        return (
            "How much of the gradients is sampling noise of these rows is not known: too few rows, or no room for them."
        )
    return f"{'; '.join(said)}."


def _cut(method: Record, record: Record) -> list[str]:
    cut = {role: count for role, count in method["truncated"].items() if count}
    if not cut:
        return []
    listed = ", ".join(f"{count} {role}" for role, count in cut.items())
    more = ""
    if method["budget"] == "quick" and method["max_tokens"] < record["config"]["max_tokens"]:
        more = " --curvature full reads more."
    return [
        f"Case II reads {method['max_tokens']} tokens of a text, which cuts {listed} of {method['rows']} rows each: "
        f"there the loss is that of the first tokens.{more}"
    ]


def _sharing(method: Record, penalty: float) -> str:
    at = reference_radius(method)
    free, inside = (
        min(where, key=lambda each: abs(each["penalty"] - penalty))
        for where in (method["quadratic_model"]["sharing_cost"], at["sharing_cost"])
    )
    if math.isinf(number(inside["cost"])):
        return (
            f"At radius {at['radius']:g} the quadratic model predicts no cost of sharing: {inside['cost']['status']}."
        )
    said = (
        f"By the quadratic model, training on proxy and capability together at lambda = {penalty:g} loses "
        f"{plain(number(inside['interference']))} nats a response against training apart inside radius "
        f"{at['radius']:g}, {plain(number(inside['cost']))} of it beyond what their overlap costs "
        "anyway (delta + kappa, predicted). "
    )
    if math.isinf(number(free["cost"])):
        return f"{said}Without a ball it predicts nothing ({free['cost']['status']})."
    return f"{said}Without a ball: {plain(number(free['interference']))} and {plain(number(free['cost']))}."


def _proved(method: Record) -> str:
    """What proved constants give at the reference radius; empty where the method has none."""
    at = reference_radius(method)
    kept = [
        f"{plain(number(bound))} ({name}, {bound['kind']})"
        for name, bound in at["certified"].items()
        if bound["kind"] in ("certified", "measured") and math.isfinite(number(bound))
    ]
    if not kept:
        return ""
    return (
        f"With the proved constants of {method['peft']} the safety gap on these {method['rows']} rows is inside radius "
        f"{at['radius']:g} at most {' and '.join(kept)}. Everything else of Case II is estimated or predicted."
    )


def _methods(comparison: Record, first: Record) -> str:
    known = comparable(comparison)
    missing = [each["peft"] for each in comparison["methods"] if not each["cost"]]
    if not known:
        return "No method is predicted to gain anything against the aligned model inside the largest radius."
    gain = f"a gain of {plain(number(comparison['gain']))} nats a response against the aligned model"
    listed = ", ".join(f"{each['peft']} {plain(number(each['cost']))}" for each in known)
    said = f"For {gain} each method is predicted to cost in safety, its start included: {listed}."
    if missing:
        said += f" No step of {' or '.join(missing)} inside the largest radius is predicted to reach it."
    between = families(comparison)
    if between is None:
        return said
    if between.endswith(WITHIN_INTERVALS) or between.startswith("neither"):
        agrees = "does not settle"
    else:
        agrees = "agrees with" if between.startswith("adapters") else "contradicts"
    return (
        f"{said} By this count {between}. That {agrees} {_CLAIM}: it is a prediction from {first['rows']} rows, and no "
        "trained model's."
    )


def _inverted(answer: Record, method: Record) -> str:
    limit, largest, start = answer["limit"], method["radii"][-1]["radius"], number(method["offset"]["safety_gap"])
    if not any(answer["radius_up_to"].values()):
        why = f"before any step it is {plain(start)}" if start > limit else "the constants are not finite"
        return f"No radius keeps the estimated safety gap of {method['peft']} under {limit:g} nats a response: {why}."
    listed = " and ".join(
        f"at least {plain(radius)}, the largest computed ({name})" if radius >= largest else f"{plain(radius)} ({name})"
        for name, radius in answer["radius_up_to"].items()
    )
    return f"Theorem 3 keeps the estimated safety gap of {method['peft']} under {limit:g} up to a radius of {listed}."
