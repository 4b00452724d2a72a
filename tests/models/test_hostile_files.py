"""Weights whose headers lie, and links that lead elsewhere: one line, at once, and no memory taken."""

import json
import os
import resource
import shutil
import struct
import time
from contextlib import contextmanager

import pytest
import torch
from safetensors.torch import save_file

from tradeoffbounds.models.load import load_tokenizer
from tradeoffbounds.models.peft_folder import read_adapter

from .refusals import loaded, refused

pytestmark = pytest.mark.usefixtures("offline")


# Hostile headers


@contextmanager
def within(seconds, megabytes):
    """Neither time nor memory runs away."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert time.monotonic() - began < seconds
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < megabytes * 1024


def header(content):
    text = json.dumps(content).encode()
    return struct.pack("<Q", len(text)) + text


HOSTILE_SAFETENSORS = {
    "a header longer than the file": struct.pack("<Q", 2**63 - 1) + b"{}",
    "a header of a gigabyte": struct.pack("<Q", 2**30) + b"{}",
    "a tensor of exabytes": header({"a": {"dtype": "F32", "shape": [2**60], "data_offsets": [0, 2**62]}}),
    "a shape that overflows": header({
        "a": {"dtype": "F32", "shape": [2**63, 2**63], "data_offsets": [0, 4]}
    }) + bytes(4),
    "a negative shape": header({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}) + bytes(4),
    "offsets outside": header({"a": {"dtype": "F32", "shape": [1], "data_offsets": [400, 404]}}) + bytes(4),
    "offsets that overlap": header({
        name: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for name in "ab"
    }) + bytes(4),
    "no JSON": struct.pack("<Q", 2) + b"{{",
    "nested too deeply": struct.pack("<Q", 200_000) + b"[" * 200_000,
    "a pickle": None,
}  # fmt: skip


@pytest.mark.parametrize("content", HOSTILE_SAFETENSORS.values(), ids=HOSTILE_SAFETENSORS.keys())
def test_hostile_safetensors_are_an_error_at_once(copy, adapter, marker, content):
    content = marker.trap if content is None else content
    (copy / "model.safetensors").write_bytes(content)
    (adapter / "adapter_model.safetensors").write_bytes(content)
    with within(seconds=5, megabytes=100):
        assert refused(loaded, copy).startswith(f"--model {copy}: ")
        said = refused(lambda: read_adapter(adapter, model="owner/tiny", settings={}))
    assert said.startswith(f"adapter {adapter}: cannot read adapter_model.safetensors: ")
    assert not marker.sprung()


def test_a_weight_that_is_missing_is_not_made_up(copy, tiny_model):
    tensors = {name: each for name, each in tiny_model.state_dict().items() if "layers.0" not in name}
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    said = refused(loaded, copy)
    assert f"--model {copy}: has no values for 9 of its weights (model.layers.0." in said


def packed(*fields):
    """A GGUF file of version 3, field by field."""
    found = b"GGUF" + struct.pack("<I", 3)
    for field in fields:
        found += field if isinstance(field, bytes) else struct.pack("<Q", field)
    return found


def text(value):
    return struct.pack("<Q", len(value)) + value


LLAMA = text(b"general.architecture") + struct.pack("<I", 8) + text(b"llama")
HOSTILE_GGUF = {
    "countless tensors": packed(2**62, 0),
    "countless settings": packed(0, 2**62),
    "an endless name": packed(0, 1, 2**62),
    "an endless text": packed(0, 1, text(b"a") + struct.pack("<I", 8), 2**62),
    "an endless list": packed(0, 1, text(b"a") + struct.pack("<II", 9, 4), 2**62),
    "an unknown type": packed(0, 1, text(b"a") + struct.pack("<I", 99)),
    "a tensor of exabytes": packed(1, 1, LLAMA, text(b"w") + struct.pack("<IQQIQ", 2, 2**31, 2**31, 0, 0)),
    "a tensor of another place": packed(1, 1, LLAMA, text(b"w") + struct.pack("<IQIQ", 1, 4, 0, 2**62)),
    "a tensor of 2^32 axes": packed(1, 1, LLAMA, text(b"w") + struct.pack("<I", 2**32 - 1)),
    "an unknown format": packed(1, 1, LLAMA, text(b"w") + struct.pack("<IQIQ", 1, 4, 999, 0)),
    "an unknown version": b"GGUF" + struct.pack("<IQQ", 77, 0, 0),
}


@pytest.mark.parametrize("content", HOSTILE_GGUF.values(), ids=HOSTILE_GGUF.keys())
def test_hostile_gguf_files_are_an_error_at_once(tmp_path, content):
    path = tmp_path / "hostile.gguf"
    path.write_bytes(content)
    with within(seconds=5, megabytes=100):
        for call in (loaded, load_tokenizer):
            assert refused(call, str(path)).startswith(f"--model {path}: ")


# Links


def test_links_are_followed_as_the_hubs_own_cache_needs(copy, tmp_path, tiny_model):
    linked = tmp_path / "linked"
    linked.mkdir()
    for each in copy.iterdir():
        (linked / each.name).symlink_to(each)
    assert torch.equal(loaded(linked).lm_head.weight, tiny_model.lm_head.weight)


@pytest.mark.parametrize("target", ["/dev/zero", "pipe", "folder", "nothing", "pickle"])
def test_behind_a_link_must_be_a_regular_file_of_the_format(copy, adapter, tmp_path, marker, target):
    (tmp_path / "folder").mkdir()
    (tmp_path / "pickle").write_bytes(marker.trap)
    os.mkfifo(tmp_path / "pipe")
    for name in ("model.safetensors", "config.json"):
        spoilt = shutil.copytree(copy, tmp_path / f"with {name}")
        (spoilt / name).unlink()
        (spoilt / name).symlink_to(tmp_path / target)
        assert refused(loaded, spoilt).startswith(f"--model {spoilt}: ")
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        (adapter / name).unlink()
        (adapter / name).symlink_to(tmp_path / target)
        said = refused(lambda: read_adapter(adapter, model="owner/tiny", settings={}))
        assert said.startswith(f"adapter {adapter}: ")
    assert not marker.sprung()
