"""A training goes the same way with the monitor and without, bit for bit, whatever it is made of."""

from __future__ import annotations

import pytest
import torch

from tradeoffbounds import SafetyMonitor
from tradeoffbounds.finetune.watch import undisturbed

from .trainings import (
    CHECKPOINTING,
    LEARNED,
    SAFETY,
    Seen,
    dpo_trainer,
    losses,
    own_model,
    plain_trainer,
    same,
    sft_trainer,
    weights,
)

TRAININGS = {
    "lora": (plain_trainer, {"method": "lora"}),
    "p-tuning": (plain_trainer, {"method": "p-tuning"}),
    "full": (plain_trainer, {"method": "full"}),
    "checkpointed": (plain_trainer, {"method": "full", CHECKPOINTING: True}),
    "checkpointed lora": (plain_trainer, {"method": "lora", CHECKPOINTING: True}),
    "autocast": (plain_trainer, {"method": "full", "bf16": True}),
    "sft": (sft_trainer, {"method": "lora"}),
    "dpo": (dpo_trainer, {"method": "full"}),
}


@pytest.mark.parametrize("name", TRAININGS)
def test_the_weights_are_the_same_with_the_monitor_and_without(name, start, tmp_path):
    make, options = TRAININGS[name]
    ends, logs = [], []
    for watched in (False, True):
        seen = Seen()
        trainer = make(start, tmp_path / str(watched), seen=seen, **options)
        if watched:
            trainer.add_callback(SafetyMonitor(trainer, SAFETY, LEARNED[:3], every=1, gradient=True))
        trainer.train()
        ends.append(weights(trainer.model))
        logs.append([seen.of("loss"), seen.of("grad_norm"), torch.random.get_rng_state().tolist()])
    assert same(*ends) and logs[0] == logs[1]
    assert list(seen.of("safety_gap")) == [0, 1, 2, 3, 4]


def test_dropout_is_drawn_in_these_trainings(start, tmp_path):
    """Else nothing above would have shown that no random number was lost."""
    model = own_model(start, "full").train()
    ids = torch.arange(5, 25)[None]
    with torch.no_grad():
        assert not torch.equal(model(input_ids=ids).logits, model(input_ids=ids).logits)


def test_what_is_measured_has_no_dropout_in_it(start, tmp_path):
    trainer = plain_trainer(start, tmp_path, "full", max_steps=1)
    monitor = SafetyMonitor(trainer, SAFETY, every=1)
    before = losses(trainer.model, start, SAFETY)
    trainer.model.train()
    assert (monitor._losses(0)["safety"] == before).all()


def test_autocast_does_not_round_what_is_measured(start, tmp_path):
    """The weights are float32, the Trainer's forward rounds to bfloat16; the monitor takes the model's own."""
    seen = Seen()
    trainer = plain_trainer(start, tmp_path, "full", seen, bf16=True, max_steps=2)
    trainer.add_callback(SafetyMonitor(trainer, SAFETY, every=1))
    before = losses(trainer.model, start, SAFETY)
    trainer.train()
    assert "_original_forward" in vars(trainer.model)
    rounded = losses(trainer.model, start, SAFETY)
    del trainer.model.forward
    exact = losses(trainer.model, start, SAFETY)
    assert abs(exact - rounded).max() > 1e-3
    assert seen.of("safety_gap")[2] == pytest.approx((exact - before).mean(), abs=1e-5)


def test_every_module_gets_its_own_mode_back_after_an_error_too(start):
    model = own_model(start).train()
    frozen = next(module for name, module in model.named_modules() if name.endswith("mlp"))
    frozen.eval()
    modes = [module.training for module in model.modules()]

    def fail():
        with undisturbed(model):
            assert not any(module.training for module in model.modules())
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        fail()
    assert [module.training for module in model.modules()] == modes and len(set(modes)) == 2
