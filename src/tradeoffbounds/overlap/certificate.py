"""The certificate: the classifier bound on rows that the classifier never saw, with a proof of coverage.

Half of the rows train a classifier and choose where to clip it; the other half is looked at once. The
losses of fixed, clipped log-ratios are bounded, so their means have confidence limits that hold for every
sample size. What is certified is a training that finds P_λ (A2); a real one adds δ + κ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from tradeoffbounds.bounds import classifier_bound
from tradeoffbounds.bounds.bound import Bound
from tradeoffbounds.bounds.classifier_bound import LossFunction
from tradeoffbounds.bounds.confidence import betting_upper, empirical_bernstein
from tradeoffbounds.overlap.classifiers import cross_fitted, fit_stack, take
from tradeoffbounds.overlap.domain import Domain, mix, shares_prompts

Array = np.ndarray
#: Clips tried for the log-ratios, nats.
_CLIPS = np.linspace(0.5, 8.0, 16)
_ASSUMPTIONS = ("A2", "iid")


@dataclass(frozen=True)
class HeldOut:
    """Log-ratios log p(first)/p(second) of prompts, for rows to choose on and rows to report on.

    ``first`` and ``second`` are held-out rows under one fixed classifier; ``chosen_on`` are the
    out-of-fold log-ratios of the rows that trained it.
    """

    first: Float[Array, " n"]
    second: Float[Array, " m"]
    chosen_on: tuple[Float[Array, " k"], Float[Array, " l"]]


def hold_out(first: Domain, second: Domain, *, seed: int) -> HeldOut:
    """Split each source's rows at random, train on one half, score the other.

    Rows are split, not prompts: for independent rows that is exact, also where a source repeats a prompt. A prompt
    that both sources ask may sit on both sides; its twin in the training half then only raises the loss. The
    held-out rows come in random order, because betting looks at them one by one and a file may be sorted.

    Where both domains ask the same prompts the log-ratio is 0 by design and nothing is trained.
    """
    if shares_prompts(first, second):
        zeros = np.zeros(len(first))
        return HeldOut(zeros, zeros, (zeros, zeros))
    mixed = mix([first, second])
    rng = np.random.default_rng(seed)
    halves = [np.array_split(rng.permutation(np.flatnonzero(mixed.labels == source)), 2) for source in (0, 1)]
    train, held = (np.concatenate(half) for half in zip(*halves, strict=True))
    labels, test = mixed.labels[train], mixed.labels[held]
    seen, groups = take(mixed.prompts, train), mixed.groups[train]
    stack = fit_stack(seen, labels, groups, seed=seed)
    held_out = stack.log_posteriors(take(mixed.prompts, held))
    out_of_fold = cross_fitted(seen, labels, groups, seed=seed)
    choose, report = (each[:, 0] - each[:, 1] for each in (out_of_fold, held_out))
    return HeldOut(report[test == 0], report[test == 1], (choose[labels == 0], choose[labels == 1]))


@dataclass(frozen=True)
class Certificate:
    """At one penalty: the held-out log-loss, and what is proved from it (nats per response)."""

    penalty: float
    classifier_bound: Bound
    total: Bound
    capability_gap: Bound
    proxy_gap: Bound


def certify(held_out: HeldOut, penalties: Sequence[float], *, confidence: float) -> list[Certificate]:
    """Certificates at each penalty; each holds with ``confidence`` by itself, not all of them at once."""
    return [
        Certificate(
            penalty=penalty,
            classifier_bound=_log_loss(held_out, penalty, confidence),
            total=_limit(held_out, "total", classifier_bound.total_losses, penalty, confidence),
            capability_gap=_limit(held_out, "capability side", classifier_bound.capability_losses, penalty, confidence),
            proxy_gap=_limit(held_out, "proxy side", classifier_bound.proxy_losses, penalty, confidence),
        )
        for penalty in penalties
    ]


def smallest_penalty(held_out: HeldOut, limit: float, penalties: Sequence[float], *, confidence: float) -> float | None:
    """The smallest of the penalties from which on Ĝ_s(P_λ) <= ``limit`` is certified; None if there is none.

    Ĝ_s(P_λ) falls with λ, so the claims are nested: testing them from the largest λ down and stopping at the first
    failure keeps the error at 1 - ``confidence`` for all of them together, without a correction.

    Coq: Monotone.monotone_in_penalty
    """
    passed = None
    for penalty in sorted(penalties, reverse=True):
        if _limit(held_out, "proxy side", classifier_bound.proxy_losses, penalty, confidence).value > limit:
            break
        passed = penalty
    return passed


def _log_loss(held_out: HeldOut, penalty: float, confidence: float) -> Bound:
    """The corollary's value on the held-out rows, with its two-sided empirical-Bernstein interval."""
    loss, trivial = classifier_bound.total_losses, classifier_bound.trivial_total(penalty)
    # As far as the training rows can vouch for a ratio: the log-loss itself, not its worst case, is wanted.
    clip = float(np.log(sum(map(len, held_out.chosen_on))))
    losses = loss(_clip(held_out.first, clip), _clip(held_out.second, clip), penalty)
    widths = [high - low for low, high in classifier_bound.loss_ranges(loss, clip, penalty)]
    # Two samples, so each interval spends half of the error.
    level = 1 - (1 - confidence) / 2
    ends = [
        empirical_bernstein(rows, width, level)
        for rows, width in zip((losses.capability, losses.proxy), widths, strict=True)
    ]
    low, high = (sum(pair) for pair in zip(*ends, strict=True))
    value = min(losses.value, trivial)
    return Bound(
        value, "estimated", "upper", interval=(min(max(low, 0.0), value), max(min(high, trivial), value)),
        confidence=confidence, method="empirical-bernstein on held-out rows", assumptions=_ASSUMPTIONS,
        theorem="classifier bound",
    )  # fmt: skip


def _limit(held_out: HeldOut, side: str, loss: LossFunction, penalty: float, confidence: float) -> Bound:
    trivial = {
        "total": classifier_bound.trivial_total,
        "capability side": classifier_bound.trivial_capability,
        "proxy side": classifier_bound.trivial_proxy,
    }[side](penalty)
    clip = _best_clip(held_out, loss, penalty, confidence)
    certified = _upper_limit((held_out.first, held_out.second), loss, clip, penalty, confidence)
    vacuous = certified >= trivial * (1 - 1e-9)
    return Bound(
        min(certified, trivial), "certified", "upper", confidence=confidence,
        method=f"betting on held-out rows, log-ratios clipped to ±{clip:.1f}", assumptions=_ASSUMPTIONS,
        theorem=f"classifier bound, {side}",
        status="vacuous: no better than the bound known without data" if vacuous else "ok",
    )  # fmt: skip


def _upper_limit(
    log_ratios: tuple[Array, Array], loss: LossFunction, clip: float, penalty: float, confidence: float
) -> float:
    losses = loss(_clip(log_ratios[0], clip), _clip(log_ratios[1], clip), penalty)
    level = 1 - (1 - confidence) / 2
    return sum(
        betting_upper(rows, low, high, level)
        for rows, (low, high) in zip(
            (losses.capability, losses.proxy), classifier_bound.loss_ranges(loss, clip, penalty), strict=True
        )
    )


def _best_clip(held_out: HeldOut, loss: LossFunction, penalty: float, confidence: float) -> float:
    """The clip whose limit would be smallest on the rows that trained the classifier."""
    return float(min(_CLIPS, key=lambda c: _upper_limit(held_out.chosen_on, loss, c, penalty, confidence)))


def _clip(log_ratios: Array, clip: float) -> Array:
    return np.clip(log_ratios, -clip, clip)
