"""Case II through the door: what is said of balls before the fine-tunes within them, beside what they did."""

from __future__ import annotations

import jax
import pytest

from .conftest import no_figures

pytestmark = [pytest.mark.usefixtures("offline", "unchecked_shapes"), pytest.mark.slow]


@pytest.fixture(scope="module")
def curved(command, tmp_path_factory):
    """Two balls, and a penalty beside them. Compiled without optimisation: much is compiled and little computed."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    with pytest.MonkeyPatch.context() as patch:
        no_figures(patch)
        out = tmp_path_factory.mktemp("curved")
        found = command(out, proxy="same=safety", penalty=1.0, radius=(0.0, 0.02), curvature="auto")
    jax.config.update("jax_disable_most_optimizations", before)
    return found.record


def run_of(record, **config):
    (found,) = (run for run in record["runs"] if config.items() <= run["config"].items())
    return found


def test_balls_are_bounded_from_the_gaps_of_the_start(curved):
    run = run_of(curved, radius=0.02)
    assert set(run["bounds"]) == {"theorem3.paper", "theorem3.refined", "capability.lower", "capability.upper"}
    assert set(run["judged"]) == set(run["bounds"]) and set(run["predicted"]) == {"drift"}
    low, high = (run["bounds"][f"capability.{side}"]["value"] for side in ("lower", "upper"))
    # A fine-tune in the ball gains, and only so much.
    assert low < high <= run["observed"]["capability_gap_start"]["value"]
    assert run["bounds"]["theorem3.paper"]["value"] >= run["observed"]["safety_gap_start"]["value"]
    assert run["path"]["lipschitz"]["value"] > 0 < run["path"]["largest_gradient"]["value"]


def test_the_gradient_of_the_training_is_the_one_that_case_two_begins_with(curved):
    """Torch along the fine-tune, JAX before it: the same rows, the same adapter at the same start."""
    (part,) = curved["curvature"]
    assert (part["proxy"], part["capability"]) == ("same", "code")
    foretold = part["parameter_constraint"]
    for radius in (0.0, 0.02):
        path = run_of(curved, radius=radius)["path"]
        assert path["gradient_norm"][0] == pytest.approx(foretold["constants"]["grad_norm_s"]["value"], rel=1e-3)
        assert path["safety_loss"][0] == pytest.approx(foretold["loss"]["safety_gap"]["value"], rel=1e-4)


def test_in_a_ball_of_radius_0_the_run_is_the_start(curved):
    run = run_of(curved, radius=0.0)
    assert run["bounds"] == {} and run["observed"]["distance"]["value"] == 0
    for gap in ("safety_gap", "capability_gap"):
        assert run["observed"][gap]["value"] == pytest.approx(run["observed"][f"{gap}_start"]["value"], abs=1e-4)


def test_with_a_penalty_the_cost_of_sharing_is_predicted_too(curved):
    slack = run_of(curved, penalty=1.0)["slack"]
    predicted = slack["sharing_predicted"]
    assert predicted["kind"] == "predicted" and predicted["method"].startswith("reduced quadratic model")
    # Of random weights and eight rows the model may have no minimum, which it then says.
    assert (predicted["value"] is None) == (predicted.get("status", "").startswith("vacuous"))
    assert predicted["value"] is None or predicted["value"] >= 0
