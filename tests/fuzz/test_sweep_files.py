"""Sweep files of any content: the product of their options, or one line."""

from __future__ import annotations

import itertools
import time

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from tradeoffbounds.errors import UserError
from tradeoffbounds.grid import MOST_CONFIGS, expand, read_sweep
from tradeoffbounds.validate_config import ValidateConfig, sweep_points

from .trial import Refused, inputs, outcome
from .values import TEXT, nested, spoilt

OPTIONS = st.sampled_from(
    ["proxy", "capability", "peft", "objective", "penalty", "radius", "seeds", "steps", "batch", "learning_rate"]
)
VALUES = st.one_of(
    st.integers(-3, 300), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none(),
    st.sampled_from(["lora", "ia3", "sft", "dpo", "alpaca", "null", "2026-02-30"]),
)  # fmt: skip
GRIDS = st.dictionaries(OPTIONS, VALUES | st.lists(VALUES, max_size=3), min_size=1, max_size=3)
WHOLE = b"proxy: [alpaca, b=dolly]\npenalty: [0.1, 1e-3]\npeft: lora\nsteps: 3\n"
#: What a YAML file can hold beside plain values.
TAGS = st.sampled_from([
    b"!!int ''", b"!!bool 2", b"!!float ''", b"!!timestamp 3", b"!!python/object/apply:os.system [true]",
    b"!!binary x", b"!!set {a}",
    b"&a [*a]", b"*b", b"<<: 3", b"? [1]\n: 2", b"2026-02-30", b".nan", b".inf", b"1e999", b"'\\ud800'",
    b'"\\ud800"', b"0o9", b"=",
    b"%YAML 3.0\n---\n", b"---\n", b"[" * 900, b"{a: " * 300, b"9" * 400, b"9" * 5000, b"!!omap [1]", b"!!null x",
    b"\t- a",
])  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("sweep") / "grid.yaml"


def product(grid):
    values = {name: each if isinstance(each, list) else [each] for name, each in grid.items()}
    return [dict(zip(values, each, strict=True)) for each in itertools.product(*values.values())]


@inputs(0.3)
@given(st.lists(GRIDS, min_size=1, max_size=2))
def test_a_grid_that_is_written_is_the_grid_that_is_read(path, grids):
    path.write_text(yaml.safe_dump(grids if len(grids) > 1 else grids[0], sort_keys=False, allow_unicode=True), "utf-8")
    found = outcome("sweep files", lambda: read_sweep(path))
    expected = [config for grid in grids for config in product(grid)]
    if isinstance(found, Refused):
        assert (
            any(not each for grid in grids for each in product(grid) or [None])
            or "empty list" in found
            or "holds nothing" in found
        )
    else:
        # Equal configurations are one; as JSON tells them apart, for which 1 and true are two.
        seen = {repr(sorted(config.items())): config for config in expected}
        assert found == list(seen.values())


@inputs(0.5)
@given(st.data())
@example(None)
def test_a_spoilt_sweep_file_is_read_or_refused(path, data):
    content = WHOLE + b"x: !!int ''" if data is None else data.draw(spoilt(WHOLE))
    if data is not None and data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(WHOLE)))
        content = WHOLE[:at] + data.draw(TAGS) + WHOLE[at:]
    path.write_bytes(content)
    found = outcome("sweep files", lambda: read_sweep(path))
    if not isinstance(found, Refused):
        points = outcome("sweep files", lambda: sweep_points(path, ValidateConfig()))
        assert isinstance(points, Refused) or len(points) == len(found)
    assert path.read_bytes() == content


@inputs(0.2)
@given(nested(OPTIONS))
def test_a_file_of_any_shape_is_read_or_refused(path, value):
    try:
        path.write_text(yaml.safe_dump(value, allow_unicode=True), "utf-8")
    except UnicodeEncodeError:
        path.write_text(yaml.safe_dump(value, allow_unicode=False), "utf-8")
    found = outcome("sweep files", lambda: read_sweep(path))
    if not isinstance(found, Refused):
        outcome("sweep files", lambda: sweep_points(path, ValidateConfig()))


@inputs(0.05)
@given(st.dictionaries(TEXT, st.lists(st.integers(), min_size=1, max_size=3), max_size=3))
def test_expand_is_the_product(grid):
    assert expand(grid) == product(grid)


# Minimal inputs of what was found


@pytest.mark.parametrize("content", [
    b"a: !!int ''", b"a: !!bool 2", b"a: !!timestamp 3", b'a: "\\ud800"', b"a: " + b"9" * 400, b"a: " + b"9" * 5000,
    b"a: " + b"[" * 1500,
])  # fmt: skip
def test_minimal_bad_sweeps(path, content):
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"grid.yaml") as caught:
        read_sweep(path)
    assert "\n" not in str(caught.value)


def test_aliases_of_aliases_are_refused_at_once(path):
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    path.write_text("\n".join(lines))
    begun = time.monotonic()
    with pytest.raises(UserError, match="option 'a1' has "):
        read_sweep(path)
    assert time.monotonic() - begun < 5


def test_a_grid_larger_than_any_sweep_is_refused_before_it_is_laid_out(path):
    path.write_text("".join(f"a{n}: {list(range(100))}\n" for n in range(5)))
    with pytest.raises(UserError, match=f"the options have 10000000000 combinations; at most {MOST_CONFIGS} "):
        read_sweep(path)
