"""What is logged is what the saved model loses on the rows, less what the start lost, whoever trains."""

from __future__ import annotations

import copy
import json
import math

import numpy as np
import pytest
import torch
from peft import AutoPeftModelForCausalLM
from transformers import AutoModelForCausalLM

from tradeoffbounds import SafetyMonitor
from tradeoffbounds.finetune.rows import collate, sft_rows
from tradeoffbounds.finetune.trainers import response_loss
from tradeoffbounds.runs import content_hash
from tradeoffbounds.sources import Row, Source

from .trainings import (
    LEARNED,
    PEFT_METHODS,
    SAFETY,
    Seen,
    dpo_trainer,
    losses,
    plain_trainer,
    sft_trainer,
    texts,
    weights,
)

TRAINERS = {"trainer": plain_trainer, "sft": sft_trainer, "dpo": dpo_trainer}


@pytest.fixture(scope="module", params=[("trainer", "full"), ("sft", "lora"), ("sft", "full"), ("dpo", "lora")])
def finished(request, start, tmp_path_factory, module_offline):
    """A training with the monitor: the trainer, what was reported, the start's losses and parameters, the record."""
    kind, method = request.param
    folder, seen = tmp_path_factory.mktemp("run"), Seen()
    trainer = TRAINERS[kind](start, folder, seen=seen, method=method)
    monitor = SafetyMonitor(trainer, SAFETY, LEARNED[:4], every=2)
    trainer.add_callback(monitor)
    training = trainer.model.training
    both = {"safety": SAFETY, "capability": LEARNED[:4]}
    before = {name: losses(trainer.model, start, rows) for name, rows in both.items()}
    trainer.model.train(training)
    centre = weights(trainer.model)
    trainer.train()
    return trainer, seen, before, centre, json.loads((folder / "safety_monitor.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def module_offline():
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HF_HUB_OFFLINE", "1")
        yield


def test_the_last_gaps_are_those_of_the_saved_model(finished, start, tmp_path):
    trainer, seen, before, _, record = finished
    trainer.save_model(str(tmp_path / "saved"))
    adapter = (tmp_path / "saved" / "adapter_config.json").is_file()
    loader = AutoPeftModelForCausalLM if adapter else AutoModelForCausalLM
    saved = loader.from_pretrained(str(tmp_path / "saved"))
    for name, rows in (("safety", SAFETY), ("capability", LEARNED[:4])):
        moved = losses(saved, start, rows) - before[name]
        assert abs(moved.mean()) > 1e-3
        assert seen.of(f"{name}_gap")[4] == pytest.approx(moved.mean(), abs=1e-4)
        last = record["looks"][-1][f"{name}_gap"]
        assert (last["value"], last["kind"], last["unit"]) == (seen.of(f"{name}_gap")[4], "measured", "nats/response")
        half = 1.959964 * moved.std(ddof=1) / math.sqrt(len(moved))
        assert last["interval"] == pytest.approx([moved.mean() - half, moved.mean() + half], abs=1e-4)
        assert (seen.of(f"{name}_gap_low")[4], seen.of(f"{name}_gap_high")[4]) == tuple(last["interval"])


def test_it_looks_at_step_0_and_every_so_many_steps(finished):
    _, seen, _, _, record = finished
    assert list(seen.of("safety_gap")) == [look["step"] for look in record["looks"]] == [0, 2, 4]
    assert seen.of("safety_gap")[0] == seen.of("capability_gap")[0] == seen.of("distance")[0] == 0


def test_the_distance_is_from_the_start_over_all_that_is_trained(finished):
    trainer, seen, _, centre, record = finished
    now = weights(trainer.model)
    moved = sum(float((now[name].double() - each.double()).square().sum()) for name, each in centre.items()) ** 0.5
    assert seen.of("distance")[4] == pytest.approx(moved, rel=1e-9) and moved > 0.01
    assert record["looks"][-1]["distance"]["unit"] == "parameter norm"


def test_what_the_trainer_reports_itself_is_still_reported(finished):
    """At the steps of the monitor's looks too, and with what TRL averages over its own steps."""
    trainer, seen, *_ = finished
    assert list(seen.of("loss")) == [2, 4]
    own = {"SFTTrainer": "num_tokens", "DPOTrainer": "rewards/chosen"}.get(type(trainer).__name__)
    assert own is None or list(seen.of(own)) == [2, 4]
    assert {entry["step"] for entry in trainer.state.log_history if "safety_gap" in entry} == {0, 2, 4}


def test_every_number_of_the_record_has_its_kind_and_the_reference_is_named(finished):
    *_, record = finished
    assert record["schema"] == "tradeoffbounds/monitor/1" and "step 0" in record["reference"]
    for look in record["looks"]:
        quantities = {name: each for name, each in look.items() if isinstance(each, dict) and "value" in each}
        assert quantities.keys() == {
            "safety_gap", "safety_gap_per_token", "capability_gap", "capability_gap_per_token", "distance",
        }  # fmt: skip
        assert {each["kind"] for each in quantities.values()} == {"measured"}
    assert record["sources"]["safety"]["rows"] == 6 and record["stopped"] is None
    assert record["verdict"][0].startswith("Safety gap at step 4: ")


def test_per_token_is_over_the_mean_length_of_the_responses(finished, start):
    *_, record = finished
    length = np.mean([len(each.response) for each in texts(start, SAFETY)])
    last = record["looks"][-1]
    assert last["safety_gap_per_token"]["value"] == pytest.approx(last["safety_gap"]["value"] / length)


@pytest.mark.parametrize("method", PEFT_METHODS)
def test_every_method_is_measured_as_it_stands(method, start, tmp_path):
    """Prompt methods included, whose virtual tokens no padding comes before."""
    seen = Seen()
    trainer = plain_trainer(start, tmp_path, method, seen, max_steps=2, learning_rate=3e-2)
    trainer.add_callback(SafetyMonitor(trainer, SAFETY, every=1, gradient=True))
    before = losses(trainer.model, start, SAFETY)
    trainer.train()
    one_by_one = [float(losses(trainer.model, start, [row])[0]) for row in SAFETY]
    assert seen.of("safety_gap")[2] == pytest.approx(np.mean(one_by_one) - before.mean(), abs=2e-4)
    assert abs(seen.of("safety_gap")[2]) > 1e-3
    assert list(seen.of("safety_gradient")) == [0, 1, 2] and min(seen.of("safety_gradient").values()) > 0


def test_the_gradient_is_that_of_the_mean_over_the_rows(start, tmp_path):
    seen = Seen()
    trainer = plain_trainer(start, tmp_path, "lora", seen, max_steps=1)
    trainer.add_callback(SafetyMonitor(trainer, SAFETY, every=1, gradient=True))
    trainer.train()
    model = trainer.model.eval()
    loss = response_loss(model, collate(sft_rows(texts(start, SAFETY))))
    parameters = [each for each in model.parameters() if each.requires_grad]
    norm = sum(float(each.double().square().sum()) for each in torch.autograd.grad(loss, parameters)) ** 0.5
    assert seen.of("safety_gradient")[1] == pytest.approx(norm, rel=1e-4)


def test_rows_come_as_a_source_a_file_a_name_or_pairs(start, tmp_path):
    (tmp_path / "own.jsonl").write_text(
        "".join(json.dumps({"prompt": prompt, "response": response}) + "\n" for prompt, response in SAFETY), "utf-8"
    )
    trainer = plain_trainer(start, tmp_path / "out")
    given = [
        SAFETY,
        [list(pair) for pair in SAFETY],
        Source.from_rows("mine", "local", [Row(*pair) for pair in SAFETY]),
        tmp_path / "own.jsonl",
        str(tmp_path / "own.jsonl"),
    ]
    made = [SafetyMonitor(trainer, rows) for rows in given] + [SafetyMonitor(trainer, "own", data_dir=tmp_path)]
    assert len({content_hash([[text.prefix, text.response] for text in each.texts["safety"]]) for each in made}) == 1
    assert len(SafetyMonitor(trainer, SAFETY, rows=3).texts["safety"]) == 3


# Stopping


@pytest.fixture(scope="module")
def safe(start, tmp_path_factory):
    """A model that has learned the safety rows, and so has something to forget."""
    trainer = plain_trainer(start, tmp_path_factory.mktemp("safe"), "full", max_steps=20, learning_rate=1e-2)
    trainer.train_dataset = sft_rows(texts(start, SAFETY))
    trainer.train()
    return trainer.model


@pytest.fixture
def budgeted(safe, start, tmp_path):
    """A training that forgets the safety rows, with a budget; the steps taken, the monitor and what was reported."""

    def train(**asked):
        seen = Seen()
        trainer = plain_trainer(start, tmp_path, "full", seen, copy.deepcopy(safe), max_steps=8, learning_rate=5e-3)
        monitor = SafetyMonitor(trainer, SAFETY, every=1, **asked)
        trainer.add_callback(monitor)
        trainer.train()
        return trainer.state.global_step, monitor, seen

    return train


def test_training_stops_at_the_first_look_above_the_budget(budgeted):
    whole, _, seen = budgeted()
    gaps = seen.of("safety_gap")
    budget = 0.9 * max(gaps.values())
    first = {
        stop_by: next(step for step, value in seen.of(name).items() if value > budget)
        for stop_by, name in (("value", "safety_gap"), ("upper", "safety_gap_high"))
    }
    assert whole == 8 and 0 < first["upper"] <= first["value"] < 8
    for stop_by, expected in first.items():
        steps, monitor, _ = budgeted(max_safety_gap=budget, stop_by=stop_by)
        assert steps == expected == monitor.stopped["step"]
        assert monitor.record["looks"][-1]["step"] == expected
        assert f"Stopped at step {expected}" in monitor.record["verdict"][-1]


def test_stopping_by_the_lower_end_waits_until_the_gap_is_surely_above(budgeted):
    _, _, seen = budgeted()
    lows, values = seen.of("safety_gap_low"), seen.of("safety_gap")
    budget = 0.5 * max(lows.values())
    assert budget > 0
    surely = next(step for step, low in lows.items() if low > budget)
    steps, monitor, _ = budgeted(max_safety_gap=budget, stop_by="lower")
    assert steps == surely >= next(step for step, value in values.items() if value > budget)
    assert "the lower end of its interval exceeds" in monitor.record["verdict"][-1]


def test_a_budget_that_is_kept_stops_nothing(budgeted):
    steps, monitor, _ = budgeted(max_safety_gap=1e6)
    assert steps == 8 and monitor.stopped is None
    assert not any("Stopped" in line for line in monitor.record["verdict"])
