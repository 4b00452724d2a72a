"""Case II as a whole on a tiny random Llama: what it reports against losses at points of the ball."""

from __future__ import annotations

import math
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from tradeoffbounds.bounds.bound import NATS_PER_RESPONSE, Bound
from tradeoffbounds.curvature.adapted import adapt
from tradeoffbounds.curvature.case_two import Budget, case_two
from tradeoffbounds.curvature.compare import compare
from tradeoffbounds.curvature.start import Start, gradient_norms
from tradeoffbounds.curvature.suprema import Search
from tradeoffbounds.errors import UserError
from tradeoffbounds.models.fresh_adapter import fresh_adapter

from .tiny_adapted import ADAPTERS, CAPABILITY, CPU, PROXY, SAFETY, SHAPE, adapted, base

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_compilation")]

METHODS = ("lora", "prompt-tuning", "output-head")
RADII = (0.3, 0.03, 0.1)
BUDGET = Budget(6, 6, 16, Search(restarts=1, ascents=2, lanczos=8, every_radius=True), avoided=2)
INFORMATION = [(1.0, Bound(0.2, "predicted", interval=(0.1, 0.3), confidence=0.95))]
TEXTS = {"alignment": SAFETY, "proxy": PROXY, "capability": CAPABILITY}
FINISHED = {}


def run(method):
    """Case II of a method; once."""
    if method not in FINISHED:
        FINISHED[method] = case_two(
            adapted(method), TEXTS, INFORMATION, radii=RADII, budget=BUDGET, same_source=False, confidence=0.95, seed=0,
        )  # fmt: skip
    return FINISHED[method]


@pytest.fixture(params=METHODS)
def method(request):
    return request.param


def value(loss, theta):
    return float(loss.value_and_gradient(theta)[0])


def points(loss, theta, radius, sign):
    """Of the ball: random ones, and where climbing (+1) or descending (-1) on the loss leads."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        direction = rng.standard_normal(theta.size).astype(np.float32)
        yield theta + direction * (radius * rng.uniform() ** 0.3 / np.linalg.norm(direction))
    at = theta
    for _ in range(15):
        gradient = loss.value_and_gradient(at)[1]
        offset = at - theta + sign * gradient * (radius / 4 / jnp.linalg.norm(gradient))
        at = theta + offset * jnp.minimum(1.0, radius / jnp.linalg.norm(offset))
        yield at


def test_radii_rise_and_so_do_their_constants(method):
    """Whatever the order asked for; every estimate is at least what was found, and both are labelled."""
    found = run(method)
    assert [at.radius for at in found.radii] == sorted(RADII)
    assert (found.method, found.parameters, found.rows) == (method, adapted(method).theta.size, 6)
    before = {}
    for at in found.radii:
        for name, pair in at.constants.items():
            lower, estimate = pair["lower"], pair["estimate"]
            assert 0 < lower.value <= estimate.value < math.inf
            assert (lower.kind, lower.side, estimate.kind, estimate.side) == ("measured", "lower", "estimated", "value")
            assert estimate.value >= before.get(name, 0.0)
            before[name] = estimate.value


def test_theorem_3_holds_at_points_of_the_ball(method):
    """Neither random points nor climbing on the safety loss leads above the estimated bounds."""
    found, ours = run(method), adapted(method)
    loss = ours.loss(SAFETY)
    start, offset = value(loss, ours.theta), found.offset["safety_gap"].value
    for at in found.radii:
        reached = max(value(loss, point) for point in points(loss, ours.theta, at.radius, +1))
        for bound in at.theorem3.values():
            assert bound.kind == "estimated" and bound.side == "upper" and bound.unit == NATS_PER_RESPONSE
            assert offset + reached - start <= bound.value
        norm = found.gradient_norms["safety_gap"]["rows"].value
        assert reached - start >= 0.3 * norm * at.radius  # the points are no straw men


def test_the_capability_side_brackets_what_descent_reaches(method):
    """The lower end holds at every point; the best point met is as good as the upper end promises."""
    found, ours = run(method), adapted(method)
    loss = ours.loss(CAPABILITY)
    start, offset = value(loss, ours.theta), found.offset["capability_gap"].value
    gradient = loss.value_and_gradient(ours.theta)[1]
    norm = jnp.linalg.norm(gradient)
    met, before = [], math.inf
    for at in found.radii:
        step = min(at.radius, float(norm) / at.constants["L_f_prime"]["estimate"].value)
        met += [value(loss, ours.theta - gradient * (step / norm))]
        met += [value(loss, point) for point in points(loss, ours.theta, at.radius, -1)]
        assert offset + min(met) - start >= at.capability["lower"].value
        assert offset + min(met) - start <= at.capability["upper"].value + 1e-4
        assert at.capability["upper"].value <= min(offset, before)
        before = at.capability["upper"].value
        vacuous = at.capability["lower"].value < offset - found.losses["capability_gap"].value
        assert at.capability["lower"].status.startswith("vacuous") == vacuous


def test_drift_predicts_small_steps_along_descent(method):
    """Of the smallest ball, where the third order is a small part of the change."""
    found, ours = run(method), adapted(method)
    safety, capability = ours.loss(SAFETY), ours.loss(CAPABILITY)
    gradient = capability.value_and_gradient(ours.theta)[1]
    radius = found.radii[0].radius
    moved = ours.theta - gradient * (radius / jnp.linalg.norm(gradient))
    actual = value(safety, moved) - value(safety, ours.theta)
    norm = found.gradient_norms["safety_gap"]["rows"].value
    assert found.radii[0].drift["descent"].value == pytest.approx(actual, abs=0.1 * norm * radius)
    safest = found.directions["safest"]
    assert abs(safest.safety_slope) <= 1e-4 * norm and safest.gain_slope > 0


def test_certified_constants_of_an_output_head_hold():
    """They are above all that was found, in every ball, and the bounds from them are never exceeded."""
    found, ours = run("output-head"), adapted("output-head")
    loss = ours.loss(SAFETY)
    start = value(loss, ours.theta)
    for at in found.radii:
        for pair in at.constants.values():
            assert pair["certified"].kind == "certified" and pair["certified"].side == "upper"
            assert pair["certified"].value >= pair["lower"].value
        for name in ("S_s", "L_f_prime"):
            assert at.constants[name]["certified"].value >= at.constants[name]["estimate"].value
        reached = max(value(loss, point) for point in points(loss, ours.theta, at.radius, +1))
        assert at.certified["paper"].kind == "certified"
        for bound in at.certified.values():
            assert reached - start <= bound.value and bound.status == "ok"
    smallest = found.radii[0].constants["L_s"]
    assert smallest["certified"].value >= smallest["estimate"].value >= smallest["lower"].value


def test_only_the_output_head_is_certified():
    """The others' constants are found or estimated."""
    for name in ("lora", "prompt-tuning"):
        assert all(not at.certified and "certified" not in at.constants["L_s"] for at in run(name).radii)


