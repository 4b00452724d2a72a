"""Gaps from one number a held-out row: exact KLs as they are, losses less a reference's on the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from tradeoffbounds.bounds.bound import NATS_PER_RESPONSE, Bound

Array = np.ndarray
#: Address of a source's rows -> one number a row, nats.
Rows = Mapping[str, Array]
NATS_PER_TOKEN = "nats/token"
PARAMETER_NORM = "parameter norm"
_METHOD = "normal interval of the mean over held-out rows"


@dataclass(frozen=True)
class Reference:
    """What counts as a gap of 0 for one source.

    Attributes:
        rows: what is subtracted row by row: a reference's losses, or zeros where rows are exact KLs already.
        words: named in the record.
        spread: largest less smallest mean over the seeds of the reference, nats/response; None where there is one.
    """

    rows: Array
    words: str
    spread: float | None = None


@dataclass(frozen=True)
class Measured:
    """A linear combination of means over sources, with what its interval needs: rows of one source are paired."""

    means: dict[str, Array]

    def __add__(self, other: Measured) -> Measured:
        shared = self.means.keys() & other.means.keys()
        return Measured(self.means | other.means | {key: self.means[key] + other.means[key] for key in shared})

    def __mul__(self, factor: float) -> Measured:
        return Measured({key: factor * rows for key, rows in self.means.items()})

    def __sub__(self, other: Measured) -> Measured:
        return self + other * -1.0

    @property
    def value(self) -> float:
        """The sum of the means."""
        return float(sum(rows.mean() for rows in self.means.values()))

    def bound(self, name: str, confidence: float, *assumptions: str) -> Bound:
        """As a measured quantity; its interval covers the sampling of held-out rows, not the training's own chance."""
        variance = sum(float(rows.var(ddof=1)) / len(rows) if len(rows) > 1 else np.inf for rows in self.means.values())
        half = float(stats.norm.ppf((1 + confidence) / 2) * np.sqrt(variance))
        return Bound(
            self.value, "measured", unit=NATS_PER_RESPONSE, interval=(self.value - half, self.value + half),
            confidence=confidence, method=_METHOD, assumptions=("iid", *assumptions), theorem=name,
        )  # fmt: skip


def gap(rows: Rows, address: str, reference: Reference) -> Measured:
    """One source's gap."""
    return Measured({address: np.asarray(rows[address]) - reference.rows})


def per_token(measured: Bound, tokens: Sequence[int]) -> Bound:
    """A gap of one source over the mean length of its held-out responses, nats/token."""
    length = float(np.mean(tokens))
    scaled = measured * (1 / length)
    return Bound(
        scaled.value, "measured", unit=NATS_PER_TOKEN, interval=scaled.interval, confidence=scaled.confidence,
        method=f"{_METHOD}, over {length:.4g} tokens a response", assumptions=scaled.assumptions,
        theorem=f"{measured.theorem} per token",
    )  # fmt: skip


def preference(losses: Array, start_losses: Array, beta: float, confidence: float) -> dict[str, object]:
    """Theory section 5 on alignment rows: G_s(π) <= G_s(π_ref) + E_μ log π_ref/π <= G_s(π_ref) + sup|r̂|/β.

    Args:
        losses, start_losses: -log π and -log π_ref of the rows, nats.

    Returns:
        ``expectation`` and ``quantiles`` of log π_ref/π, and ``supremum`` = the largest |r̂|/β seen, which the true
        supremum is no smaller than.

    Coq: Preference.preference_identity, Preference.preference_bound
    """
    ratios = losses - start_losses
    expectation = Measured({"alignment": ratios}).bound("preference bound, expectation", confidence)

    def seen(value: float, name: str) -> Bound:
        return Bound(value, "measured", method=f"over {len(ratios)} held-out rows", theorem=name, assumptions=("rows",))

    quantiles = {f"{q:g}": seen(float(np.quantile(ratios, q)), f"preference bound, quantile {q:g}").to_json()
                 for q in (0.5, 0.9, 0.99)}  # fmt: skip
    return {
        "expectation": expectation.to_json(),
        "quantiles": quantiles,
        "supremum": seen(float(np.abs(ratios).max()), "preference bound, largest |r|/beta seen").to_json(),
        "beta": beta,
    }
