"""Small records made by hand, in the shape of estimate.json, and what a figure says."""

import math

import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text

GAPS = ("total", "capability_gap", "proxy_gap", "safety_gap")


def bound(value, *, kind="estimated", side="upper", interval=None, assumptions=(), status=None):
    quantity = {"value": value if math.isfinite(value) else None}
    if math.isinf(value):
        quantity["infinite"] = True
    quantity |= {"unit": "nats/response", "kind": kind, "side": side, "interval": interval, "confidence": 0.95}
    quantity |= {"method": "by hand", "assumptions": list(assumptions), "theorem": "none"}
    return quantity | ({"status": status} if status else {})


def record_at(*penalties, same_source=False, shared_prompts=False, exact=False, stand_in=True):
    """Trade-off of two sources that a tenth of the trivial bound describes well, at the penalties given."""
    grid = [0.01, 0.1, 1.0, 10.0, 100.0]

    def trivial(quantity, penalty):
        capability, proxy = math.log1p(penalty), math.log1p(1 / penalty)
        return {"capability_gap": capability, "total": capability + penalty * proxy}.get(quantity, proxy)

    def ends(quantity, penalty):
        # The lower end of a small gap reaches zero, which a logarithmic axis has no place for.
        high = 0.1 * trivial(quantity, penalty)
        low = 0.0 if high < 0.01 else high / 2
        return {"lower": low, "upper": high, "band_low": low / 2, "band_high": 1.5 * high}

    def curve(quantity):
        rows = [ends(quantity, penalty) for penalty in grid]
        return {name: [row[name] for row in rows] for name in rows[0]}

    def row(penalty):
        at = {quantity: ends(quantity, penalty) for quantity in GAPS}
        proxy, nothing = bound(at["proxy_gap"]["upper"]), bound(0.0, side="value", assumptions=["same-source"])
        shift = (
            nothing if same_source else bound(2.0, side="value", status="the largest seen: a supremum is at least this")
        )
        terms = {"proxy_gap": proxy, "prompt_shift": shift, "response_kl": shift, "response_shift": shift}
        if not same_source:
            terms |= {"refined_response_kl": shift, "refined_prompt_cost": bound(0.1, side="value")}
        theorem1 = bound(1.0, assumptions=["same-source"] if same_source else [])
        certificates = {
            name: bound(0.5 * trivial(name, penalty), kind="certified") for name in GAPS[: 4 if same_source else 3]
        }
        result = {
            "penalty": penalty,
            "theorem1": {
                "paper": bound(6.0),
                "refined": theorem1,
                "terms": terms,
                "decomposition": {
                    "prompt_shift": bound(-0.2, side="value"),
                    "response_shift": bound(0.9, side="value"),
                },
            },
            "theorem2": {name: bound(0.1 * penalty) for name in ("paper", "b", "c", "d", "refined")},
            "classifier_bound": bound(0.3, interval=[0.0, 0.6]),
            "certificate": certificates,
            "bracket": {
                name: {"lower": bound(each["lower"], side="lower"), "upper": bound(each["upper"])}
                for name, each in at.items()
            },
            "predicted": {
                name: bound(each["lower"], side="value", interval=[each["band_low"], each["band_high"]])
                for name, each in at.items()
            },
        }
        if exact:
            result["exact"] = {name: bound(each["upper"], interval=[-0.1, 2.0]) for name, each in at.items()}
        return result

    source = {"name": "bundled:safety", "origin": "bundled", "rows": 20, "sha256": "0" * 64, "truncated": 0}
    edges = np.linspace(-2.0, 2.0, 5)
    return {
        "sources": {
            "alignment": source | ({"stand_in_for": "orca"} if stand_in else {}),
            "proxy": source | {"name": "costs_$5_or_$6.jsonl", "origin": "local"},
            "capability": source | {"name": "system:" + "You are a very polite assistant. " * 5, "origin": "model"},
        },
        "overlap": {"tv_prompts_capability_proxy": bound(0.8, side="value")},
        "loss_constraint": [row(penalty) for penalty in penalties],
        "learning_curve": {"quantity": "lower end", "rows": [10, 20], "lower": [0.0, 0.1], "flat": False},
        "curves": {
            "unit": "nats/response",
            "confidence": 0.95,
            "penalties": grid,
            **{name: curve(name) for name in GAPS},
            "certificate": {name: [0.5 * trivial(name, penalty) for penalty in grid] for name in GAPS[:3]},
            "trivial": {name: [trivial(name, penalty) for penalty in grid] for name in GAPS[:3]},
        },
        "classifier_scores": {
            "unit": "nats",
            "shared_prompts": shared_prompts,
            "bin_edges": edges.tolist(),
            "capability": [0, 1, 4, 15],
            "proxy": [14, 6, 0, 0],
        },
    }


def texts(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def joined(figures: dict[str, Figure]) -> dict[str, str]:
    return {name: texts(figure).replace("\n", " ") for name, figure in figures.items()}
