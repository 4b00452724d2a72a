"""What does not fit is refused before it runs, with advice that would help; what the compiler foresees is real."""

from __future__ import annotations

import re
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

from tradeoffbounds.curvature import memory, products
from tradeoffbounds.curvature.memory import available_bytes, check_fits, check_loads
from tradeoffbounds.curvature.products import ChunkedLoss, Programs
from tradeoffbounds.errors import UserError

GB = 10**9


def program(temporary, output=0):
    """What a compiled program says of itself."""
    sizes = SimpleNamespace(temp_size_in_bytes=temporary, output_size_in_bytes=output)
    return SimpleNamespace(memory_analysis=lambda: sizes)


@pytest.fixture
def free(monkeypatch):
    """Sets how much memory there is."""
    return lambda size: monkeypatch.setattr(memory, "available_bytes", lambda device=None: size)


@pytest.mark.parametrize(("rows", "temporary", "fitting"), [(8, 16 * GB, 4), (8, 10 * GB, 6), (64, 400 * GB, 1)])
def test_the_chunk_that_would_fit_is_named(free, rows, temporary, fitting):
    """Of what is free 5% is left alone; the advice leaves more for what does not grow with the rows."""
    free(10 * GB)
    with pytest.raises(UserError, match=rf"--chunk {fitting}$") as caught:
        check_fits(program(temporary), rows)
    said = str(caught.value)
    assert f"{rows} rows at once needs {temporary / GB:.1f} GB" in said and "9.5 GB are free" in said
    check_fits(program(temporary * fitting // rows), fitting)


def test_a_single_row_that_does_not_fit_needs_something_else_to_change(free):
    """No chunk is named, which would be zero."""
    free(GB)
    for rows, temporary, output in ((1, 2 * GB, 0), (4, 5 * GB, 0), (4, GB, 2 * GB), (4, 0, 2 * GB)):
        with pytest.raises(UserError, match="single row: use a smaller --max-tokens or a smaller model") as caught:
            check_fits(program(temporary, output), rows)
        assert "--chunk" not in str(caught.value)


def test_results_count_as_well_as_intermediate_values(free):
    """Each alone would fit."""
    free(10 * GB)
    check_fits(program(9 * GB), 4)
    check_fits(program(0, 9 * GB), 4)
    with pytest.raises(UserError, match=r"needs 18\.0 GB"):
        check_fits(program(9 * GB, 9 * GB), 4)


def test_a_backend_that_does_not_say_is_trusted(free):
    """Nothing is known, so nothing is refused."""
    free(0)
    check_fits(SimpleNamespace(memory_analysis=lambda: None), 4)


def test_weights_that_do_not_fit_are_refused_with_a_way_out(free):
    """How much, how much is free, and what to change."""
    free(10 * GB)
    check_loads(9 * GB)
    with pytest.raises(UserError, match=r"14\.0 GB and 9\.5 GB are free: use --dtype bfloat16, .*--curvature off"):
        check_loads(14 * GB)


def test_free_memory_is_the_devices_own_or_the_machines():
    """An accelerator says what it holds; one that does not, and the CPU, share the machine's."""
    held = {"bytes_limit": 100, "bytes_in_use": 30}
    assert available_bytes(SimpleNamespace(platform="gpu", memory_stats=lambda: held)) == 70
    for device in (None, jax.devices("cpu")[0], SimpleNamespace(platform="gpu", memory_stats=lambda: None)):
        assert available_bytes(device) > 10**6


def network_rows(theta, frozen, chunk):
    """A layer whose inner states are much larger than its parameters."""
    return jnp.tanh(chunk @ theta.reshape(8, -1)).sum(axis=1)


def network(chunks, rows):
    return ChunkedLoss(network_rows, (), jnp.ones((chunks, rows, 8)), Programs())


def test_a_program_that_does_not_fit_never_runs_and_is_not_kept(free, monkeypatch):
    """Once there is memory, the same call works."""
    loss, theta = network(1, 4), jnp.ones(8 * 1000)
    free(100)
    with pytest.raises(UserError, match="rows at once needs"):
        loss.value_and_gradient(theta)
    free(GB)
    assert float(loss.value_and_gradient(theta)[0]) > 0


@pytest.fixture
def needs(monkeypatch):
    """Bytes of every program compiled, as the compiler foresees them."""
    seen = []

    def noted(executable, rows, device):
        analysis = executable.memory_analysis()
        seen.append((rows, analysis.temp_size_in_bytes))

    monkeypatch.setattr(products, "check_fits", noted)
    return seen


@pytest.mark.parametrize("what", ["gradient", "hvp", "hvps"])
def test_memory_is_that_of_one_chunk(needs, what):
    """Twice the rows of a chunk need about twice as much; sixteen times the chunks need nothing more."""
    theta = jnp.ones(8 * 1000)
    call = {
        "gradient": lambda loss: loss.value_and_gradient(theta),
        "hvp": lambda loss: loss.hvp(theta, theta),
        "hvps": lambda loss: loss.hvps(theta, theta[None]),
    }[what]
    for chunks, rows in ((2, 64), (2, 128), (2, 256), (32, 64)):
        call(network(chunks, rows))
    (_, one), (_, two), (_, four), (_, many) = needs
    assert [rows for rows, _ in needs] == [64, 128, 256, 64]
    inner = 64 * 1000 * 4
    assert two - one >= inner and 1.5 * (two - one) <= four - two <= 2.5 * (two - one)
    assert many <= one + inner / 10


def test_the_advice_holds_for_a_real_program(free, monkeypatch):
    """A loss of too many rows at once says which chunk to use, and with that chunk it runs."""
    theta, sizes = jnp.ones(8 * 1000), []
    monkeypatch.setattr(
        products, "check_fits", lambda program, *_: sizes.append(program.memory_analysis().temp_size_in_bytes)
    )
    network(1, 256).hvp(theta, theta)
    monkeypatch.setattr(products, "check_fits", check_fits)
    free(sizes[0] // 3)
    with pytest.raises(UserError, match="--chunk") as caught:
        network(1, 256).hvp(theta, theta)
    fitting = int(re.search(r"--chunk (\d+)$", str(caught.value))[1])
    assert 8 <= fitting < 256 / 3
    network(256 // fitting, fitting).hvp(theta, theta)
