"""Lanczos' ends of the spectrum against dense eigenvalues: prescribed spectra, degenerate ones, tiny transformers."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from tradeoffbounds.curvature.spectrum import TOLERANCE, random_start, spectrum

from .losses import Waves, quadratic, symmetric
from .tiny_adapted import SAFETY, adapted

pytestmark = pytest.mark.usefixtures("quick_compilation")

SIZE = 60
#: Name -> eigenvalues, rising.
SPECTRA = {
    "two ends": np.repeat([-1.0, 1.0], SIZE // 2),
    "far clusters": np.sort(np.concatenate([np.linspace(-5.02, -5, 3), np.linspace(-0.1, 0.1, 54), [8, 8.01, 8.02]])),
    "wide range": np.sort(np.concatenate([-np.geomspace(1e-3, 1e3, 20), np.geomspace(1e-3, 1e4, 40)])),
    "rank four": np.sort(np.concatenate([np.zeros(SIZE - 4), [-3.0, -1.0, 2.0, 5.0]])),
    "no curvature upwards": np.linspace(-10.0, -1.0, SIZE),
    "identity": np.ones(SIZE),
}


def slack(norm):
    """Rounding of float32 products, which inclusions may be off by."""
    return 1e-5 * norm + 1e-30


def check_inclusions(found, eigenvalues):
    """What is proved: Rayleigh quotients lie inside, and some eigenvalue within the residual of each Ritz value."""
    norm = np.abs(eigenvalues).max()
    assert eigenvalues[0] - slack(norm) <= found.lowest <= found.highest <= eigenvalues[-1] + slack(norm)
    assert found.norm <= norm + slack(norm) and found.norm <= found.norm_estimate
    distances = np.abs(found.values[:, None] - eigenvalues).min(axis=1)
    assert (distances <= found.residuals + slack(norm)).all()
    np.testing.assert_allclose(found.basis @ found.basis.T, np.eye(len(found.values)), atol=1e-3)


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("seed", range(3))
def test_both_ends_of_prescribed_spectra_are_found(name, seed):
    """λ_min and λ_max within 1%, also where the Krylov space is exhausted long before the steps are."""
    eigenvalues = SPECTRA[name]
    hessian = symmetric(np.random.default_rng(seed), eigenvalues).astype(np.float32)
    found = spectrum(quadratic(hessian), jnp.zeros(SIZE), random_start(SIZE, seed), 40)
    assert found.lowest == pytest.approx(eigenvalues[0], rel=0.01)
    assert found.highest == pytest.approx(eigenvalues[-1], rel=0.01)
    assert found.converged
    check_inclusions(found, np.linalg.eigvalsh(hessian.astype(np.float64)))


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("name", SPECTRA)
def test_inclusions_hold_after_any_number_of_steps(name, steps):
    """However few the steps, every Ritz value is a Rayleigh quotient with an eigenvalue within its residual."""
    hessian = symmetric(np.random.default_rng(5), SPECTRA[name]).astype(np.float32)
    found = spectrum(quadratic(hessian), jnp.zeros(SIZE), random_start(SIZE, 1), steps)
    check_inclusions(found, np.linalg.eigvalsh(hessian.astype(np.float64)))


@pytest.mark.parametrize(("inside", "count"), [([0], 1), ([0, 3], 2), ([1, 2, 5], 3)])
def test_a_start_inside_an_invariant_subspace_sees_that_subspace_alone(inside, count):
    """Lanczos breaks down there, exactly or with noise inside the subspace: no made-up Ritz values, residual zero."""
    start = jnp.eye(6)[jnp.asarray(inside)].sum(axis=0)
    found = spectrum(quadratic(np.diag([1.0, 2, 3, 4, 5, 6])), jnp.zeros(6), start, 6)
    np.testing.assert_allclose(found.values, np.sort(np.asarray(inside) + 1.0), rtol=1e-5)
    assert len(found.values) == count and found.residuals.max() < 1e-4 and found.converged


def test_a_zero_hessian_has_the_eigenvalue_zero():
    """It is not mistaken for one that is not finite."""
    found = spectrum(quadratic(np.zeros((6, 6))), jnp.zeros(6), jnp.ones(6), 4)
    assert found.values.tolist() == [0.0] and found.norm_estimate == 0.0 and found.converged


def test_rank_one_is_seen_whole_after_two_steps():
    """The residual is that of the last usable step, and not zero before it."""
    hessian = np.ones((6, 6))
    found = spectrum(quadratic(hessian), jnp.zeros(6), random_start(6, 0), 6)
    np.testing.assert_allclose(found.values, [0.0, 6.0], atol=1e-5)
    early = spectrum(quadratic(hessian), jnp.zeros(6), random_start(6, 0), 1)
    assert early.residuals[0] > 0.1 and not early.converged


def test_top_vectors_are_eigenvectors_of_the_values_largest_in_size(rng):
    """Largest first, of either sign."""
    hessian = symmetric(rng, [-9.0, -1.0, 0.0, 0.5, 1.0, 2.0, 4.0, 6.0])
    found = spectrum(quadratic(hessian), jnp.zeros(8), random_start(8, 0), 8)
    top = np.asarray(found.top_vectors(3), np.float64)
    np.testing.assert_allclose(top @ top.T, np.eye(3), atol=1e-5)
    np.testing.assert_allclose(hessian @ top.T, top.T * [-9.0, 6.0, 4.0], atol=1e-4)


def test_too_few_steps_are_not_called_converged(rng):
    """The flag goes up when both ends are within the tolerance, and is down while they are off."""
    eigenvalues = np.concatenate([[-4.0], np.linspace(-1, 1, 98), [5.0]])
    hessian = symmetric(rng, eigenvalues)
    seen = []
    for steps in (1, 2, 3, 5, 15, 30):
        found = spectrum(quadratic(hessian), jnp.zeros(100), random_start(100, 0), steps)
        errors = abs(found.lowest / -4 - 1), abs(found.highest / 5 - 1)
        seen.append((found.converged, max(errors)))
        assert not found.converged or max(errors) < TOLERANCE
    assert [converged for converged, _ in seen] == sorted(converged for converged, _ in seen)
    assert not any(converged for converged, _ in seen[:3]) and seen[-1][0]


def test_the_hessian_is_that_of_the_point_asked_for(rng):
    """Of a loss that is not quadratic, the spectrum moves with the point."""
    waves = Waves.random(rng, 6, 5)
    for at in rng.standard_normal((3, 5)):
        dense = np.linalg.eigvalsh(waves.hessian(at))
        found = spectrum(waves.loss(), jnp.asarray(at, jnp.float32), random_start(5, 1), 9)  # more than there are
        np.testing.assert_allclose(found.values, dense, atol=1e-5)


@pytest.mark.parametrize("broken", [np.nan, np.inf, 1e30])
def test_a_hessian_that_is_not_finite_raises(broken):
    """Also one whose products are finite but too long to be normalised."""
    hessian = np.eye(5)
    hessian[2, 3] = hessian[3, 2] = broken
    with pytest.raises(FloatingPointError, match="not finite"):
        spectrum(quadratic(hessian), jnp.zeros(5), jnp.ones(5), 3)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora", "ia3", "prompt-tuning"])
def test_ends_of_a_transformers_dense_hessian(method):
    """All adapter parameters of a tiny Llama, away from their start, from the gradient and from a random vector."""
    ours = adapted(method, moved=0.1)
    loss, theta = ours.loss(SAFETY), ours.theta
    dense = np.asarray(loss.hvps(theta, jnp.eye(theta.size)), np.float64)
    eigenvalues = np.linalg.eigvalsh((dense + dense.T) / 2)
    np.testing.assert_allclose(dense, dense.T, atol=1e-5 * np.abs(eigenvalues).max())
    assert eigenvalues[0] < -0.1 < 0.1 < eigenvalues[-1]  # indefinite: both ends are to be found
    for start in (loss.value_and_gradient(theta)[1], random_start(theta.size, 0)):
        found = spectrum(loss, theta, start, 30)
        assert found.lowest == pytest.approx(eigenvalues[0], rel=0.01)
        assert found.highest == pytest.approx(eigenvalues[-1], rel=0.01)
        assert found.converged
        check_inclusions(found, eigenvalues)
        check_inclusions(spectrum(loss, theta, start, 5), eigenvalues)
