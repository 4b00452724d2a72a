"""Every bound of Case I beside the exact gap, on 1,000 random finite problems at seven penalties.

    python experiments/finite.py

Tables of two to eight prompts and responses, of six kinds of supports; proxy and capability are anything from near
copies of the alignment and proxy source to strangers. At P_λ, in closed form, nothing but float64 lies between a bound
and its gap, so a bound below it would be an error of theory or code: the script fails if there is one. Then 102 of the
problems are trained by gradient descent and stopped early, for theorem 2 with the slack measured on the policy and
theorem 1 in the paper's form, which holds for every policy. As a control, theorem 2 is evaluated with the slack left
out, where it need not hold, to see that violations are found where there are some. Writes
experiments/finite/results.json and figures/finite.png in half a minute.
"""

from __future__ import annotations

import itertools
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tradeoffbounds.bounds import finite_bounds, softmax_policy, theorem2
from tradeoffbounds.bounds.bound import Bound, exact
from tradeoffbounds.bounds.classifier_bound import trivial_capability, trivial_proxy, trivial_total
from tradeoffbounds.bounds.divergences import kl
from tradeoffbounds.bounds.finite import FiniteProblem, expectation
from tradeoffbounds.bounds.tightness import LOOSE, ROUNDING, TIGHT, Judgement, Word, judge
from tradeoffbounds.report import figure_style as style
from tradeoffbounds.runs import environment, write_json

RESULTS = Path(__file__).with_suffix("")
FIGURE = Path(__file__).parents[1] / "figures" / "finite.png"
PROBLEMS, SEED = 1000, 0
PENALTIES = (0.1, 0.3, 0.5, 0.7, 0.9, 1.0, 10.0)
KINDS = ("full", "sparse", "disjoint prompts", "disjoint responses", "identical prompts", "one-hot")
SIZES = (2, 4, 8)
#: Adam steps of the policies that are stopped early, and how many problems are trained.
STEPS, TRAINED = (3, 10, 30), 102

#: Title of the panel, colour, and the quantity bounded.
PANELS = {
    "theorem1.paper": ("Theorem 1, paper", style.PURPLE, "safety gap"),
    "theorem1.refined": ("Theorem 1, refined", style.BLUE, "safety gap"),
    "theorem2.proxy": ("Theorem 2, proxy side", style.ORANGE, "proxy gap"),
    "theorem2.refined": ("Theorem 2, refined", style.GREEN, "capability gap"),
    "theorem2.paper": ("Theorem 2 (a), paper", style.SKY, "capability gap"),
    "theorem2.b": ("Theorem 2 (b), proxy comparator", style.GREY, "capability gap"),
    "theorem2.c": ("Theorem 2 (c), prompts alone", "#8C6D00", "capability gap"),
    "theorem2.d": ("Theorem 2 (d), information", "#8F3F2B", "capability gap"),
}
#: What the figure shows, nats per response.
SHOWN = {"x": (1e-4, 5.0), "y": (1e-4, 50.0)}


@dataclass(frozen=True)
class Case:
    """One bound on one problem at one penalty, judged."""

    policy: str
    theorem: str
    kind: str
    penalty: float
    bound: float
    quantity: float
    judged: Judgement


