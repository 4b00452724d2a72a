"""Case II from end to end: what `--curvature quick` writes and says of a tiny model, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tradeoffbounds import EstimateConfig, UserError
from tradeoffbounds.curvature import memory
from tradeoffbounds.models.adapter_config import preset
from tradeoffbounds.models.fresh_adapter import fresh_adapter
from tradeoffbounds.models.peft_folder import write_adapter

from ..tiny_models import chat_tokenizer, tiny_llama
from .records import quantities

pytestmark = [pytest.mark.usefixtures("offline", "unchecked_shapes"), pytest.mark.slow]

RADII = (0.03, 0.1)
METHODS = ("lora", "prompt-tuning")


@pytest.fixture(scope="module")
def both(run):
    """Two methods side by side."""
    return run("--quiet", "--layers", curvature="quick", peft=METHODS, radius=RADII, max_safety_gap=0.5)


@pytest.fixture(scope="module")
def lora(both):
    return both.record["parameter_constraint"]


@pytest.fixture(scope="module")
def prompt(both):
    (other,) = both.record["other_methods"]
    return other


@pytest.fixture(scope="module")
def head(run):
    return run("--quiet", curvature="quick", peft="output-head", radius=RADII).record["parameter_constraint"]


@pytest.fixture
def trained_adapter(tiny_folder, tmp_path):
    """A LoRA folder for the tiny model, away from the identity."""
    config = preset("lora", 32)
    tensors = fresh_adapter(tiny_llama(), config, seed=0)
    rng = np.random.default_rng(0)
    moved = {name: each + 0.3 * rng.standard_normal(each.shape, dtype=np.float32) for name, each in tensors.items()}
    write_adapter(tmp_path / "adapter", config, moved, model=str(tiny_folder))
    return tmp_path / "adapter"


@pytest.fixture
def refusal(options, tmp_path, capfd):
    """Call with something wrong; the one line that is said."""
    from tradeoffbounds.estimate import main

    def call(**changed):
        capfd.readouterr()
        assert main(["--quiet", *options(tmp_path / "out", curvature="quick", **changed)]) == 2
        said = capfd.readouterr().err
        assert said.count("error: ") == 1
        assert not (tmp_path / "out" / "estimate.json").exists()
        return said

    return call


def test_the_record_keeps_the_published_shape(lora):
    assert lora["peft"] == "lora"
    assert lora["parameters"] == 4 * (8 * (32 + 32) + 8 * (32 + 16))
    assert set(lora["constants"]) == {"L_s", "S_s", "L_f_prime", "grad_norm_s", "grad_norm_f"}
    assert [each["radius"] for each in lora["radii"]] == list(RADII)
    for at in lora["radii"]:
        assert {"radius", "theorem3", "capability", "drift"} <= set(at)
        assert set(at["theorem3"]) == {"paper", "refined"}
        assert set(at["capability"]) == {"lower", "upper"}


def test_lower_constants_stay_below_estimates_and_grow_with_the_radius(lora, prompt):
    for method in (lora, prompt):
        for name in ("L_s", "S_s", "L_f_prime"):
            pairs = [at["constants"][name] for at in method["radii"]]
            for pair in pairs:
                assert 0 < pair["lower"]["value"] <= pair["estimate"]["value"]
                assert pair["lower"]["side"] == "lower" and pair["estimate"]["kind"] == "estimated"
            for kind in ("lower", "estimate"):
                values = [pair[kind]["value"] for pair in pairs]
                assert values == sorted(values)


#: Computed on the rows and not estimated; "zero loss" bounds the gain by all that there is to gain.
COMPUTED = ("offset", "gradient norm", "loss at the start", "zero loss")


def test_nothing_that_rests_on_an_estimate_is_called_certified(lora, prompt):
    for method in (lora, prompt):
        for _, quantity in quantities(method):
            assert quantity["kind"] != "certified" or quantity["theorem"].startswith(COMPUTED)


def test_units_tell_gaps_from_constants(lora):
    assert lora["constants"]["L_s"]["estimate"]["unit"] == "nats/response/unit"
    assert lora["constants"]["S_s"]["estimate"]["unit"] == "nats/response/unit^2"
    assert lora["radii"][0]["theorem3"]["paper"]["unit"] == "nats/response"


def test_theorem_3_is_what_its_constants_make_it(lora):
    for at in lora["radii"]:
        radius = at["radius"]
        lipschitz, smoothness = (at["constants"][name]["estimate"]["value"] for name in ("L_s", "S_s"))
        norm = lora["constants"]["grad_norm_s"]["value"]
        assert at["theorem3"]["paper"]["value"] == pytest.approx(radius * lipschitz, rel=1e-6)
        assert at["theorem3"]["refined"]["value"] == pytest.approx(norm * radius + smoothness * radius**2 / 2, rel=1e-6)
        assert at["capability"]["lower"]["value"] < at["capability"]["upper"]["value"] <= 0


def test_an_identity_costs_nothing_before_training_and_a_prompt_does(lora, prompt):
    assert lora["offset"]["safety_gap"]["value"] == 0
    offset = prompt["offset"]["safety_gap"]
    assert offset["kind"] == "measured" and offset["value"] != 0
    assert offset["interval"][0] <= offset["value"] <= offset["interval"][1]
    assert prompt["radii"][0]["theorem3"]["paper"]["value"] > offset["value"]


def test_methods_stand_side_by_side_at_one_gain(both):
    comparison = both.record["method_comparison"]
    assert {each["peft"] for each in comparison["methods"]} == set(METHODS)
    costs = [each["cost"]["value"] for each in comparison["methods"] if each["cost"] is not None]
    assert costs == sorted(costs) and comparison["gain"]["value"] > 0


def test_a_limit_on_the_safety_gap_gives_a_radius(both):
    answer = both.record["max_safety_gap"]
    radius = answer["radius_up_to"]["refined"]
    assert 0 < radius <= RADII[-1]
    held = [at for at in both.record["parameter_constraint"]["radii"] if at["radius"] <= radius]
    assert all(at["theorem3"]["refined"]["value"] <= answer["limit"] for at in held)


def test_an_output_head_has_proved_constants_above_the_estimates(head):
    for at in head["radii"]:
        for name in ("L_s", "S_s", "L_f_prime"):
            values = at["constants"][name]
            assert values["lower"]["value"] <= values["certified"]["value"]
            assert values["certified"]["kind"] == "certified"
        assert at["certified"]["paper"]["kind"] == "certified"
        assert at["certified"]["paper"]["value"] >= at["theorem3"]["paper"]["value"] * 0.5


def test_the_figure_is_drawn(both):
    assert (both.out / "figures" / "radius.png").stat().st_size > 10_000
    assert (both.out / "figures" / "methods.png").stat().st_size > 10_000


def test_layers_share_out_the_drift(both, lora):
    """To rounding of single precision, at every radius; and so do gradients."""
    layers, slope = lora["layers"]["layers"], lora["directions"]["descent"]["safety_slope"]["value"]
    assert [each["layer"] for each in layers] == [0, 1, 2, 3]
    scale = sum(abs(each["slope"]["value"]) for each in layers)
    assert sum(each["slope"]["value"] for each in layers) == pytest.approx(slope, abs=1e-4 * scale)
    assert sum(each["gain"]["value"] for each in layers) == pytest.approx(1.0)
    for name in ("grad_norm_s", "grad_norm_f"):
        whole = lora["constants"][name]["value"]
        assert sum(each[name]["value"] ** 2 for each in layers) == pytest.approx(whole**2, rel=1e-4)
    for at, shown in zip(lora["radii"], lora["layers"]["radii"], strict=True):
        values = shown["shares"]["value"]
        assert shown["radius"] == at["radius"] and shown["drift"] == at["drift"]
        assert sum(values) == pytest.approx(at["drift"]["value"], abs=1e-3 * sum(map(abs, values)))
        assert -1 <= shown["agreement"]["value"] <= 1
    assert all(each["kind"] != "certified" for _, each in quantities(lora["layers"]))
    assert "Layers of lora (counted from 0): " in " ".join(both.record["verdict"])
    assert (both.out / "figures" / "layers.png").stat().st_size > 10_000


def test_virtual_tokens_have_no_layers_and_say_so(both, prompt, head):
    assert list(prompt["layers"]) == ["missing"] and "virtual tokens" in prompt["layers"]["missing"]
    assert "Layers of prompt-tuning: " in " ".join(both.record["verdict"])
    assert head["layers"] is None  # not asked for


def test_layers_without_case_two_are_a_wrong_call():
    with pytest.raises(UserError, match="--layers looks into Case II, which --curvature off leaves out"):
        EstimateConfig(layers=True, curvature="off")


def test_switched_off_it_leaves_its_place_empty(plain):
    assert plain.record["parameter_constraint"] is None
    assert plain.record["other_methods"] == [] and plain.record["method_comparison"] is None


def test_the_same_call_gives_the_same_numbers(run, both):
    again = run("--quiet", "--layers", curvature="quick", peft=METHODS, radius=RADII, max_safety_gap=0.5, chunk=4)
    assert again.record["parameter_constraint"] == both.record["parameter_constraint"]


def test_a_fine_tune_may_start_from_an_adapter(run, trained_adapter):
    record = run("--quiet", curvature="quick", adapter=trained_adapter, radius=RADII).record
    start = record["parameter_constraint"]
    assert start["peft"] == "lora" and start["adapter"] == str(trained_adapter)
    assert start["offset"]["safety_gap"]["kind"] == "measured" and start["offset"]["safety_gap"]["value"] != 0


def test_an_adapter_of_another_model_is_refused(refusal, trained_adapter):
    path = trained_adapter / "adapter_config.json"
    settings = json.loads(path.read_text("utf-8")) | {"base_model_name_or_path": "someone/else-7b"}
    path.write_text(json.dumps(settings), "utf-8")
    assert "was trained on someone/else-7b" in refusal(adapter=trained_adapter)


def test_an_adapter_that_is_not_finite_is_refused(refusal, trained_adapter):
    from safetensors.numpy import load_file, save_file

    path = trained_adapter / "adapter_model.safetensors"
    tensors = load_file(path)
    next(iter(tensors.values()))[0, 0] = np.nan
    save_file(tensors, path, metadata={"format": "pt"})
    assert "has NaN or infinite values" in refusal(adapter=trained_adapter)


def test_an_architecture_that_the_decoder_does_not_know_is_refused_with_those_it_knows(refusal, tmp_path):
    from transformers import GPT2Config, GPT2LMHeadModel

    tokenizer = chat_tokenizer(eos_token="<|im_end|>")
    config = GPT2Config(vocab_size=400, n_embd=32, n_layer=1, n_head=2)
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "gpt2")
    tokenizer.save_pretrained(tmp_path / "gpt2")
    said = refusal(model=tmp_path / "gpt2")
    assert "GPT2LMHeadModel" in said and "LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM" in said


def test_too_little_memory_is_foreseen_with_the_chunk_that_fits(refusal, monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda device=None: 10**15)
    needed: list[int] = []
    real = memory.check_fits

    def spy(executable, rows, device=None):
        needed.append(
            executable.memory_analysis().temp_size_in_bytes + executable.memory_analysis().output_size_in_bytes
        )
        # Room for half of what the first program asks for.
        monkeypatch.setattr(memory, "available_bytes", lambda device=None: needed[0] // 2)
        real(executable, rows, device)

    monkeypatch.setattr("tradeoffbounds.curvature.products.check_fits", spy)
    said = refusal()
    assert "curvature of 4 rows at once needs" in said and "use --chunk 1" in said
