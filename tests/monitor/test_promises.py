"""What an estimate promised, followed along a training: Theorem 1 at λ, or Theorem 3 at the distance reached."""

from __future__ import annotations

import copy
import json
import math

import pytest

from tradeoffbounds import SafetyMonitor, UserError
from tradeoffbounds.bounds.bound import PER_UNIT, PER_UNIT_SQUARED, Bound
from tradeoffbounds.comparison.promises import bound_of, promises_of_penalty, promises_of_radii
from tradeoffbounds.models.load import load_tokenizer
from tradeoffbounds.sources import template_sha256

from .trainings import LEARNED, SAFETY, SYSTEM, Seen, own_model, plain_trainer, weights


def quantity(value, unit="nats/response", kind="estimated", **more):
    return Bound(value, kind, unit=unit, **more).to_json()


def ball(radius, lipschitz, smoothness):
    return {
        "radius": radius,
        "constants": {
            "L_s": {"estimate": quantity(lipschitz, PER_UNIT, assumptions=("A3", "rows"))},
            "S_s": {"estimate": quantity(smoothness, PER_UNIT_SQUARED, assumptions=("A4", "rows"))},
        },
    }


def estimate(parameters, *, template=None, gradient=2.0):
    """The parts of an estimate.json that promises are read from; radii not in order."""
    method = {
        "peft": "lora", "parameters": parameters,
        "constants": {"grad_norm_s": quantity(gradient, PER_UNIT, "certified", assumptions=("rows",))},
        "radii": [ball(0.5, 30.0, 80.0), ball(0.1, 20.0, 50.0)],
    }  # fmt: skip
    theorem1 = {
        "paper": quantity(9.0, theorem="theorem 1, paper"), "refined": quantity(0.5, theorem="theorem 1, refined"),
    }  # fmt: skip
    return {
        "schema": "tradeoffbounds/estimate/1", "config": {"system_prompt": SYSTEM},
        "environment": {"template_sha256": template},
        "loss_constraint": [{"penalty": 0.5, "theorem1": theorem1}, {"penalty": 1.0, "theorem1": theorem1}],
        "parameter_constraint": method | {"peft": "ia3", "parameters": 7}, "other_methods": [method],
    }  # fmt: skip


@pytest.fixture
def asked(start, tmp_path):
    """A LoRA training with an estimate beside it: the trainer, and where the estimate is written."""
    trainer = plain_trainer(start, tmp_path / "out", "lora", seen := Seen(), max_steps=3, learning_rate=1e-2)
    parameters = sum(each.numel() for each in weights(trainer.model).values())

    def write(**changed):
        record = estimate(parameters, template=template_sha256(load_tokenizer(start), SYSTEM)) | changed
        (tmp_path / "estimate.json").write_text(json.dumps(record), "utf-8")
        return tmp_path / "estimate.json"

    return trainer, seen, write


# The bounds themselves


@pytest.mark.parametrize(("distance", "lipschitz", "smoothness"), [(0.03, 20, 50), (0.1, 20, 50), (0.2, 30, 80)])
def test_theorem_3_is_taken_at_the_distance_with_the_constants_of_the_smallest_ball_around_it(
    distance, lipschitz, smoothness
):
    found = promises_of_radii(estimate(100), 100).at(distance)
    assert found.keys() == {"theorem3.paper", "theorem3.refined"}
    assert found["theorem3.paper"].value == pytest.approx(lipschitz * distance)
    assert found["theorem3.refined"].value == pytest.approx(2 * distance + smoothness * distance**2 / 2)
    for bound in found.values():
        assert (bound.kind, bound.side, bound.unit) == ("estimated", "upper", "nats/response")
        assert "rows" in bound.assumptions


def test_beyond_the_largest_radius_nothing_is_promised():
    for bound in promises_of_radii(estimate(100), 100).at(0.51).values():
        assert bound.value == math.inf and bound.status.startswith("vacuous: further from the start than 0.5")


def test_at_the_start_there_is_nothing_to_bound():
    assert promises_of_radii(estimate(100), 100).at(0.0) == {}


