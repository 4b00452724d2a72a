"""Which penalty keeps the safety gap within the budget, what it costs, and whether another proxy would help."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from tradeoffbounds.bounds.bound import weakest
from tradeoffbounds.bounds.classifier_bound import trivial_proxy
from tradeoffbounds.report.advice_items import budget, item, rounded_up, stated
from tradeoffbounds.report.case_two_reading import reference_radius
from tradeoffbounds.report.quantities import ends, number, plain
from tradeoffbounds.report.record import reference

Record = dict[str, Any]

#: A number this near the one known without data is that one.
_SAME = 1 - 1e-9
_FROM_BELOW = "It is seen only from below, so a check by training has to stand in for an upper limit"


class _Held(NamedTuple):
    """The number that is held against the budget at one penalty."""

    name: str
    quantity: Record
    vacuous: bool


def penalty_advice(record: Record) -> tuple[list[Record], float | None]:
    """Advice on λ, and the λ advised (None: no number of the record speaks for one)."""
    same = is_same_source(record)
    by_estimate, chosen = _by_estimate(record, same)
    by_certificate, certified = _by_certificate(record) if same else (_no_certificate(record), None)
    advised = certified if chosen is None else chosen
    return [by_estimate, by_certificate, *([] if advised is None else [_real_training(record, advised)])], advised


def is_same_source(record: Record) -> bool:
    """Whether alignment and proxy are the same data, so that the safety gap is the proxy gap."""
    return "same-source" in record["loss_constraint"][0]["theorem1"]["refined"]["assumptions"]


def _held(record: Record, row: Record) -> _Held:
    if "exact" in row:
        return _Held("the safety gap by likelihoods", row["exact"]["safety_gap"], False)
    if is_same_source(record):
        upper = row["bracket"]["safety_gap"]["upper"]
        return _Held("the safety gap's upper end", upper, number(upper) >= trivial_proxy(row["penalty"]) * _SAME)
    for each in (record.get("pilot") or {"theorem1_refined": []})["theorem1_refined"]:
        if each["penalty"] == row["penalty"]:
            return _Held("Theorem 1, refined, with the pilot's divergence", each["bound"], False)
    return _Held("Theorem 1, refined,", row["theorem1"]["refined"], False)


def _keeps(record: Record, row: Record, limit: float) -> bool:
    held = _held(record, row)
    best_guess = 0.0 if "exact" in row else number(row["predicted"]["safety_gap"])
    return not held.vacuous and max(ends(held.quantity)[1], number(held.quantity), best_guess) <= limit


def _by_estimate(record: Record, same: bool) -> tuple[Record, float | None]:
    limit, found = budget(record), None
    rows = sorted(record["loss_constraint"], key=lambda each: each["penalty"], reverse=True)
    for row in rows:  # from the largest down: what is advised holds from there on
        if not _keeps(record, row, limit):
            break
        found = row
    if found is not None:
        return _asked(record, found, limit, same), found["penalty"]
    between = record["max_safety_gap"]["penalty_from"]["estimated"]
    if same and "exact" not in rows[0] and between is not None:
        upper, cost = (_on_curve(record, between, name) for name in ("safety_gap", "capability_gap"))
        if number(upper) < trivial_proxy(between) * _SAME:
            start = rounded_up(between)
            said = (
                f"None of the penalties asked keeps the safety gap within {plain(limit)} nats a response; lambda = "
                f"{plain(start)} does, where its upper end is {stated(upper)}, and leaves a capability gap of at most "
                f"{stated(cost)}."
            )
            return item("penalty", said, upper, cost), start
    return _none(record, rows[0], limit, same), None


def _real_training(record: Record, penalty: float) -> Record:
    """What the numbers above leave out, and so what the advised λ is good for."""
    row = min(record["loss_constraint"], key=lambda each: abs(each["penalty"] - penalty))
    rests = [(row["exact"] if "exact" in row else row["predicted"])["safety_gap"]]
    said = "what sharing parameters adds was not looked at (--curvature off)"
    method = record["parameter_constraint"]
    if method is not None:
        at = reference_radius(method)
        cost = min(at["sharing_cost"], key=lambda each: abs(each["penalty"] - penalty))
        said = "what sharing parameters adds could not be predicted"
        if math.isfinite(number(cost["interference"])):
            said = (
                f"sharing the parameters of {method['peft']} is predicted to cost {stated(cost['interference'])} nats "
                f"a response of both losses together at lambda = {cost['penalty']:g} inside radius {at['radius']:g}"
            )
            rests.append(cost["interference"])
    return item(
        "penalty",
        f"All of this is for the best trade-off, above which real trainings end: {said}, and what a training leaves "
        "unlearned comes on top; no bound covers either. Take this lambda for the smallest worth trying, and train "
        "with larger ones beside it before you rely on one (see afterwards).",
        *rests,
    )


def _asked(record: Record, row: Record, limit: float, same: bool) -> Record:
    held = _held(record, row)
    rests = [held.quantity]
    said = (
        f"Of the penalties asked, lambda = {row['penalty']:g} is the smallest that keeps the safety gap of the best "
        f"trade-off within {plain(limit)} nats a response: {held.name} is {stated(held.quantity)}"
    )
    if "exact" not in row:
        rests.append(row["predicted"]["safety_gap"])
        said += f", the classifiers' own guess {stated(row['predicted']['safety_gap'])}"
    cost: Record = (row["exact"] if "exact" in row else row["predicted"])["capability_gap"]
    said += f". It leaves a capability gap of {stated(cost)}"
    rests.append(cost)
    proved = row["certificate"]["capability_gap"]
    if proved.get("status", "ok") == "ok":
        said += f", at most {stated(proved)}"
        rests.append(proved)
    before = record["max_safety_gap"]["penalty_from"]["estimated"]
    if same and "exact" not in row and before is not None and rounded_up(before) < row["penalty"]:
        said += f"; lambda = {plain(rounded_up(before))} would do by the same estimate"
    if not same and "exact" not in row:
        said += f". {_FROM_BELOW}"
    return item("penalty", f"{said}.", *rests)


def _none(record: Record, row: Record, limit: float, same: bool) -> Record:
    """Why no penalty keeps the budget, by the row of the largest one asked."""
    held = _held(record, row)
    head = f"No lambda is advised for a safety gap within {plain(limit)} nats a response:"
    if math.isinf(number(held.quantity)):
        return item("penalty", f"{head} {held.name} is not finite at any of those asked.", held.quantity)
    if held.vacuous:
        why = (
            f"at lambda = {row['penalty']:g} the upper end is {stated(held.quantity)}, which is log(1 + 1/lambda), the "
            "value known without data; more rows, or capability data whose prompts overlap less, would say more"
        )
        return item("penalty", f"{head} {why}.", held.quantity)
    why = f"at lambda = {row['penalty']:g}, the largest asked, {held.name} is {stated(held.quantity)}"
    if same or "exact" in row:
        return item("penalty", f"{head} {why}; only a larger one, which --penalty can ask for, may do.", held.quantity)
    guess = row["predicted"]["safety_gap"]
    terms = row["theorem1"]["terms"]
    response, prompts = terms["refined_response_kl"], terms["refined_prompt_cost"]
    if record.get("pilot"):
        response = record["pilot"]["response_kl"]
    why += f", and the classifiers' own guess {stated(guess)}"
    if number(response) > limit:
        why += f". How differently the proxy answers is {stated(response)} of it, which no lambda lowers"
    else:
        why += f". Overlap of prompts is {stated(prompts)} of it, which a larger lambda lowers (--penalty)"
    return item("penalty", f"{head} {why}.", held.quantity, guess, response, prompts)


def _by_certificate(record: Record) -> tuple[Record, float | None]:
    limit, start = budget(record), record["max_safety_gap"]["penalty_from"]["certified_proxy_gap"]
    level = f"{record['config']['confidence']:.0%}"
    if start is None:
        row = max(record["loss_constraint"], key=lambda each: each["penalty"])
        proved = row["certificate"]["safety_gap"]
        said = (
            f"No lambda up to {record['max_safety_gap']['searched'][1]:g} is certified at {level} to keep it within "
            f"{plain(limit)}: at lambda = {row['penalty']:g} the certificate is {stated(proved)}; more rows "
            "(--samples) lower it."
        )
        return item("penalty", said, proved), None
    proved = _certificate_on_curve(record, start)
    if number(proved) >= trivial_proxy(start) * _SAME:
        said = (
            f"No lambda is advised by certificate: from {plain(rounded_up(start))} on the safety gap is within "
            f"{plain(limit)} for any data whatever, by log(1 + 1/lambda) = {stated(proved)}; these rows add nothing."
        )
        return item("penalty", said, proved), None
    asked = [row["penalty"] for row in record["loss_constraint"] if row["penalty"] >= start]
    chosen = min(asked, default=rounded_up(start))
    which = "the smallest asked" if asked else "above all those asked"
    said = (
        f"For a proof rather than an estimate, take lambda = {chosen:g}, {which}: the safety gap of the best trade-off "
        f"is certified at {level} to stay within {plain(limit)} from lambda = {plain(rounded_up(start))} on, where the "
        f"certificate is {stated(proved)}."
    )
    return item("penalty", said, proved), chosen


def _no_certificate(record: Record) -> Record:
    row = reference(record)
    proved = row["certificate"]["proxy_gap"]
    said = "No lambda is certified to keep the safety gap with this proxy, whose answers are not the alignment data's"
    rests = []
    if proved.get("status", "ok") == "ok":
        said += f": what is certified at lambda = {row['penalty']:g} is the gap to the proxy, at most {stated(proved)}"
        rests.append(proved)
    return item("penalty", f"{said}. Only alignment data as the proxy would change that.", *rests)


def _on_curve(record: Record, penalty: float, gap: str) -> Record:
    """The upper end of a gap between the penalties asked, as the bracket of an asked one states it."""
    curves = record["curves"]
    at = curves["penalties"].index(penalty)
    value, band = curves[gap]["upper"][at], curves[gap]["band_high"][at]
    like = record["loss_constraint"][0]["bracket"][gap]["upper"]
    return {key: each for key, each in like.items() if key != "status"} | {
        "value": value, "interval": [min(value, band), max(value, band)],
    }  # fmt: skip


def _certificate_on_curve(record: Record, penalty: float) -> Record:
    curves = record["curves"]
    value = curves["certificate"]["proxy_gap"][curves["penalties"].index(penalty)]
    like = record["loss_constraint"][0]["certificate"]["safety_gap"]
    return {key: each for key, each in like.items() if key != "status"} | {
        "value": value, "method": "betting on held-out rows",
    }  # fmt: skip


def proxy_advice(record: Record, penalty: float | None) -> list[Record]:
    """Which term of Theorem 1 is largest at the penalty advised, and so what another proxy would change."""
    row = next((each for each in record["loss_constraint"] if each["penalty"] == penalty), reference(record))
    if is_same_source(record):
        return [_proxy_is_alignment(record, row)]
    terms, split = row["theorem1"]["terms"], row["theorem1"]["decomposition"]
    in_theorem = {
        "the proxy gap": [terms["proxy_gap"]],
        "the shift of prompts": [terms["prompt_shift"]],
        "the difference of responses": [terms["response_kl"], terms["response_shift"]],
    }
    in_gap = dict(zip(in_theorem, (row["predicted"]["proxy_gap"], *split.values()), strict=True))
    sizes = {name: sum(map(number, parts)) for name, parts in in_theorem.items()}
    rests = [quantity for parts in in_theorem.values() for quantity in parts]
    if not all(map(math.isfinite, sizes.values())):
        said = "No advice on another proxy: a term of Theorem 1 is infinite on these rows (assumption A1 fails)."
        return [item("proxy", said, *rests)]
    largest = max(in_gap, key=lambda name: number(in_gap[name]))
    others = max(ends(each)[1] for name, each in in_gap.items() if name != largest)
    listed = ", ".join(f"{name} {plain(size)}" for name, size in sizes.items())
    kind = weakest(*(each["kind"] for each in rests))
    found = ", ".join(f"{name} {stated(each)}" for name, each in in_gap.items())
    head = f"At lambda = {row['penalty']:g} Theorem 1 is made of {listed} ({kind}); of the gap itself {found}."
    if max(sizes, key=lambda name: sizes[name]) != largest or ends(in_gap[largest])[0] <= others:
        more = "" if record.get("pilot") else " --pilot measures how differently the proxy answers;"
        said = (
            f"{head} They do not tell which part dominates, so no other proxy is advised:{more} --samples takes more."
        )
        return [item("proxy", said, *rests, *in_gap.values())]
    what, behind = _what_to_try(record, row, largest)
    return [item("proxy", f"{head} {largest.capitalize()} dominates: {what}", *rests, *in_gap.values(), *behind)]


def _what_to_try(record: Record, row: Record, largest: str) -> tuple[str, list[Record]]:
    overlap = record["overlap"]
    if largest == "the difference of responses":
        left = row["theorem1"]["terms"]["refined_prompt_cost"]
        return (
            "another proxy helps if it answers more as the alignment data do. With the same prompts and the "
            f"alignment's own answers Theorem 1, refined, would be {stated(left)}. Which rows to replace these numbers "
            "do not say.",
            [left],
        )
    if largest == "the shift of prompts":
        shift = overlap["tv_prompts"]
        said = f"another proxy helps if its rows ask what the alignment data ask: total variation {stated(shift)}"
        rests = [shift]
        if "tv_prompts_lower" in overlap:
            said += f", at least {stated(overlap['tv_prompts_lower'])}"
            rests.append(overlap["tv_prompts_lower"])
        return f"{said}.", rests
    said, rests = _less_overlap(record)
    return f"another proxy changes little; a larger lambda helps, or {said}", rests


def _less_overlap(record: Record) -> tuple[str, list[Record]]:
    if record["classifier_scores"]["shared_prompts"]:
        return "capability data with other prompts: here both ask the same.", []
    shared = record["overlap"].get("overlap_mass")
    said = "capability data without the rows whose prompts look like the proxy's"
    return (f"{said}.", []) if shared is None else (f"{said} (overlap of prompts {stated(shared)}).", [shared])


def _proxy_is_alignment(record: Record, row: Record) -> Record:
    terms, exact = row["theorem1"]["terms"], "exact" in row
    gap, shift = row["exact"]["proxy_gap"] if exact else terms["proxy_gap"], terms["prompt_shift"]
    what, behind = _less_overlap(record)
    said = (
        "No other proxy is advised: proxy and alignment are the same data, so Theorem 1's shifts are "
        f"{stated(shift)}, and all of it is the proxy gap, which at lambda = {row['penalty']:g} is "
        f"{'' if exact else 'at most '}{stated(gap)}. "
        f"What lowers that is a larger lambda, or {what}"
    )
    return item("proxy", said, shift, gap, *behind)
