"""Runs of validate.json made by hand, with no more in them than is read."""

from __future__ import annotations

from tradeoffbounds.bounds.bound import Bound


def quantity(value, error=0.0):
    """A measured quantity, exact or give or take an error."""
    interval = (value - error, value + error) if error else None
    return Bound(value, "measured", interval=interval, confidence=0.95 if error else None).to_json()


def run(observed, *, penalty=1.0, radius=None, seed=0, predicted=None, judged=None, **config):
    """A run; ``observed`` and ``predicted`` map names to numbers or to (number, error)."""
    return {
        "config": {
            "proxy": "p", "capability": "c", "method": "lora", "objective": "sft", "penalty": penalty,
            "radius": radius, "seed": seed, "steps": 40, "batch": 8, "learning_rate": 0.001,
        } | config,
        "observed": _quantities(observed),
        "predicted": _quantities(predicted or {}),
        "judged": judged or {},
    }  # fmt: skip


def judgement(word, tightness, certain=True):
    return {"quantity": "capability_gap", "tightness": tightness, "word": word, "certain": certain}


def _quantities(values):
    return {name: None if each is None else quantity(*_with_error(each)) for name, each in values.items()}


def _with_error(value):
    return value if isinstance(value, tuple) else (value, 0.0)
