"""What may be asked of a fine-tune, and what each wrong call is told."""

from dataclasses import asdict, fields

import pytest

from tradeoffbounds.errors import UserError
from tradeoffbounds.finetune.training import LEARNING_RATES, TRAINED, Training
from tradeoffbounds.models.adapter_config import LINEARS, preset
from tradeoffbounds.models.fresh_adapter import peft_config

from .lessons import PEFT_METHODS


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "prefix"}, "cannot train 'prefix'; expected one of lora, ia3"),
        ({"objective": "ppo"}, "unknown objective 'ppo'; expected sft or dpo"),
        ({"penalty": -0.5}, "penalty must be finite and >= 0, got -0.5"),
        ({"penalty": float("inf")}, "penalty must be finite"),
        ({"penalty": float("nan")}, "penalty must be finite"),
        ({"radius": -1.0}, "radius must be finite and >= 0, got -1"),
        ({"radius": float("nan")}, "radius must be finite"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"batch": 0}, "batch must be at least 1"),
        ({"every": 0}, "every must be at least 1"),
        ({"learning_rate": 0.0}, "learning rate must be finite and > 0, got 0"),
        ({"learning_rate": float("nan")}, "learning rate must be finite"),
    ],
)
def test_wrong_calls_are_refused_in_one_line(changes, message):
    with pytest.raises(UserError, match=message) as caught:
        Training(**changes)
    assert "\n" not in str(caught.value)


def test_every_method_has_a_rate_of_its_own_that_a_given_one_replaces():
    assert set(LEARNING_RATES) == set(TRAINED)
    for method in TRAINED:
        assert Training(method).rate == LEARNING_RATES[method]
        assert Training(method, learning_rate=0.5).rate == 0.5


def test_adapters_are_those_that_case_two_is_computed_with():
    for method in PEFT_METHODS:
        assert Training(method).adapter(48) == preset(method, 48)
    assert Training("full").adapter(48) is None


def test_the_start_is_made_by_lora_on_every_linear_layer():
    made = peft_config(Training("lora-all-linear").adapter(48))
    assert made.target_modules == set(LINEARS) and made.r == 16


def test_plain_fields_make_the_same_training_again():
    training = Training("prompt-tuning", "dpo", 0.5, 0.25, 3, 40, 4, 1e-3, 5, 2, 0.2, "random")
    assert Training(**asdict(training)) == training and len(fields(Training)) == 12
    assert Training(**training.content) == training
