"""Effects of factors against designs whose answer is known, and scipy's own test."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from tradeoffbounds.comparison.factors import factor_effects, varied


def grid(**levels):
    return [dict(zip(levels, each, strict=True)) for each in product(*levels.values())]


FULL = grid(method=["lora", "prompt"], objective=["sft", "dpo"], seed=["0", "1", "2", "3"])


def effects(settings, values, confidence=0.95):
    return factor_effects(settings, {"harm": list(values)}, confidence=confidence)["harm"]


def test_a_factor_that_alone_decides_explains_everything():
    found = effects(FULL, [float(each["method"] == "prompt") for each in FULL])
    assert found["method"].share == pytest.approx(1)
    assert found["method"].levels == {"lora": (0, 0, 0), "prompt": (1, 1, 1)}
    assert found["method"].p == pytest.approx(2 / 2**8) == found["method"].least_p
    assert found["method"].significant and not found["objective"].significant
    assert found["objective"].share == 0 and found["objective"].p == 1


def test_shares_of_a_full_grid_and_what_factors_do_in_combination_add_up():
    rng = np.random.default_rng(0)
    values = rng.normal(size=len(FULL))
    table = values.reshape(2, 2, 4)
    found = effects(FULL, values)
    total = ((table - table.mean()) ** 2).sum()
    for axis, name in enumerate(("method", "objective", "seed")):
        means = table.mean(axis=tuple(k for k in range(3) if k != axis))
        assert found[name].share == pytest.approx(
            len(values) / len(means) * ((means - means.mean()) ** 2).sum() / total
        )
    assert sum(each.share for each in found.values()) < 1


def test_two_levels_are_scipys_paired_permutation_test():
    values = np.random.default_rng(1).normal(size=len(FULL))
    values[[each["method"] == "prompt" for each in FULL]] += 0.8
    first, second = values.reshape(2, 8)
    expected = stats.permutation_test(
        (first, second), lambda a, b, axis: np.mean(a, axis=axis) - np.mean(b, axis=axis), permutation_type="samples",
        vectorized=True, n_resamples=np.inf,
    )  # fmt: skip
    assert effects(FULL, values)["method"].p == pytest.approx(expected.pvalue)


def test_effects_that_point_both_ways_cancel():
    values = [float((each["method"] == "prompt") == (each["objective"] == "dpo")) for each in FULL]
    found = effects(FULL, values)
    assert found["method"].share == found["objective"].share == 0


def test_the_rate_of_false_findings_is_kept():
    rng = np.random.default_rng(0)
    settings = grid(method=["a", "b"], seed=[str(k) for k in range(6)])
    tables = factor_effects(settings, {str(k): rng.normal(size=12).tolist() for k in range(200)}, confidence=0.95)
    p = np.array([row["method"].p for row in tables.values()])
    # Up to three standard errors.
    assert np.mean(p <= 0.0625) <= 0.0625 + 3 * np.sqrt(0.0625 * 0.9375 / 200)


def test_blocks_that_lack_a_level_are_left_out_and_counted():
    values = [1.0 if each["method"] == "prompt" else 0.0 for each in FULL]
    values[0] = None
    values[1] = float("inf")
    found = effects(FULL, values)["method"]
    assert found.blocks == 6 and found.left_out == 4 and found.share == pytest.approx(1)


def test_one_block_is_too_few_for_a_test():
    found = effects(grid(method=["a", "b"]), [0.0, 1.0])["method"]
    assert found.p is None and found.least_p is None and not found.significant
    assert found.share == pytest.approx(1)


def test_no_complete_block():
    settings = [{"method": "a", "seed": "0"}, {"method": "b", "seed": "1"}, {"method": "a", "seed": "2"}]
    # The seed says what the method is: that factor alone is looked at.
    found = effects(settings, [0.0, 1.0, 2.0])
    assert list(found) == ["seed"] and found["seed"].blocks == 1


def test_a_factor_that_follows_from_another_is_left_out():
    settings = [each | {"rate": {"lora": "1e-3", "prompt": "1e-2"}[each["method"]], "model": "m"} for each in FULL]
    assert list(varied(settings)) == ["method", "objective", "seed"]
    coarser = [each | {"kind": "adapter" if each["seed"] in "01" else "other"} for each in FULL]
    assert "kind" not in varied(coarser) and "seed" in varied(coarser)


def test_more_ways_to_swap_than_can_be_looked_at():
    settings = grid(method=["a", "b"], seed=[str(k) for k in range(20)])
    values = [float(each["method"] == "b") for each in settings]
    found = effects(settings, values)["method"]
    assert found.p == found.least_p == pytest.approx(1 / 10_000)


def test_p_values_of_all_outcomes_are_one_family():
    rng = np.random.default_rng(3)
    outcomes = {name: rng.normal(size=len(FULL)).tolist() for name in "abc"}
    found = factor_effects(FULL, outcomes, confidence=0.9)
    tested = [each for row in found.values() for each in row.values()]
    expected = stats.false_discovery_control([each.p for each in tested])
    assert [each.p_adjusted for each in tested] == pytest.approx(expected.tolist())


def test_an_outcome_that_never_varies():
    found = effects(FULL, [0.25] * len(FULL))["method"]
    assert found.share is None and found.p == 1


def test_runs_of_one_setting_are_refused():
    with pytest.raises(ValueError, match="same setting"):
        effects([*FULL, FULL[0]], [0.0] * (len(FULL) + 1))
