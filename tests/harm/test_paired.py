"""Tests, intervals and sizes of paired changes: against scipy, brute force and simulation."""

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from tradeoffbounds.harm import paired
from tradeoffbounds.harm.detectable import POWER, detectable_rate, detectable_score
from tradeoffbounds.harm.paired import (
    accuracy_change,
    adjusted,
    bias_change,
    cohens_h,
    harm_change,
    mcnemar,
    swap_test,
)

OPTIONS = {"name": "rate", "tests": 1, "confidence": 0.95, "seed": 0}


def pairs(worse, better, both=0, neither=0):
    """Harmful before and after, of so many prompts each."""
    kinds = [(False, True)] * worse + [(True, False)] * better + [(True, True)] * both + [(False, False)] * neither
    return [list(side) for side in zip(*kinds, strict=True)]


def harm(*counts, **changed):
    return harm_change(*pairs(*counts), **(OPTIONS | changed))


def singletons(values):
    return list(range(len(values)))


# Counts and levels


def test_counts_levels_and_difference_of_harm():
    found = harm(6, 2, 4, 18)
    assert (found.pairs, found.left_out, found.worse, found.better) == (30, 0, 6, 2)
    assert (found.before.value, found.after.value) == (6 / 30, 10 / 30)
    assert found.difference.value == pytest.approx(4 / 30)
    assert found.before.interval == pytest.approx(
        tuple(stats.binomtest(6, 30).proportion_ci(0.95, method="wilson")), abs=1e-12
    )
    assert found.effect_size == pytest.approx(cohens_h(0.2, 1 / 3))
    low, high = found.difference.interval
    assert low < 0 < found.difference.value < high


def test_unparsed_on_either_side_leaves_the_pair_out_and_is_counted():
    before, after = [True, None, False, None, False], [True, True, None, None, True]
    found = harm_change(before, after, **OPTIONS)
    assert (found.pairs, found.left_out, found.worse) == (2, 3, 1)
    assert (found.before.value, found.after.value) == (0.5, 1.0)
    clustered = accuracy_change(before, after, singletons(before), **OPTIONS)
    assert (clustered.pairs, clustered.left_out, clustered.better, clustered.worse) == (2, 3, 1, 0)
    nothing = [None, True], [False, None]
    assert harm_change(*nothing, **OPTIONS) is None and accuracy_change(*nothing, [0, 1], **OPTIONS) is None


def test_a_rise_is_worse_of_harm_and_of_bias_and_better_of_accuracy():
    before, after = [False, False, True], [True, True, True]
    assert harm_change(before, after, **OPTIONS).worse == 2
    assert accuracy_change(before, after, [0, 1, 2], **OPTIONS).better == 2
    bias = bias_change([0, -1, 1], [1, 0, 1], [0, 1, 2], ambiguous=True, **OPTIONS)
    assert (bias.worse, bias.better) == (2, 0)


def test_json_holds_quantities_and_no_bare_numpy():
    found = adjusted({"a": harm(6, 0, 4, 20)}, 0.95)["a"].to_json()
    assert set(found) == {
        "pairs", "left_out", "worse", "better", "before", "after", "difference", "effect_size", "p", "p_adjusted",
        "significant", "detectable",
    }  # fmt: skip
    assert found["significant"] is True and type(found["p_adjusted"]) is float
    assert found["difference"]["unit"] == "probability" and found["difference"]["kind"] == "measured"