def test_theorem_1_is_the_estimate_s_at_its_penalty():
    found = promises_of_penalty(estimate(100), 0.5).at(3.0)
    assert {name: each.value for name, each in found.items()} == {"theorem1.paper": 9.0, "theorem1.refined": 0.5}
    with pytest.raises(UserError, match=r"no penalty 0.3, only 0.5, 1; run it with --penalty 0.3"):
        promises_of_penalty(estimate(100), 0.3)


def test_constants_of_another_adapter_are_refused():
    with pytest.raises(UserError, match="trains 99 numbers, the estimate is of ia3 with 7, lora with 100"):
        promises_of_radii(estimate(100), 99)
    with pytest.raises(UserError, match="no Case II"):
        promises_of_radii(estimate(100) | {"parameter_constraint": None}, 100)


@pytest.mark.parametrize(
    "bound",
    [
        Bound(1.5, "certified", "upper", interval=(0.5, math.inf), confidence=0.9, assumptions=("A1",), theorem="t"),
        Bound(math.inf, "estimated", "upper", status="vacuous: x"),
        Bound(-math.inf, "predicted", "lower", interval=(-math.inf, 0.0)),
        Bound(0.0, "measured"),
    ],
)
def test_a_quantity_is_read_as_it_was_written(bound):
    assert bound_of(json.loads(json.dumps(bound.to_json()))) == bound


@pytest.mark.parametrize(
    "spoil",
    [
        lambda r: r["other_methods"][0]["constants"].clear(),
        lambda r: r["other_methods"][0]["constants"].update(grad_norm_s={"value": "2"}),
        lambda r: r["other_methods"][0].pop("radii"),
        lambda r: r["other_methods"][0]["radii"][0]["constants"]["L_s"]["estimate"].update(kind="sure"),
        lambda r: r["other_methods"].insert(0, 3),
        lambda r: r.pop("parameter_constraint"),
        lambda r: r["other_methods"][0].update(radii=7),
    ],
)
def test_a_damaged_estimate_is_told_in_one_line(spoil):
    record = copy.deepcopy(estimate(100))
    spoil(record)
    with pytest.raises(UserError, match="damaged") as raised:
        promises_of_radii(record, 100)
    assert "\n" not in str(raised.value)


# Followed along a training


def test_theorem_3_is_followed_at_every_look(asked):
    trainer, seen, write = asked
    trainer.add_callback(monitor := SafetyMonitor(trainer, SAFETY, every=1, estimate=write()))
    trainer.train()
    distances = seen.of("distance")
    bounds = seen.of("bound/theorem3.refined")
    within = [step for step, distance in distances.items() if 0 < distance <= 0.5]
    assert within and list(bounds) == within
    for step in within:
        smoothness = 50 if distances[step] <= 0.1 else 80
        assert bounds[step] == pytest.approx(2 * distances[step] + smoothness * distances[step] ** 2 / 2)
        assert seen.of("holds/theorem3.refined")[step] == float(bounds[step] >= seen.of("safety_gap")[step])
    record = json.loads((monitor.folder / "safety_monitor.json").read_text("utf-8"))
    assert record["looks"][0]["bounds"] == {}
    assert record["looks"][within[0]]["bounds"]["theorem3.refined"]["kind"] == "estimated"
    assert any(line.startswith("theorem 3, refined, estimated: at most ") for line in record["verdict"])


def test_a_bound_that_was_violated_once_is_said_to_have_been(start, tmp_path, asked):
    _, _, write = asked
    seen = Seen()
    model = own_model(start, "full")
    trainer = plain_trainer(start, tmp_path / "own", "full", seen, model, max_steps=3, learning_rate=3e-2)
    low = quantity(-500.0, theorem="theorem 1, refined")
    path = write(loss_constraint=[{"penalty": 1.0, "theorem1": {"paper": quantity(1e6, theorem="t"), "refined": low}}])
    trainer.add_callback(monitor := SafetyMonitor(trainer, SAFETY, LEARNED[:3], every=1, estimate=path, penalty=1.0))
    trainer.train()
    assert set(seen.of("holds/theorem1.refined").values()) == {0.0}
    assert set(seen.of("holds/theorem1.paper").values()) == {1.0}
    said = monitor.record["verdict"]
    assert any("theorem 1, refined" in line and "violated at 4 of 4 looks, beyond" in line for line in said)
    assert any(line.startswith("t, estimated: at most 1") and "held at all 4 looks" in line for line in said)


