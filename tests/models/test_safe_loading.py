"""Models, adapters and checkpoints of people who mean harm: nothing of theirs is run, and one line says why."""

import json

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from tradeoffbounds.finetune.train import CHECKPOINTS
from tradeoffbounds.harm.judges import make_judge
from tradeoffbounds.models.load import check_model, load_model, load_settings, load_tokenizer
from tradeoffbounds.models.peft_folder import load_adapter, read_adapter
from tradeoffbounds.sources import render

from ..finetune.lessons import killed_at, lesson, tune
from ..tiny_models import chat_tokenizer
from ..traps import Trap
from .refusals import ON_CPU, loaded, refused

pytestmark = pytest.mark.usefixtures("offline")
PICKLED = ["pytorch_model.bin", "model.pt", "model.pth", "model.ckpt", "model.pkl", "weights.npz"]


def change(path, **settings):
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


# Pickled weights


@pytest.mark.parametrize("name", PICKLED)
def test_a_model_of_pickled_weights_alone_is_refused_with_the_way_out(copy, marker, name):
    (copy / "model.safetensors").unlink()
    (copy / name).write_bytes(marker.trap)
    said = refused(loaded, copy)
    assert said.startswith(f"--model {copy}: no model.safetensors there; {name} may hold a pickle, which can run code")
    assert "convert it to safetensors where you trust it: load it with transformers" in said
    assert not marker.sprung()


def test_pickles_beside_safetensors_are_left_alone(copy, marker, tiny_model):
    for name in (*PICKLED, "training_args.bin", "optimizer.pt"):
        (copy / name).write_bytes(marker.trap)
    assert torch.equal(loaded(copy).lm_head.weight, tiny_model.lm_head.weight)
    assert not marker.sprung()


@pytest.mark.parametrize(
    ("name", "reason"),
    [(name, "may hold a pickle, which can run code when it is read, and is never opened") for name in PICKLED]
    + [
        (name, "is an archive, and archives are never opened; unpack it yourself and look at what is in it")
        for name in ("model.zip", "model.tar", "model.tar.gz")
    ],
)
def test_a_file_of_another_kind_is_refused_before_anything_is_opened_or_asked_for(tmp_path, marker, name, reason):
    (tmp_path / name).write_bytes(marker.trap)
    for spec in (str(tmp_path / name), str(tmp_path / "gone" / name), name):
        for call in (check_model, load_tokenizer, load_settings, loaded):
            assert reason in refused(call, spec)
    assert not marker.sprung()


@pytest.mark.parametrize("kind", ["llama-guard:{}@3", "classifier:{}:toxic"])
def test_a_judge_of_pickled_weights_is_refused(tmp_path, marker, kind):
    from ..harm.test_classifier_judge import bert, pair_tokenizer

    bert().save_pretrained(tmp_path)
    pair_tokenizer().save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "pytorch_model.bin").write_bytes(marker.trap)
    said = refused(make_judge, kind.format(tmp_path), ON_CPU)
    assert said.startswith("judge ") and ("pytorch_model.bin may hold a pickle" in said or "no chat template" in said)
    assert not marker.sprung()


@pytest.mark.parametrize("name", ["evil.bin", "../model.safetensors", "/model.safetensors", "sub/a.safetensors", "x"])
def test_an_index_may_name_safetensors_of_its_own_folder_alone(copy, marker, name):
    tensors = load_file(copy / "model.safetensors")
    (copy / "model.safetensors").rename(copy.parent / "model.safetensors")
    (copy / "evil.bin").write_bytes(marker.trap)
    index = {"metadata": {}, "weight_map": dict.fromkeys(tensors, name)}
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    said = refused(loaded, copy)
    assert f"model.safetensors.index.json names {name!r} as a file of weights; expected .safetensors files" in said
    assert not marker.sprung()


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"weight_map": []}', "[" * 100_000])
def test_an_index_that_is_none_is_refused(copy, text):
    (copy / "model.safetensors").unlink()
    (copy / "model.safetensors.index.json").write_text(text)
    assert "model.safetensors.index.json is no index of weights" in refused(loaded, copy)