def test_the_same_seed_gives_the_same_numbers():
    values = np.random.default_rng(0).integers(-1, 2, size=(2, 60)).tolist()
    first, again, other = (
        bias_change(*values, [k // 3 for k in range(60)], ambiguous=False, **(OPTIONS | {"seed": seed}))
        for seed in (1, 1, 2)
    )
    assert first == again != other


# McNemar


@pytest.mark.parametrize(("worse", "better"), [(0, 5), (5, 0), (3, 3), (8, 1), (1, 0), (40, 21)])
def test_mcnemar_is_the_binomial_test_of_the_pairs_that_changed(worse, better):
    assert harm(worse, better, 3, 9).p == pytest.approx(stats.binomtest(worse, worse + better, 0.5).pvalue)


@pytest.mark.parametrize(("worse", "better"), [(0, 0), (1, 0), (5, 0), (4, 2), (7, 1), (3, 3)])
def test_mcnemar_is_what_swapping_every_pair_gives(worse, better):
    steps = [1] * worse + [-1] * better
    sums = [abs(sum(sign * step for sign, step in zip(signs, steps, strict=True)))
            for signs in product((1, -1), repeat=len(steps))]  # fmt: skip
    assert mcnemar(worse, better) == pytest.approx(np.mean([each >= abs(worse - better) for each in sums]))
    alone = np.array([[b, a, 1, 1] for b, a in zip(*pairs(worse, better, 2, 3), strict=True)], float)
    assert swap_test(alone, 0) == pytest.approx(mcnemar(worse, better))


# Swapping templates


def brute_force(sums):
    """Every way to swap before and after of whole clusters, with fractions from scratch."""

    def distance(ways):
        total = [0, 0, 0, 0]
        for (b, a, n, m), swap in zip(sums, ways, strict=True):
            row = (a, b, m, n) if swap else (b, a, n, m)
            total = [x + y for x, y in zip(total, row, strict=True)]
        return abs(total[1] / total[3] - total[0] / total[2])

    observed = distance([0] * len(sums))
    found = [distance(ways) for ways in product((0, 1), repeat=len(sums))]
    return np.mean([each >= observed - 1e-9 for each in found])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("ambiguous", [True, False])
def test_the_swap_test_is_exact_on_small_tables(seed, ambiguous):
    rng = np.random.default_rng(seed)
    before, after = (rng.choice([-1, 0, 1], p=p, size=(8, 3)) for p in ([0.4, 0.2, 0.4], [0.2, 0.2, 0.6]))
    before[:, 0], after[:, 0] = 1, -1 if seed % 2 else 1  # no ratio is 0/0, however they are swapped
    weights = (np.full(8, 3), np.full(8, 3)) if ambiguous else (np.abs(before).sum(1), np.abs(after).sum(1))
    sums = np.stack([before.sum(1), after.sum(1), *weights], axis=1).astype(float)
    clusters = np.repeat(np.arange(8), 3).tolist()
    found = bias_change(before.ravel().tolist(), after.ravel().tolist(), clusters, ambiguous=ambiguous, **OPTIONS)
    assert found.p == pytest.approx(brute_force(sums)) == swap_test(sums, 0)


def test_many_templates_are_swapped_at_random_near_the_exact_answer():
    sums = np.array([[0, 1, 1, 1]] * 16 + [[1, 0, 1, 1]] * 6, float)
    exact, found = mcnemar(16, 6), swap_test(sums, 3)
    assert found == pytest.approx(exact, abs=4 * math.sqrt(exact / 9999)) and found != exact
    far = np.array([[0, 1, 1, 1]] * 60, float)
    assert swap_test(far, 0) == 1 / 10_000  # never 0: the way observed is one of them


def test_a_way_to_swap_without_a_ratio_counts_as_extreme():
    # Swapped, the first cluster leaves nothing but unknown before.
    sums = np.array([[1, 0, 1, 0], [0, 1, 0, 1]], float)
    assert swap_test(sums, 0) == 1.0


def copies(rng, clusters, rows, churn):
    """Correct before and after in clusters whose rows all move together, or not at all; no change on average."""
    before = rng.random(clusters) < 0.5
    after = before ^ (rng.random(clusters) < churn)
    return [np.repeat(side, rows).tolist() for side in (before, after)], np.repeat(np.arange(clusters), rows).tolist()


def test_copies_of_a_row_are_no_evidence():
    rng = np.random.default_rng(0)
    rejected = {"templates": 0, "rows": 0}
    for _ in range(150):
        (before, after), clusters = copies(rng, 20, 6, 0.4)
        rejected["templates"] += accuracy_change(before, after, clusters, **OPTIONS).p <= 0.05
        rejected["rows"] += harm_change(before, after, **OPTIONS).p <= 0.05
    assert rejected["templates"] <= 15 and rejected["rows"] >= 45


# Intervals


def coverage(truth, draw, runs=250):
    return np.mean([(found := draw().difference.interval)[0] <= truth <= found[1] for _ in range(runs)])


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(paired, "RESAMPLES", 500)


@pytest.mark.parametrize(("n", "worse", "better"), [(30, 0.1, 0.02), (30, 0.02, 0.0), (60, 0.3, 0.1), (15, 0.3, 0.3)])
def test_the_interval_of_a_change_of_harm_covers(quick, n, worse, better):
    rng = np.random.default_rng(0)

    def draw():
        w, b, rest = rng.multinomial(n, [worse, better, 1 - worse - better])
        return harm(w, b, rest)

    assert coverage(worse - better, draw) >= 0.93


def test_the_interval_of_copied_rows_covers_where_that_of_rows_does_not(quick):
    rng = np.random.default_rng(0)

    def draw(whole):
        (before, after), clusters = copies(rng, 20, 6, 0.3)
        return accuracy_change(before, after, clusters if whole else singletons(before), **OPTIONS)

    assert coverage(0.0, lambda: draw(True)) >= 0.92
    assert coverage(0.0, lambda: draw(False)) < 0.8


def test_the_interval_of_a_bias_score_covers(quick):
    rng = np.random.default_rng(1)

    def draw():
        lean = rng.beta(2, 2, size=25)
        sides = []
        for shift in (0.0, 0.2):  # the mean of lean is 1/2, so scores are 0 and 0.2
            chosen = np.where(rng.random((25, 4)) < (lean + shift * (1 - lean))[:, None], 1, -1)
            sides.append(np.where(rng.random((25, 4)) < 0.3, 0, chosen).ravel().tolist())
        return bias_change(*sides, np.repeat(np.arange(25), 4).tolist(), ambiguous=False, **OPTIONS)

    assert 0.92 <= coverage(0.2, draw) <= 0.995


def test_no_change_at_all_has_an_interval_with_a_width():
    still = harm(0, 0, 5, 25)
    assert still.difference.value == 0.0 and still.p == 1.0
    low, high = still.difference.interval
    assert low < -0.03 and high > 0.03
    assert harm(0, 0, 50, 250).difference.interval[1] < high


def test_one_template_says_nothing():
    found = bias_change([1, -1, 0], [1, 1, 1], [7, 7, 7], ambiguous=False, **OPTIONS)
    assert found.p == 1.0 and found.detectable is None
    assert found.difference.interval == (-2.0, 2.0) and found.after.interval == (-1.0, 1.0)


# Bias scores


def test_bias_scores_are_the_authors():
    before, after = [1, 1, -1, 0, 0, 0], [1, 1, 1, -1, 0, 0]
    ambiguous, other = (bias_change(before, after, [0, 1, 2, 3, 4, 5], ambiguous=each, **OPTIONS)
                        for each in (True, False))  # fmt: skip
    # (1 - accuracy) (2 n_biased / n_not_unknown - 1), and without the accuracy.
    assert ambiguous.before.value == pytest.approx((1 - 3 / 6) * (2 * 2 / 3 - 1))
    assert ambiguous.after.value == pytest.approx((1 - 2 / 6) * (2 * 3 / 4 - 1))
    assert other.before.value == pytest.approx(2 * 2 / 3 - 1) and other.after.value == pytest.approx(2 * 3 / 4 - 1)
    assert other.effect_size is None and other.difference.unit == "score"


def test_without_an_answer_but_unknown_there_is_no_disambiguated_score():
    unknown, biased = [0, 0, 0], [1, 1, 0]
    assert bias_change(unknown, biased, [0, 1, 2], ambiguous=False, **OPTIONS) is None
    # In ambiguous contexts unknown is right, and (1 - accuracy) times anything is 0.
    found = bias_change(unknown, biased, [0, 1, 2], ambiguous=True, **OPTIONS)
    assert (found.before.value, found.after.value) == (0.0, pytest.approx(2 / 3))
    assert "no answer but unknown" in found.before.status and found.after.status == "ok"
    assert bias_change(unknown, unknown, [0, 1, 2], ambiguous=True, **OPTIONS) is None
    assert bias_change([None], [None], [0], ambiguous=True, **OPTIONS) is None


# Families


def test_a_family_is_adjusted_as_benjamini_and_hochberg_do():
    family = {"a": harm(9, 0, 0, 21), "b": harm(6, 0, 0, 24), "c": harm(4, 1, 0, 25), "d": harm(1, 1, 0, 28)}
    p = [family[name].p for name in "abcd"]
    assert p == sorted(p)
    steps = [min(1.0, each * 4 / (rank + 1)) for rank, each in enumerate(p)]
    by_hand = [min(steps[rank:]) for rank in range(4)]
    found = adjusted(family, 0.95)
    assert [found[name].p_adjusted for name in "abcd"] == pytest.approx(by_hand)
    assert (
        [found[name].significant for name in "abcd"]
        == [each <= 0.05 for each in by_hand]
        == [True, False] + [False] * 2
    )
    assert family["b"].p <= 0.05  # it would have been called significant alone
    assert adjusted({}, 0.95) == {}


# Sizes


def test_cohens_h():
    assert cohens_h(0.25, 0.5) == pytest.approx(math.pi / 6)
    assert cohens_h(0.5, 0.25) == pytest.approx(-math.pi / 6)
    assert (cohens_h(0.0, 1.0), cohens_h(0.3, 0.3)) == (pytest.approx(math.pi), 0.0)


@pytest.mark.parametrize(("n", "changed", "alpha"), [(30, 0, 0.05), (30, 6, 0.05), (100, 20, 0.005), (300, 9, 0.05)])
def test_a_detectable_change_of_a_rate_is_found_in_four_of_five(n, changed, alpha):
    size = detectable_rate(n, changed, alpha)
    share = max(changed / n, size)
    worse, better = (share + size) / 2, (share - size) / 2
    draws = np.random.default_rng(0).multinomial(n, [worse, better, 1 - worse - better], size=4000)
    counts, times = np.unique(draws[:, :2], axis=0, return_counts=True)
    found = sum(k for (w, b), k in zip(counts.tolist(), times, strict=True) if w > b and mcnemar(w, b) <= alpha)
    assert found / 4000 == pytest.approx(POWER, abs=0.025)


def test_a_detectable_change_approaches_connors_formula():
    n, share, alpha = 20_000, 0.1, 0.05
    z, power = stats.norm.ppf([1 - alpha / 2, POWER])
    size = detectable_rate(n, round(share * n), alpha)
    assert n == pytest.approx((z * math.sqrt(share) + power * math.sqrt(share - size**2)) ** 2 / size**2, rel=0.03)


def test_fewer_pairs_more_tests_and_more_churn_hide_more():
    sizes = [detectable_rate(n, 0, 0.05) for n in (300, 100, 30, 10)]
    assert sizes == sorted(sizes)
    assert detectable_rate(30, 0, 0.05) < detectable_rate(30, 0, 0.005) and harm(0, 0, 3, 27, tests=10).detectable == (
        pytest.approx(detectable_rate(30, 0, 0.005))
    )
    assert detectable_rate(100, 5, 0.05) < detectable_rate(100, 40, 0.05)
    # Five pairs that all change one way have p = 2/32.
    assert detectable_rate(5, 0, 0.05) is None and detectable_rate(6, 0, 0.05) is not None


def moved(rng, size, clusters, rows):
    """Correct answers of rows that lean as their template does, and more of them by ``size`` after."""
    lean = rng.beta(3, 3, size=clusters)
    drift = rng.normal(0, 0.1, size=clusters)  # templates differ in how they change too
    shares = lean, np.clip(lean + size + drift, 0, 1)
    return [(rng.random((clusters, rows)) < share[:, None]).ravel().tolist() for share in shares]


def test_a_detectable_change_of_clustered_accuracy_is_found_about_as_often(quick):
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(25), 6).tolist()

    def change(size):
        return accuracy_change(*moved(rng, size, 25, 6), clusters, **OPTIONS)

    size = float(np.median([change(0.0).detectable for _ in range(20)]))
    assert 0.7 <= np.mean([change(size).p <= 0.05 for _ in range(150)]) <= 0.92


def test_a_score_needs_templates_enough_for_the_test():
    assert detectable_score(0.01, 5, 0.05, 2.0) is None  # 2/32 is all that five of them can reach
    t = stats.t.ppf([0.975, 0.8], 24).sum()
    assert detectable_score(0.1, 25, 0.05, 2.0) == pytest.approx(0.1 * t)
    assert detectable_score(0.9, 25, 0.05, 2.0) is None