def main() -> None:
    started = time.monotonic()
    rng = np.random.default_rng(SEED)
    kinds = itertools.islice(itertools.cycle(KINDS), PROBLEMS)
    problems = [(kind, random_problem(rng, kind)) for kind in kinds]
    optimal, minimum_error = _at_the_optimum(problems)
    stopped, control, excess_error = _stopped_early(problems[:TRAINED])
    violations = sum(case.judged.word == "violated" for case in [*optimal, *stopped])
    rows = [
        *_rows(optimal, lambda case: ("all", "all")),
        *_rows(optimal, lambda case: (case.kind, "all")),
        *_rows(optimal, lambda case: ("all", case.penalty)),
        *_rows(stopped, lambda case: ("all", "all")),
    ]
    record = {
        "schema": "tradeoffbounds/experiment/1",
        "command": "python experiments/finite.py",
        "environment": environment("cpu", "float64"),
        "seconds": round(time.monotonic() - started),
        "settings": {
            "problems": PROBLEMS, "seed": SEED, "penalties": PENALTIES, "kinds": KINDS, "sizes": SIZES,
            "trained_problems": len(problems[:TRAINED]), "steps": STEPS,
        },
        "bounds_checked": len(optimal) + len(stopped),
        "violations": violations,
        "largest_difference_relative_to_objective": {
            "minimum and information": minimum_error, "slack and excess": excess_error,
        },
        "rows": rows,
        "control_without_slack": [*_rows(control, lambda case: ("all", "all"))],
    }  # fmt: skip
    write_json(RESULTS / "results.json", record)
    _figure(optimal).savefig(FIGURE, dpi=80)
    for row in rows:
        if row["kind"] == row["penalty"] == "all":
            print(f"{row['policy']}, {row['theorem']}: median {row['median']}, 90th percentile {row['percentile_90']}")
    print(f"{violations} violations among {record['bounds_checked']} bounds")
    if violations:
        raise SystemExit(1)


def random_problem(rng: np.random.Generator, kind: str) -> FiniteProblem:
    """A problem with supports of the kind; how near the sources are to each other is log-uniform."""
    x, y = rng.choice(SIZES, size=2)
    D, D_hat, D_f = _related(rng, (x,), 0.4 if kind == "sparse" else 0.0)
    mu, mu_hat, mu_f = _related(rng, (x, y), 0.4 if kind == "sparse" else 0.0)
    if kind == "disjoint prompts":
        D_hat, D_f = _apart(rng, D_hat, D_f)
    elif kind == "disjoint responses":
        mu_hat, mu_f = _apart(rng, mu_hat, mu_f)
        mu = _within(mu, mu_hat.any(axis=0))
    elif kind == "identical prompts":
        D_hat = D_f = D
    elif kind == "one-hot":
        points = [np.eye(y)[rng.integers(y, size=x)] for _ in range(3)]
        near = [rng.random((x, 1)) < rng.random() for _ in range(2)]
        mu, mu_hat = points[0], np.where(near[0], points[0], points[1])
        mu_f = np.where(near[1], mu_hat, points[2])
    return FiniteProblem(D, mu, D_hat, mu_hat, D_f, mu_f)


def _related(rng: np.random.Generator, shape: tuple[int, ...], zeros: float) -> list[np.ndarray]:
    """Alignment, proxy mixed from it and something new, capability mixed from the proxy and something new.

    In each about the share ``zeros`` of the entries is emptied, never the largest of a distribution.
    """
    fresh = [rng.dirichlet(np.full(shape[-1], rng.choice([0.3, 1.0, 10.0])), size=shape[:-1]) for _ in range(3)]
    tables = fresh[:1]
    for new, share in zip(fresh[1:], 10 ** rng.uniform(-2, 0, size=2), strict=True):
        tables.append((1 - share) * tables[-1] + share * new)
    return [
        _within(table, np.logical_or(rng.random(shape) >= zeros, table == table.max(axis=-1, keepdims=True)))
        for table in tables
    ]


