"""What the options refuse, each with the offending value, before anything is read."""

import dataclasses
import math
import re

import pytest

from tradeoffbounds import EstimateConfig, UserError

TEACHERS = {"alignment": "system:a", "proxy": "system:b", "capability": "system:c"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"penalty": ()}, "--penalty needs at least one lambda > 0"),
        ({"penalty": (0,)}, "--penalty must be finite and > 0, got 0"),
        ({"penalty": (1, -0.25)}, "--penalty must be finite and > 0, got -0.25"),
        ({"penalty": (math.inf,)}, "--penalty must be finite and > 0, got inf"),
        ({"penalty": (math.nan, 1)}, "--penalty must be finite and > 0, got nan"),
        ({"penalty": (0.9e-9,)}, "--penalty must be from 1e-09 to 1e+09, got 9e-10"),
        ({"penalty": (1.1e9,)}, "--penalty must be from 1e-09 to 1e+09, got 1.1e+09"),
        ({"max_safety_gap": 0.0}, "--max-safety-gap must be finite and > 0 nats a response, got 0.0"),
        ({"max_safety_gap": -2.5}, "--max-safety-gap must be finite and > 0 nats a response, got -2.5"),
        ({"max_safety_gap": math.nan}, "--max-safety-gap must be finite and > 0 nats a response, got nan"),
        ({"max_safety_gap": math.inf}, "--max-safety-gap must be finite and > 0 nats a response, got inf"),
        ({"samples": 19}, "--samples must be at least 20, got 19"),
        ({"samples": -1}, "--samples must be at least 20, got -1"),
        ({"max_tokens": 15}, "--max-tokens must be at least 16, got 15"),
        ({"teacher_tokens": 0}, "--teacher-tokens must be at least 1, got 0"),
        ({"confidence": 0.49}, "--confidence must be in [0.5, 1), got 0.49"),
        ({"confidence": 1.0}, "--confidence must be in [0.5, 1), got 1.0"),
        ({"confidence": 95}, "--confidence must be in [0.5, 1), got 95"),
        ({"confidence": math.nan}, "--confidence must be in [0.5, 1), got nan"),
        ({"radius": ()}, "--radius needs at least one radius > 0"),
        ({"radius": (0.1, 0)}, "--radius must be finite and > 0, got 0"),
        ({"radius": (-0.5,)}, "--radius must be finite and > 0, got -0.5"),
        ({"radius": (math.inf,)}, "--radius must be finite and > 0, got inf"),
        ({"radius": (math.nan,)}, "--radius must be finite and > 0, got nan"),
        ({"chunk": 0}, "--chunk must be at least 1, got 0"),
        ({"peft": ()}, "--peft needs at least one of lora, ia3, prompt-tuning, p-tuning, output-head"),
        ({"peft": ("lora", "dora")}, "--peft knows lora, ia3, prompt-tuning, p-tuning, output-head; got dora"),
        ({"adapter": "nowhere"}, "--adapter nowhere: no adapter_config.json there; give a folder saved by PEFT"),
        ({"seed": -1}, "--seed must be between 0 and 2147483647, got -1"),
        ({"seed": 2**31}, "--seed must be between 0 and 2147483647, got 2147483648"),
        ({"out": "a\udfffb"}, r"--out: 'a\udfffb' is not a path that a file can have"),
    ],
)
def test_a_value_out_of_range_is_refused_and_named(options, message):
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        EstimateConfig(**options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"samples": 20},
        {"max_tokens": 16},
        {"teacher_tokens": 1},
        {"confidence": 0.5},
        {"confidence": 0.999},
        {"seed": 2**31 - 1},
        {"penalty": (1e-9, 1e9)},
        {"max_safety_gap": 1e-9},
    ],
)
def test_the_ends_of_the_ranges_are_allowed(options):
    config = EstimateConfig(**options)
    assert all(getattr(config, name) == value for name, value in options.items())


def test_penalties_are_sorted_and_unique_numbers():
    assert EstimateConfig(penalty=(1, 0.5, 1.0, 3)).penalty == (0.5, 1.0, 3.0)
    assert EstimateConfig(penalty=[2, 1]).penalty == (1.0, 2.0)
    assert all(type(penalty) is float for penalty in EstimateConfig(penalty=(1,)).penalty)


@pytest.mark.parametrize("data", [("alignment",), ("proxy",), ("capability",), ("alignment", "proxy")])
def test_a_model_and_data_are_not_mixed_as_sources(data):
    with pytest.raises(UserError, match="either all of --alignment, --proxy and --capability are system: sources"):
        EstimateConfig(**(TEACHERS | dict.fromkeys(data, "alpaca")))


def test_three_system_prompts_make_a_teacher():
    config = EstimateConfig(**TEACHERS)
    assert config.is_teacher and config.sources == TEACHERS
    assert not EstimateConfig().is_teacher


def test_a_replaced_value_is_checked_again():
    with pytest.raises(UserError, match="got -3"):
        dataclasses.replace(EstimateConfig(), penalty=(-3,))