def test_shards_are_read(copy, tiny_model):
    (copy / "model.safetensors").unlink()
    tiny_model.save_pretrained(copy, max_shard_size="50KB")
    assert (copy / "model.safetensors.index.json").is_file()
    assert torch.equal(loaded(copy).lm_head.weight, tiny_model.lm_head.weight)


@pytest.mark.parametrize("name", ["adapter_model.bin", "../model.safetensors", "x.bin.index.json"])
def test_a_configuration_may_not_name_other_weights(copy, tiny_model, name):
    change(copy / "config.json", transformers_weights=name)
    torch.save(tiny_model.state_dict(), copy / "adapter_model.bin")
    assert f"config.json names {name!r} as its weights; expected a .safetensors file" in refused(loaded, copy)


def test_a_model_of_the_hub_without_safetensors_is_refused(on_hub, marker):
    """As the hub's own cache keeps it: what was looked for in vain is kept as well."""
    (on_hub / "model.safetensors").unlink()
    (on_hub / "pytorch_model.bin").write_bytes(marker.trap)
    lacking = on_hub.parents[1] / ".no_exist" / on_hub.name
    lacking.mkdir(parents=True)
    for name in ("model.safetensors", "model.safetensors.index.json", "adapter_config.json"):
        (lacking / name).touch()
    assert load_settings("owner/name")["model_type"] == "llama"
    said = refused(load_model, "owner/name", ON_CPU)
    assert said.startswith("--model owner/name: no model.safetensors there; pytorch_model.bin may hold a p")
    assert not marker.sprung()


# Adapters


def test_a_pickled_adapter_is_refused(adapter, marker, tiny_model):
    (adapter / "adapter_model.safetensors").unlink()
    (adapter / "adapter_model.bin").write_bytes(marker.trap)
    for said in (
        refused(lambda: read_adapter(adapter, model="owner/tiny", settings={})),
        refused(load_adapter, tiny_model, adapter),
    ):
        assert said == (
            f"adapter {adapter}: adapter_model.bin is pickled, and pickles are never read; save the adapter again "
            "with safe_serialization=True"
        )
    assert not marker.sprung()


def test_of_an_adapter_in_both_formats_the_pickle_is_left_alone(adapter, marker):
    from .test_weights import tiny

    (adapter / "adapter_model.bin").write_bytes(marker.trap)
    assert isinstance(load_adapter(tiny("Llama"), adapter), PeftModel)
    from tradeoffbounds.models.weights import model_settings

    assert read_adapter(adapter, model="owner/tiny", settings=model_settings(tiny("Llama")))
    assert not marker.sprung()


def test_an_archive_is_no_adapter(tmp_path):
    (tmp_path / "adapter.zip").write_bytes(b"PK")
    said = refused(lambda: read_adapter(tmp_path / "adapter.zip", model="owner/tiny", settings={}))
    assert "adapter.zip is an archive, and archives are never opened" in said


def test_a_model_with_an_adapter_in_it_is_refused(copy, marker):
    """transformers would put it on the model, or load the model that it names in the place of this one."""
    (copy / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "owner/other"}))
    (copy / "adapter_model.bin").write_bytes(marker.trap)
    for call in (check_model, loaded):
        said = refused(call, str(copy))
        assert said.startswith(f"--model {copy}: is an adapter, or has one in it (adapter_config.json); give the model")
    assert not marker.sprung()


# Code that comes with a model


def test_code_of_a_models_own_is_refused(copy, marker):
    (copy / "own.py").write_text(marker.source)
    change(copy / "config.json", model_type="own", auto_map={"AutoConfig": "own.C", "AutoModelForCausalLM": "own.M"})
    for call in (load_settings, loaded, load_tokenizer):
        said = refused(call, str(copy))
        assert "config.json wants code of its own to be run (auto_map; model_type 'own' is not one that" in said
    assert not marker.sprung()