def test_identities_have_no_offset_and_virtual_tokens_a_measured_one():
    """Exactly zero by construction, or the mean difference to the aligned model with its interval."""
    for name in ("lora", "output-head"):
        for bound in run(name).offset.values():
            assert bound.value == 0.0 and bound.kind == "certified" and bound.interval is None
        difference = adapted(name).row_losses(SAFETY) - adapted(name).base_row_losses(SAFETY)
        assert np.abs(difference).max() < 1e-4
    ours, found = adapted("prompt-tuning"), run("prompt-tuning").offset
    for rows, bound in ((SAFETY, found["safety_gap"]), (CAPABILITY, found["capability_gap"])):
        differences = ours.row_losses(rows) - ours.base_row_losses(rows)
        assert bound.value == pytest.approx(differences.mean(), rel=1e-5) and abs(bound.value) > 1e-3
        assert bound.kind == "measured" and bound.interval[0] < bound.value < bound.interval[1]
        assert differences.min() <= bound.interval[0] and bound.interval[1] <= differences.max()


def test_an_adapter_that_was_trained_is_no_identity():
    """Its offset is measured, as it may have moved away from the aligned model."""
    moved = adapted("lora", moved=0.1)
    assert adapted("lora").identity and not moved.identity
    assert np.abs(moved.row_losses(SAFETY) - moved.base_row_losses(SAFETY)).max() > 1e-3


def test_the_gradient_norm_of_the_source_is_free_of_the_rows_noise():
    """In the mean over draws of rows its square is that of the true gradient; that of the rows exceeds it."""
    rng, rows = np.random.default_rng(0), 12
    truth = np.full(20, 0.5)
    squares, covered = {"rows": [], "source": []}, 0
    for draw in range(200):
        of_rows = jnp.asarray(truth + 1.5 * rng.standard_normal((rows, 20)), jnp.float32)
        norms = gradient_norms(Start(1.0, of_rows.mean(axis=0), of_rows, rows), 0.95, draw)
        for name, found in squares.items():
            found.append(norms[name].value ** 2)
        low, high = norms["source"].interval
        covered += low <= np.linalg.norm(truth) <= high
    exact, noise = truth @ truth, 20 * 1.5**2 / rows
    assert np.mean(squares["source"]) == pytest.approx(exact, abs=0.4)
    assert np.mean(squares["rows"]) == pytest.approx(exact + noise, abs=0.6)
    assert covered >= 160
    two = gradient_norms(Start(1.0, of_rows[:2].mean(axis=0), of_rows[:2], 2), 0.95, 0)
    assert set(two) == set(gradient_norms(Start(1.0, of_rows.mean(axis=0), None, rows), 0.95, 0)) == {"rows"}


