"""From results to ``estimate.json``: every number a Bound, every array a list."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tradeoffbounds.bounds.bound import ASSUMPTIONS, Bound
from tradeoffbounds.report.penalty_grid import grid_record

if TYPE_CHECKING:  # scikit-learn comes with them, which takes seconds
    from tradeoffbounds.overlap.case_one import CaseOne, Nested
    from tradeoffbounds.overlap.trade_off import Curve

_BINS = 40


def case_one_record(result: CaseOne) -> dict[str, Any]:
    """The parts of estimate.json that Case I fills."""
    return {
        "overlap": {name: bound.to_json() for name, bound in result.overlap.items()},
        "loss_constraint": case_one_rows(result),
        "learning_curve": {
            "quantity": "lower end of G_f + lambda G_s_hat at lambda = 1, nats/response",
            "rows": list(result.learning.rows),
            "lower": list(result.learning.lower),
            "flat": result.learning.flat,
        },
        "loss_constraint_grid": grid_record([{"penalty": each, **_nested(row)} for each, row in result.round_rows]),
        "curves": _curves(result),
        "classifier_scores": _histogram(result),
        "assumptions": dict(ASSUMPTIONS),
    }


def case_one_rows(result: CaseOne) -> list[dict[str, Any]]:
    """Every bound and prediction at each penalty."""
    return [{"penalty": penalty, **_nested(row)} for penalty, row in result.penalties]


def plain_options(value: Any) -> Any:
    """Options of a door as JSON knows them: paths are text, tuples are lists."""
    if isinstance(value, dict):
        return {key: plain_options(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain_options(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def reference(record: dict[str, Any]) -> dict[str, Any]:
    """The row of ``loss_constraint`` whose penalty is nearest 1, about which sentences and titles speak."""
    row: dict[str, Any] = min(record["loss_constraint"], key=lambda each: abs(math.log(each["penalty"])))
    return row


def _nested(row: Nested) -> dict[str, Any]:
    return {name: item.to_json() if isinstance(item, Bound) else _nested(item) for name, item in row.items()}


def _curves(result: CaseOne) -> dict[str, Any]:
    from tradeoffbounds.bounds.classifier_bound import trivial_capability, trivial_proxy, trivial_total

    def curve(each: Curve) -> dict[str, Any]:
        ends = {"lower": each.lower, "upper": each.upper, "band_low": each.band[0], "band_high": each.band[1]}
        return {name: [float(value) for value in values] for name, values in ends.items()}

    penalties = next(iter(result.grid.values())).penalties
    certificates = result.grid_certificates
    return {
        "unit": "nats/response",
        "confidence": result.confidence,
        "penalties": [float(penalty) for penalty in penalties],
        **{name: curve(each) for name, each in result.grid.items()},
        "certificate": {
            "total": [each.total.value for each in certificates],
            "capability_gap": [each.capability_gap.value for each in certificates],
            "proxy_gap": [each.proxy_gap.value for each in certificates],
        },
        "trivial": {
            "total": [trivial_total(penalty) for penalty in penalties],
            "capability_gap": [trivial_capability(penalty) for penalty in penalties],
            "proxy_gap": [trivial_proxy(penalty) for penalty in penalties],
        },
    }


def _histogram(result: CaseOne) -> dict[str, Any]:
    """Out-of-sample prompt scores log p(capability)/p(proxy) of both sources, in common bins."""
    scores = {"capability": result.ratios.capability_prompts, "proxy": result.ratios.proxy_prompts}
    edge = max(1.0, *(float(np.abs(each).max()) for each in scores.values()))
    bins = np.linspace(-edge, edge, _BINS + 1)
    return {
        "unit": "nats",
        "shared_prompts": result.ratios.shared_prompts,
        "bin_edges": [float(each) for each in bins],
        **{name: np.histogram(each, bins)[0].tolist() for name, each in scores.items()},
    }