def test_where_transformers_has_the_type_its_own_code_is_taken(copy, marker, tiny_model):
    (copy / "own.py").write_text(marker.source)
    names = {"AutoConfig": "own.C", "AutoModelForCausalLM": "own.M", "AutoTokenizer": ["own.T", "own.T"]}
    for name in ("config.json", "tokenizer_config.json"):
        change(copy / name, auto_map=names)
    assert torch.equal(loaded(copy).lm_head.weight, tiny_model.lm_head.weight)
    assert load_tokenizer(str(copy)).chat_template
    assert not marker.sprung()


def test_code_of_a_tokenizers_own_is_refused(copy, marker):
    (copy / "own.py").write_text(marker.source)
    names = {"AutoTokenizer": ["own.T", "own.T"]}
    change(copy / "tokenizer_config.json", auto_map=names, tokenizer_class="Own")
    assert "contains custom code which must be executed" in refused(load_tokenizer, str(copy))
    assert not marker.sprung()


@pytest.mark.parametrize(
    "settings",
    [
        {"attn_implementation": "kernels-community/flash-attn2"},
        {"_attn_implementation": "owner/kernel@v1:run"},
        {"text_config": {"attn_implementation": {"": "owner/kernel"}}},
        {"experts_implementation": "owner/kernel"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_compiled_code_of_the_hub_is_refused(copy, settings):
    change(copy / "config.json", **settings)
    assert "config.json wants compiled code of the hub to be run" in refused(loaded, copy)


# Names


@pytest.mark.parametrize("spec", ["a\0b", "x" * 300, "owner/" + "y" * 5000, "a\nb", "\ud800"])
def test_what_cannot_be_a_name_is_refused_in_one_line(spec):
    for call in (check_model, load_tokenizer, loaded):
        assert "is no name of a file, a folder or a model" in refused(call, spec)


# Checkpoints


@pytest.mark.parametrize(
    ("name", "whole"),
    [("optimizer.pt", True), ("optimizer.pt", False), ("scheduler.pt", False), ("rng_state.pth", False),
     ("training_args.bin", True)],
    ids=str,
)  # fmt: skip
def test_a_checkpoint_that_was_tampered_with_runs_nothing(tiny_folder, tmp_path, marker, monkeypatch, name, whole):
    with killed_at(3):
        tune(str(tiny_folder), tmp_path, lesson("sft", 4), steps=4, batch=2, every=2)
    checkpoint = next((tmp_path / CHECKPOINTS).glob("checkpoint-*"))
    if whole:
        (checkpoint / name).write_bytes(marker.trap)
    else:
        torch.save({"state": Trap(marker.path)}, checkpoint / name)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")  # as some set it for other programmes
    if name == "training_args.bin":  # nobody reads it
        tune(str(tiny_folder), tmp_path, lesson("sft", 4), steps=4, batch=2, every=2)
    else:
        said = refused(lambda: tune(str(tiny_folder), tmp_path, lesson("sft", 4), steps=4, batch=2, every=2))
        assert said.startswith(f"{checkpoint}: holds what no training of ours wrote, and nothing of it was run; remove")
    assert not marker.sprung()


# Chat templates


@pytest.mark.parametrize(
    "hostile",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
        "{{ raise_exception.__globals__['__builtins__']['open']('/etc/hostname').read() }}",
        "{% include '/etc/hostname' %}",
        "{{ messages.append(1) }}",
        "{% for i in range(10 ** 12) %}{% endfor %}",
        "{{ 1 / 0 }}",
        "{{ 'a' * 10 ** 18 }}",
        "{{ messages[0]['role'].format() | nonesuch }}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
    ],
)
def test_a_hostile_chat_template_is_one_line(hostile):
    tokenizer = chat_tokenizer(hostile + "{{ messages[0]['content'] }}")
    assert "chat template of" in refused(lambda: render(tokenizer, "x", "y", max_tokens=64))
