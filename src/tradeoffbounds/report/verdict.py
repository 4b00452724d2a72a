"""The verdict in plain words: what it may cost, which term dominates, what to change, what is proved."""

from __future__ import annotations

import math
from typing import Any

from tradeoffbounds.bounds.classifier_bound import trivial_total
from tradeoffbounds.overlap.case_one import GRID, CaseOne
from tradeoffbounds.overlap.certificate import smallest_penalty
from tradeoffbounds.report.case_two_verdict import case_two_verdict
from tradeoffbounds.report.record import reference

Record = dict[str, Any]

#: Below this share of the bound known without data an overlap counts as small; above the other, as near total.
_SMALL, _LARGE = 0.1, 0.7


def verdict(record: Record) -> list[str]:
    """Sentences for people, each resting on numbers of the record."""
    sentences = [*_stand_ins(record), _cost(record), _safety(record), _certificates(record), *_advice(record)]
    if record.get("pilot"):
        sentences.append(_pilot(record))
    if "max_safety_gap" in record:
        sentences += _inverted(record["max_safety_gap"])
    sentences.append(
        "All of this is for a training that finds the best trade-off, P_lambda. Shared parameters and early stopping "
        "add delta + kappa to a bound on the total, and may move a single gap by more; only a run shows how much."
    )
    return [*sentences, *case_two_verdict(record)]


def penalty_for_gap(result: CaseOne, limit: float) -> Record:
    """From which λ on does the safety gap stay under ``limit``, by estimate and by certificate?

    The safety gap's upper end falls with λ, so the answer is one number each, or null.
    """
    safety = result.grid["safety_gap"]
    below = [float(p) for p, high in zip(safety.penalties, safety.band[1], strict=True) if high <= limit]
    certified = smallest_penalty(result.held_out, limit, GRID, confidence=result.confidence)
    return {
        "limit": limit,
        "unit": "nats/response",
        "penalty_from": {"estimated": min(below, default=None), "certified_proxy_gap": certified},
        "certificate_covers": "safety gap" if result.same_source else "proxy gap",
        "searched": [GRID[0], GRID[-1]],
        "floor": float(safety.upper[-1]),
    }


def _stand_ins(record: Record) -> list[str]:
    replaced = [f"{role} ({s['stand_in_for']})" for role, s in record["sources"].items() if s.get("stand_in_for")]
    if not replaced:
        return []
    return [
        f"These are numbers about bundled stand-in data for {', '.join(replaced)}: they show how the tool works, "
        "and say nothing about the data sets themselves."
    ]


def _cost(record: Record) -> str:
    row = reference(record)
    total = row["predicted"]["total"]
    low, high = total["interval"]
    share = high / trivial_total(row["penalty"])
    size = "small" if share < _SMALL else "near the largest possible" if share > _LARGE else "moderate"
    seen = f"The pair classifier sees {total['value']:.3g}"
    if total["value"] == 0:
        seen = "The pair classifier sees no difference that the prompts do not explain"
    elif total["kind"] != "predicted":
        seen += f", which still moves with the number of rows ({_learning(record)})"
    return (
        f"At lambda = {row['penalty']:g} both losses together cost an estimated {low:.3g} to {high:.3g} nats "
        f"a response ({record['config']['confidence']:.0%} band), {size}: up to {share:.1%} of what any two data "
        f"sets could cost. {seen}."
    )


def _learning(record: Record) -> str:
    curve = record["learning_curve"]
    steps = ", ".join(f"{rows} rows: {low:.3g}" for rows, low in zip(curve["rows"], curve["lower"], strict=True))
    return f"learning curve: {steps}"