def _apart(rng: np.random.Generator, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both tables without common support: either keeps half of the columns."""
    half = rng.permutation(first.shape[-1]) < first.shape[-1] // 2
    return _within(first, half), _within(second, ~half)


def _within(table: np.ndarray, support: np.ndarray) -> np.ndarray:
    """The distributions on their support alone; spread evenly over it where none of one lies there."""
    inside = table * support
    inside = np.where(inside.sum(axis=-1, keepdims=True) > 0, inside, np.broadcast_to(support, table.shape))
    return inside / inside.sum(axis=-1, keepdims=True)


def _at_the_optimum(problems: Iterable[tuple[str, FiniteProblem]]) -> tuple[list[Case], float]:
    """Every bound at P_λ, and how far the minimum is from (1+λ) I(Z;Y|X)."""
    cases, error = [], 0.0
    for (kind, problem), penalty in itertools.product(problems, PENALTIES):
        capability, proxy = problem.optimal_gaps(penalty)
        minimum = capability + penalty * proxy
        error = max(
            error, abs(minimum - finite_bounds.minimum_by_information(problem, penalty)) / max(minimum, ROUNDING)
        )
        trivial = {
            "capability gap": exact(trivial_capability(penalty), side="upper"),
            "proxy gap": exact(trivial_proxy(penalty), side="upper"),
        }
        for name, check in finite_bounds.case_one(problem, penalty).items():
            cases.append(
                _case("optimal", name, kind, penalty, check.bound, check.quantity, trivial.get(PANELS[name][2]))
            )
    return cases, error


def _stopped_early(problems: Sequence[tuple[str, FiniteProblem]]) -> tuple[list[Case], list[Case], float]:
    """Bounds that hold for any policy, theorem 2 without its slack, and how far slack is from the excess."""
    cases, control, error = [], [], 0.0
    for steps, (kind, problem), penalty in itertools.product(STEPS, problems, PENALTIES):
        policy = softmax_policy.train(problem, penalty, steps=steps)
        objective = problem.objective(policy, penalty)
        measured = objective - finite_bounds.minimum_by_information(problem, penalty)
        error = max(error, abs(measured - problem.excess(policy, penalty)) / objective)
        slack, gap = exact(max(0.0, measured)), problem.capability_gap(policy)
        trivial = exact(trivial_total(penalty) + slack.value, side="upper")
        stopped = f"stopped after {steps} steps"
        cases.append(
            _case(stopped, "theorem1.paper", kind, penalty, finite_bounds.theorem1_paper(problem, policy),
                  problem.safety_gap(policy), None)
        )  # fmt: skip
        without = finite_bounds.case_one(problem, penalty)
        for name, bound in _theorem2(problem, penalty, without, slack).items():
            cases.append(_case(stopped, name, kind, penalty, bound, gap, trivial))
            control.append(_case(stopped, name, kind, penalty, without[name].bound, gap, trivial))
    return cases, control, error


def _theorem2(
    problem: FiniteProblem, penalty: float, at_optimum: dict[str, finite_bounds.Checked], slack: Bound
) -> dict[str, Bound]:
    """The variants that take a slack."""
    overlap = problem.overlap()
    proxy = exact(expectation(problem.D_hat * overlap, kl(problem.mu_hat, problem.mu_f)))
    capability = exact(expectation(problem.D_f * overlap, kl(problem.mu_f, problem.mu_hat)))
    minimum, prompts = at_optimum["theorem2.d"].bound, at_optimum["theorem2.c"].bound
    return {
        "theorem2.paper": theorem2.paper(penalty, proxy, slack),
        "theorem2.b": theorem2.proxy_comparator(capability, slack),
        "theorem2.d": theorem2.trade_off_value(minimum, slack),
        "theorem2.refined": theorem2.refined(penalty, proxy, capability, prompts, minimum, slack),
    }


def _case(
    policy: str, theorem: str, kind: str, penalty: float, bound: Bound, quantity: float, trivial: Bound | None
) -> Case:
    return Case(policy, theorem, kind, penalty, bound.value, quantity, judge(bound, exact(quantity), trivial))


def _rows(cases: Iterable[Case], group: Callable[[Case], tuple[Any, Any]]) -> list[dict[str, Any]]:
    """One row for every policy, theorem and group of (kind, penalty)."""
    grouped: dict[tuple[Any, ...], list[Case]] = {}
    for case in cases:
        grouped.setdefault((case.policy, case.theorem, *group(case)), []).append(case)
    return [
        {
            "policy": policy, "theorem": theorem, "quantity": PANELS[theorem][2], "kind": kind, "penalty": penalty,
            "cases": len(each), "violations": sum(case.judged.word == "violated" for case in each), **_tightness(each),
        }
        for (policy, theorem, kind, penalty), each in grouped.items()
    ]  # fmt: skip


def _tightness(cases: list[Case]) -> dict[str, float | int | None]:
    """Quantiles (None: infinite) and shares, without the cases where bound and gap are both 0, which flatter any bound.

    Where that leaves none, "compared" is 0 and there is nothing else.
    """
    compared = [case for case in cases if max(abs(case.bound), abs(case.quantity)) > ROUNDING]
    if not compared:
        return {"compared": 0}
    words = Counter(case.judged.word for case in compared)
    return {
        "compared": len(compared),
        "median": _quantile(compared, 0.5),
        "percentile_90": _quantile(compared, 0.9),
        **{word: _round(words[word] / len(compared)) for word in get_args(Word)},
        "infinite": _round(sum(math.isinf(case.bound) for case in compared) / len(compared)),
    }


def _quantile(cases: list[Case], share: float) -> float | None:
    value = float(np.quantile([case.judged.tightness for case in cases], share, method="inverted_cdf"))
    return _round(value) if math.isfinite(value) else None


def _round(value: float) -> float:
    return float(f"{value:.4g}")


def _figure(cases: list[Case]) -> Figure:
    """One panel a variant: every bound against its exact gap."""
    figure = Figure(figsize=(14.0, 8.2), layout="constrained")
    violated = sum(case.judged.word == "violated" for case in cases)
    figure.suptitle(
        f"{violated} of {len(cases):,} bounds lie below the exact gap: {PROBLEMS:,} finite problems at "
        f"{len(PENALTIES)} penalties", x=0.01, ha="left", size=style.TITLE, weight="bold",
    )  # fmt: skip
    for axes, (name, (title, colour, quantity)) in zip(figure.subplots(2, 4).ravel(), PANELS.items(), strict=True):
        _panel(axes, [case for case in cases if case.theorem == name], colour)
        y = f"bound, {style.UNIT}" if axes.get_subplotspec().is_first_col() else ""
        style.panel_style(axes, title, x=f"exact {quantity}, {style.UNIT}", y=y)
    penalties = ", ".join(f"{penalty:g}" for penalty in PENALTIES)
    figure.supxlabel(
        f"At $P_\\lambda$, λ = {penalties}. Solid: the gap; dashed: {TIGHT:g}, dotted: {LOOSE:g} times the gap. "
        "Vacuous: infinite, or no better than what is known\nwithout data. Median and shares leave out cases where "
        f"bound and gap are both 0; infinite bounds and gaps below {SHOWN['x'][0]:g} are counted but not drawn.",
        size=style.SMALL, color=style.GREY, x=0.01, ha="left",
    )  # fmt: skip
    return figure


def _panel(axes: Axes, cases: list[Case], colour: str) -> None:
    for which, (low, high) in SHOWN.items():
        style.log_axis(axes, which, low, high)
    axes.set_xticks([1e-4, 1e-2, 1.0])  # eight labels of small numbers overlap
    ends = np.asarray(SHOWN["x"])
    for factor, line in ((1.0, "-"), (TIGHT, "--"), (LOOSE, ":")):
        axes.plot(ends, factor * ends, line, color=style.BLACK, linewidth=1.0, zorder=3)
    axes.scatter(
        [case.quantity for case in cases], [case.bound for case in cases], s=1.5, color=colour, linewidths=0, zorder=2,
    )  # fmt: skip
    found = _tightness(cases)
    typical = "infinite" if found["median"] is None else f"{found['median']:.3g}"
    lines = [f"median ratio {typical}", *(f"{word} {found[word]:.0%}" for word in ("tight", "loose", "far", "vacuous"))]
    axes.text(
        0.97, 0.04, "\n".join(lines), transform=axes.transAxes, ha="right", va="bottom", size=style.SMALL,
        linespacing=1.25, zorder=4, bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 2},
    )  # fmt: skip


if __name__ == "__main__":
    main()
