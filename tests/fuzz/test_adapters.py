"""Adapter folders whose settings or tensors were tampered with: what was saved, or one line."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tradeoffbounds.models.adapter_config import METHODS, preset
from tradeoffbounds.models.fresh_adapter import tensor_shapes
from tradeoffbounds.models.peft_folder import CONFIG, TENSORS, read_adapter, write_adapter
from tradeoffbounds.models.weights import model_settings

from ..tiny_models import tiny_llama
from .trial import Refused, inputs, outcome
from .values import TEXT, dumped, nested, spoilt

KEYS = st.sampled_from([
    "peft_type", "task_type", "r", "lora_alpha", "target_modules", "use_rslora", "init_lora_weights",
    "num_virtual_tokens",
    "base_model_name_or_path", "feedforward_modules", "exclude_modules", "bias", "modules_to_save", "num_layers",
    "use_dora",
    "rank_pattern", "fan_in_fan_out", "auto_mapping", "layers_to_transform", "token_dim", "inference_mode",
])  # fmt: skip
VALUES = nested(KEYS) | st.sampled_from(
    ["LORA", "IA3", "PROMPT_TUNING", "CAUSAL_LM", ["q_proj"], ["q_proj", "v_proj"], "all-linear", 8, 16.0, 20]
)


@pytest.fixture(scope="module")
def settings():
    return model_settings(tiny_llama())


@pytest.fixture(scope="module")
def saved(settings, tmp_path_factory):
    """A folder of each method that PEFT has."""
    rng, folders = np.random.default_rng(0), {}
    for method in METHODS[:3]:
        config = preset(method, settings["hidden_size"])
        shapes = tensor_shapes(config, settings)
        tensors = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
        folders[method] = tmp_path_factory.mktemp(method) / "adapter"
        write_adapter(folders[method], config, tensors, model="tiny")
    return folders


@pytest.fixture(scope="module")
def copy(saved, tmp_path_factory):
    """A copy of a folder, in the place of the one before."""
    folder = tmp_path_factory.mktemp("copy") / "adapter"

    def copied(method):
        if not folder.exists() or not any(folder.iterdir()):
            folder.mkdir(exist_ok=True)
        for path in saved[method].iterdir():
            shutil.copy(path, folder / path.name)
        return folder

    return copied


def read(folder, settings):
    return outcome("adapters", lambda: read_adapter(folder, model="tiny", settings=settings), one_line=False)


@inputs(0.6)
@given(st.sampled_from(METHODS[:3]), st.dictionaries(KEYS | TEXT, VALUES, max_size=2), st.sets(KEYS, max_size=1))
@example("lora", {}, set())
def test_changed_settings_are_read_as_they_stand_or_refused(copy, saved, settings, method, changes, left_out):
    folder = copy(method)
    record = json.loads((saved[method] / CONFIG).read_text("utf-8")) | changes
    record = {key: value for key, value in record.items() if key not in left_out}
    (folder / CONFIG).write_text(dumped(record), "utf-8")
    found = read(folder, settings)
    if isinstance(found, Refused):
        assert changes or left_out
        return
    config, tensors = found
    assert (
        config.method
        == {"LORA": "lora", "IA3": "ia3", "PROMPT_TUNING": "prompt-tuning", "P_TUNING": "p-tuning"}[record["peft_type"]]
    )
    if config.method == "lora":
        assert config.rank == record["r"] and config.alpha == record["lora_alpha"]
    untouched, _ = read_adapter(saved[method], model="tiny", settings=settings), None
    assert all(np.array_equal(tensors[name], kept) for name, kept in untouched[1].items())


@inputs(0.2)
@given(st.data())
def test_a_spoilt_settings_file_is_read_or_refused(copy, saved, settings, data):
    folder = copy("lora")
    (folder / CONFIG).write_bytes(data.draw(spoilt((saved["lora"] / CONFIG).read_bytes())))
    read(folder, settings)


@inputs(0.2)
@given(st.data())
def test_spoilt_tensors_are_finite_or_refused(copy, saved, settings, data):
    folder = copy("lora")
    whole = (saved["lora"] / TENSORS).read_bytes()
    length = int.from_bytes(whole[:8], "little")
    part = data.draw(st.sampled_from(["length", "header", "tensors", "end"]))
    if part == "length":
        whole = data.draw(st.integers(0, 2**64 - 1)).to_bytes(8, "little") + whole[8:]
    elif part == "header":
        header = data.draw(spoilt(whole[8 : 8 + length]))
        whole = (
            (len(header) if data.draw(st.booleans()) else length).to_bytes(8, "little") + header + whole[8 + length :]
        )
    elif part == "tensors":
        at = data.draw(st.integers(8 + length, len(whole) - 4))
        whole = (
            whole[:at]
            + data.draw(st.sampled_from([b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f", b"\xff" * 4, b"\x00" * 4]))
            + whole[at + 4 :]
        )
    else:
        whole = whole[: data.draw(st.integers(0, len(whole) - 1))]
    (folder / TENSORS).write_bytes(whole)
    found = read(folder, settings)
    if not isinstance(found, Refused):
        assert all(np.isfinite(tensor).all() for tensor in found[1].values())