def _safety(record: Record) -> str:
    row = reference(record)
    gap, refined = row["predicted"]["safety_gap"], row["theorem1"]["refined"]
    low, high = gap["interval"]
    if "same-source" in refined["assumptions"]:
        return (
            f"Alignment and proxy are the same data, so the safety gap is the proxy gap: an estimated {low:.3g} to "
            f"{high:.3g} nats a response, that is, a response of the alignment data loses in the geometric mean up to "
            f"{-math.expm1(-high):.1%} of its probability."
        )
    terms = row["theorem1"]["terms"]
    mismatch, prompts = terms["refined_response_kl"]["value"], terms["refined_prompt_cost"]["value"]
    # The mismatch is known only from below, so it can be seen to dominate, but never not to.
    dominant = "What dominates is how differently the proxy answers. " if mismatch > prompts else ""
    return (
        f"True safety gap: the classifiers suggest {gap['value']:.3g} nats a response (lower limit {low:.3g}). Theorem "
        f"1, refined, is estimated at {refined['value']:.3g}: {mismatch:.3g} from how differently the proxy answers, "
        f"known only from below, and {prompts:.3g} from prompt overlap. {dominant}There is no finite upper bound: "
        "samples cannot bound how far the proxy's answers are from the alignment data's."
    )


def _pilot(record: Record) -> str:
    row = reference(record)
    divergence = record["pilot"]["response_kl"]
    low, high = divergence["interval"]
    refined = next(
        each["bound"]["value"] for each in record["pilot"]["theorem1_refined"] if each["penalty"] == row["penalty"]
    )
    return (
        f"Pilot: two briefly tuned adapters put the divergence of the proxy's answers at {divergence['value']:.3g} "
        f"nats a response ({low:.3g} to {high:.3g} by rows), where the classifiers see "
        f"{row['theorem1']['terms']['refined_response_kl']['value']:.3g}; Theorem 1, refined, is then estimated at "
        f"{refined:.3g}. More training would move it."
    )


def _certificates(record: Record) -> str:
    row = reference(record)
    level = f"Certified at {record['config']['confidence']:.0%} and lambda = {row['penalty']:g}"
    proved = [
        f"{name.replace('_', ' ')} <= {bound['value']:.3g}"
        for name, bound in row["certificate"].items()
        if bound.get("status", "ok") == "ok"
    ]
    if not proved:
        return f"{level}: nothing better than what is known without data. More rows, or prompts less alike, would help."
    return f"{level}: {', '.join(proved)} nats a response, each by itself. Everything else is estimated or predicted."


def _advice(record: Record) -> list[str]:
    row = reference(record)
    advice = []
    refined = row["theorem1"]["refined"]
    if "same-source" not in refined["assumptions"]:
        terms = row["theorem1"]["terms"]
        if terms["refined_response_kl"]["value"] > terms["refined_prompt_cost"]["value"]:
            advice.append(
                "To lower the safety gap, change the proxy (answers closer to the alignment data), not lambda."
            )
    elif row["predicted"]["total"]["interval"][1] > _SMALL * trivial_total(row["penalty"]):
        advice.append("To lower the safety gap, raise lambda, or take capability data whose prompts overlap less.")
    if record["classifier_scores"]["shared_prompts"]:
        advice.append(
            "Proxy and capability ask the same prompts: the upper end is the bound known without data, and the lower "
            "end is a proper lower bound of what a classifier of this size can see."
        )
    cut = {role: s["truncated"] for role, s in record["sources"].items() if s["truncated"]}
    if cut:
        listed = ", ".join(f"{count} of {record['sources'][role]['rows']} {role} rows" for role, count in cut.items())
        advice.append(f"Cut at {record['config']['max_tokens']} tokens: {listed}; --max-tokens reads more of them.")
    return advice


def _inverted(answer: Record) -> list[str]:
    limit, start = answer["limit"], answer["penalty_from"]
    sentences = []
    if start["estimated"] is None:
        sentences.append(
            f"No lambda up to {answer['searched'][1]:g} keeps the estimated safety gap under {limit:g}: "
            f"its floor with this proxy is {answer['floor']:.3g}."
        )
    else:
        sentences.append(
            f"The estimated safety gap stays under {limit:g} nats a response from lambda = {start['estimated']:.3g} on."
        )
    if start["certified_proxy_gap"] is None:
        sentences.append(f"No lambda is certified to keep the {answer['certificate_covers']} under {limit:g}.")
    else:
        sentences.append(
            f"The {answer['certificate_covers']} is certified under {limit:g} "
            f"from lambda = {start['certified_proxy_gap']:.3g} on."
        )
    return sentences