@pytest.mark.parametrize("name", ["lora", "prompt-tuning"])
def test_an_adapter_that_is_no_number_is_refused(name):
    """As a loss that is not finite, with what may be the cause."""
    model, config, params = base()
    tensors = fresh_adapter(model, ADAPTERS[name], seed=0)
    next(iter(tensors.values()))[0, 0] = np.nan
    broken = adapt(config, ADAPTERS[name], params, tensors, SHAPE, devices=CPU, fresh=False)
    with pytest.raises(UserError, match=r"not finite; try --dtype float32, or check the adapter's values"):
        case_two(broken, TEXTS, [], radii=RADII, budget=BUDGET, same_source=False, confidence=0.95, seed=0)


def test_the_largest_radius_is_where_the_bounds_reach_the_limit(method):
    """0 below the offset; then growing with the limit, with the bound at most the limit; at most the largest ball."""
    found = run(method)
    offset, largest = found.offset["safety_gap"].value, found.radii[-1]
    assert set(found.largest_radius(offset - 0.01).values()) == {0.0}
    before = {"paper": 0.0, "refined": 0.0}
    for limit in offset + np.geomspace(1e-3, 1e3, 13):
        radius = found.largest_radius(float(limit))
        for name in before:
            assert radius[name] >= before[name]
            inside = [at.theorem3[name].value <= limit for at in found.radii if at.radius <= radius[name]]
            outside = [at.theorem3[name].value > limit for at in found.radii if at.radius > radius[name]]
            assert all(inside) and all(outside)
        before = radius
    assert before == {"paper": largest.radius, "refined": largest.radius}


def gained(result, distance):
    """Predicted by the quadratic model along -g_f, against the aligned model."""
    step = result.directions["descent"]
    along = distance * step.gain_slope - 0.5 * distance**2 * step.capability_curvature
    return along - result.offset["capability_gap"].value


def test_methods_are_compared_at_equal_gain():
    """The cheapest first; each at the distance, within its largest ball, whose predicted gain is the common one."""
    comparison = compare([run(name) for name in METHODS])
    assert {each.method for each in comparison.methods} == set(METHODS)
    reaches = [each.reach for each in comparison.methods]
    assert comparison.gain == min(reach for reach in reaches if reach > 0) / 2
    able = [each for each in comparison.methods if each.distance is not None]
    assert able == [each for each in comparison.methods[: len(able)] if each.reach >= comparison.gain]
    costs = [each.cost.value for each in able]
    assert costs == sorted(costs) and len(able) >= 2
    for each in able:
        result = run(each.method)
        assert 0 < each.distance <= result.radii[-1].radius
        assert gained(result, each.distance) == pytest.approx(comparison.gain, rel=1e-6)
        assert each.reach >= gained(result, each.distance)
        assert each.cost.value == pytest.approx(result.offset["safety_gap"].value + each.drift.value)
        assert each.cost.kind == "predicted"


def behind(result, by):
    """The same method, starting behind the aligned model by this much."""
    offset = replace(result.offset["capability_gap"], value=by)
    return replace(result, method=f"behind by {by:g}", offset=result.offset | {"capability_gap": offset})


def test_methods_that_cannot_gain_as_much_come_last_and_have_no_cost():
    """One that starts behind has to make up for it first, one that starts ahead need not move at all."""
    plain = run("lora")
    reach = compare([plain]).methods[0].reach
    found = compare([behind(plain, 2 * reach), plain, behind(plain, -2 * reach)])
    assert found.gain == pytest.approx(reach / 2)
    ahead, same, hopeless = found.methods
    assert (ahead.distance, ahead.drift) == (0.0, None) and ahead.cost == plain.offset["safety_gap"]
    assert same.method == "lora" and same.cost.value >= ahead.cost.value
    assert hopeless.reach == pytest.approx(-reach)
    assert hopeless.distance is hopeless.drift is hopeless.cost is None
    nothing = compare([behind(plain, 2 * reach)])
    assert nothing.gain is None and nothing.methods[0].cost is None


def test_alignment_and_proxy_of_one_source_share_everything():
    """The quadratic model is then that of capability and alignment; each step of the work is announced."""
    steps = []
    texts = {"alignment": SAFETY, "proxy": SAFETY, "capability": CAPABILITY}
    ours = adapted("output-head")
    arguments = {"radii": (0.1,), "budget": BUDGET, "confidence": 0.95, "seed": 0}
    same = case_two(ours, texts, INFORMATION, same_source=True, progress=steps.append, **arguments)
    apart = case_two(ours, texts, INFORMATION, same_source=False, **arguments)
    assert set(same.spectra) == {"alignment", "capability"} and "proxy" in apart.spectra
    one, other = (each.radii[0].sharing[0].interference.value for each in (same, apart))
    assert one == pytest.approx(other, rel=1e-4) and one >= 0
    assert len(steps) >= 5 and all(step.startswith("output-head: ") for step in steps)