# Wrong calls


def test_an_estimate_of_another_template_or_prompt_is_refused(asked):
    trainer, _, write = asked
    path = write()
    with pytest.raises(UserError, match="another chat template or system prompt"):
        SafetyMonitor(trainer, SAFETY, estimate=path, system_prompt="You are a pirate.")
    with pytest.raises(UserError, match="another chat template or system prompt"):
        SafetyMonitor(trainer, SAFETY, estimate=write(environment={}))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"every": 0}, "every must be at least 1, got 0"),
        ({"rows": 1}, "rows must be at least 2"),
        ({"max_tokens": 3}, "max_tokens must be at least 16"),
        ({"confidence": 1.0}, r"confidence must be in \[0.5, 1\)"),
        ({"max_safety_gap": 0.0}, "max_safety_gap must be finite and > 0"),
        ({"max_safety_gap": math.nan}, "max_safety_gap must be finite and > 0"),
        ({"stop_by": "maybe"}, "stop_by must be one of lower, value, upper, got 'maybe'"),
        ({"penalty": 1.0}, "give estimate with it"),
        ({"estimate": "nowhere.json"}, "nowhere.json: no such file"),
        ({"estimate": "nowhere.json", "distance": False}, "leave distance on, or give a penalty"),
        ({"safety": SAFETY[:1]}, "safety rows: 1 of safety rows given can be used; at least 2"),
        ({"safety": [("a", "b", "c")] * 3}, "give pairs of texts"),
        ({"safety": [{"prompt": "a", "response": "b"}] * 3}, "dict among them; give pairs of texts"),
        ({"safety": "nowhere.jsonl"}, "alignment source: nowhere.jsonl"),
        ({"safety": "hex-phi"}, "belongs to"),
        ({"capability": []}, "capability rows: 0 of"),
    ],
)
def test_wrong_calls_are_one_line_before_any_training(options, told, asked):
    trainer, *_ = asked
    with pytest.raises(UserError, match=told) as raised:
        SafetyMonitor(trainer, **{"safety": SAFETY} | options)
    assert "\n" not in str(raised.value)


def test_a_registered_name_that_is_nowhere_has_no_stand_in_here(asked, monkeypatch):
    trainer, *_ = asked
    monkeypatch.delenv("TRADEOFFBOUNDS_DATA", raising=False)
    with pytest.raises(UserError, match="stand-ins are not allowed"):
        SafetyMonitor(trainer, "safety-tuned")


def test_without_a_tokenizer_or_a_template_nothing_can_be_written(asked, start):
    trainer, *_ = asked
    tokenizer = load_tokenizer(start)
    trainer.processing_class = None
    with pytest.raises(UserError, match="give the monitor a tokenizer"):
        SafetyMonitor(trainer, SAFETY)
    assert SafetyMonitor(trainer, SAFETY, tokenizer=tokenizer).tokenizer is tokenizer
    tokenizer.chat_template = None
    with pytest.raises(UserError, match="has no chat template"):
        SafetyMonitor(trainer, SAFETY, tokenizer=tokenizer)


def test_parameters_in_pieces_are_refused(asked, monkeypatch):
    from accelerate.utils import DistributedType

    trainer, *_ = asked
    monkeypatch.setattr(type(trainer.accelerator), "distributed_type", DistributedType.FSDP)
    with pytest.raises(UserError, match="parameters are in pieces"):
        SafetyMonitor(trainer, SAFETY)


def test_a_loss_that_is_not_finite_ends_the_training_in_one_line(start, tmp_path):
    import torch

    trainer = plain_trainer(start, tmp_path, "full", max_steps=2)
    trainer.add_callback(SafetyMonitor(trainer, SAFETY, every=1))
    with torch.no_grad():
        next(iter(trainer.model.parameters())).fill_(math.nan)
    with pytest.raises(UserError, match="step 0: the loss on safety rows is not finite"):
        trainer.train()
