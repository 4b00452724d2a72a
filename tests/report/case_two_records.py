"""Case II by hand: constants that are easy to reckon with, in the shape of estimate.json."""

import math

import numpy as np

from .records import bound, record_at

RADII = (0.1, 0.2)
#: ‖∇G_s‖ and ‖∇G_f‖ at the start.
NORM_S, NORM_F = 10.0, 5.0
S_LOWER, S_ESTIMATE, L_F = 20.0, 30.0, 20.0
STEEP = 100.0
CERTIFIED = {"L_s": 1000.0, "S_s": 3000.0}


def quadratic(radius, slope, curvature):
    return radius * slope + radius**2 / 2 * curvature


def predicted(value):
    return bound(value, kind="predicted", side="value")


def pair(lower, estimate, certified=None):
    found = {"lower": bound(lower, kind="measured", side="lower"), "estimate": bound(estimate, side="value")}
    return found | ({} if certified is None else {"certified": bound(certified, kind="certified")})


def shared(penalty, interference, cost):
    return {"penalty": penalty, "interference": interference, "cost": cost}


def at_radius(radius, offset, *, infinite, steep, certified, drifts):
    """Theorem 3 and the capability side, reckoned from the constants above."""
    start, gain_start = offset
    l_f = math.inf if infinite else L_F * STEEP if steep else L_F
    l_s, s_s = (math.inf, math.inf) if infinite else (NORM_S + S_ESTIMATE * radius, S_ESTIMATE)
    step = 0.0 if infinite else min(radius, NORM_F / l_f)
    proved = CERTIFIED if certified else {}
    result = {
        "radius": radius,
        "constants": {
            "L_s": pair(NORM_S + 10 * radius, l_s, proved.get("L_s")),
            "S_s": pair(S_LOWER, s_s, proved.get("S_s")),
            "L_f_prime": pair(L_F / 2, l_f),
        },
        "theorem3": {
            "paper": bound(start + l_s * radius),
            "refined": bound(start + quadratic(radius, NORM_S, s_s)),
        },
        "certified": {},
        "capability": {
            "upper": bound(gain_start - (quadratic(step, NORM_F, -l_f) if step else 0.0)),
            "lower": bound(gain_start - quadratic(radius, NORM_F, l_f), side="lower"),
        },
        "sharing_cost": [shared(penalty, predicted(penalty / 2), predicted(penalty / 4)) for penalty in (0.1, 1.0)],
        **{name: None if each is None else predicted(quadratic(radius, *each)) for name, each in drifts.items()},
    }
    if certified:
        result["certified"] = {
            "paper": bound(start + CERTIFIED["L_s"] * radius, kind="certified"),
            "refined": bound(start + quadratic(radius, NORM_S, CERTIFIED["S_s"]), kind="measured"),
        }
    return result


def method(
    peft="lora", *, parameters=1000, radii=RADII, start=0.0, gain_start=0.0, slope=2.0, bend=1.0, safest=True,
    moving=True, infinite_from=math.inf, steep_from=math.inf, certified=False, converged=False, truncated=0,
    noise=True, curving_down=True,
):  # fmt: skip
    """One adapter method.

    Args:
        start, gain_start: safety and capability gap before any step.
        slope, bend: of the safety gap along -g_f.
        safest: there is a safest direction.
        moving: the capability gradient is not zero.
        infinite_from: radius from which on the estimates are infinite.
        steep_from: radius from which on L'_f is a hundred times as large.
    """
    drifts = {"drift": (slope, bend) if moving else None, "safest_drift": (0.0, 0.5) if moving and safest else None}
    gaining = {"drift": 5.0, "safest_drift": 4.0}
    directions, curves = {}, {"unit": "nats/response", "radii": np.geomspace(radii[0] / 2, radii[-1], 9).tolist()}
    for name, key in (("descent", "drift"), ("safest", "safest_drift")):
        directions[name] = None
        if drifts[key] is not None:
            values = (*drifts[key], gaining[key], 4.0)
            names = ("safety_slope", "safety_curvature", "gain_slope", "capability_curvature")
            directions[name] = {each: bound(value, kind="measured") for each, value in zip(names, values, strict=True)}
            curves[name] = {
                "drift": [quadratic(radius, *drifts[key]) for radius in curves["radii"]],
                "gain": [quadratic(radius, gaining[key], -4.0) for radius in curves["radii"]],
            }
    interval = None if start == 0 else [start - 0.5, start + 0.5]
    kind = "certified" if start == 0 else "measured"
    rows = [
        at_radius(
            radius, (start, gain_start), infinite=radius >= infinite_from, steep=radius >= steep_from,
            certified=certified, drifts=drifts,
        )
        for radius in radii
    ]  # fmt: skip
    spectrum = {"steps": 5, "converged": converged}
    unbounded = bound(math.inf, kind="predicted") | {"status": "vacuous: a model curves downwards"}
    free = [unbounded] * 2 if curving_down else [predicted(0.875), predicted(0.75)]
    norms = {"grad_norm_s": NORM_S, "grad_norm_f": NORM_F}
    of_source = {name: bound(norm / 2, side="value", interval=[0.0, norm]) for name, norm in norms.items()}
    return {
        "peft": peft, "parameters": parameters, "adapter": None, "budget": "quick", "rows": 8, "max_tokens": 80,
        "truncated": {"alignment": truncated, "proxy": 0, "capability": truncated}, "device": "cpu",
        "dtype": "float32",
        "offset": {
            "safety_gap": bound(start, kind=kind, side="value", interval=interval),
            "capability_gap": bound(gain_start, kind=kind, side="value"),
        },
        "constants": rows[-1]["constants"]
        | {name: bound(norm, kind="measured", side="value") for name, norm in norms.items()},
        "gradient_norms_of_source": of_source if noise else dict.fromkeys(norms),
        "spectra": {"alignment": spectrum, "capability": spectrum},
        "directions": directions,
        "radii": rows,
        "quadratic_model": {"dimensions": 4, "sharing_cost": [shared(1.0, *free)]},
        "curves": curves,
    }  # fmt: skip


def cost(found, drift, *, distance=0.1):
    """A method's row of the comparison; ``drift`` None: its step gains too little."""
    start = found["offset"]["safety_gap"]
    row = {
        "peft": found["peft"], "parameters": found["parameters"], "offset": start,
        "L_s": found["radii"][-1]["constants"]["L_s"]["estimate"],
        "S_s": found["radii"][-1]["constants"]["S_s"]["estimate"],
    }  # fmt: skip
    if drift is None:
        return row | {"distance": None, "drift": None, "cost": None}
    interval = start["interval"] and [end + drift for end in start["interval"]]
    total = bound(start["value"] + drift, kind="predicted", side="value", interval=interval)
    return row | {"distance": distance, "drift": predicted(drift), "cost": total}


def record(*methods, drifts=None, **more):
    """A whole record with these methods, compared where ``drifts`` says what the common gain does with each."""
    first, *others = methods or (None,)
    comparison = None
    if drifts is not None:
        rows = [cost(each, drift) for each, drift in zip(methods, drifts, strict=True)]
        rows.sort(key=lambda row: math.inf if row["cost"] is None else row["cost"]["value"])
        comparison = {"gain": predicted(0.25), "methods": rows}
    config = {"confidence": 0.95, "max_tokens": 256}
    case_two = {"parameter_constraint": first, "other_methods": others, "method_comparison": comparison}
    return record_at(0.1, 1.0) | {"config": config} | case_two | more
