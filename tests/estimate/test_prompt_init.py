"""`estimate --prompt-init`: what Case II of prompt tuning starts from, which calls are refused, and what is advised."""

import shlex

import pytest

from tradeoffbounds import UserError
from tradeoffbounds.config import EstimateConfig
from tradeoffbounds.estimate import _settings
from tradeoffbounds.report.advice import advice

from ..report.case_two_records import method
from ..report.test_advice import record


def test_case_two_gets_what_was_asked_for():
    assert _settings(EstimateConfig()).prompt_init == "vocabulary"
    asked = EstimateConfig(peft=("lora", "prompt-tuning"), prompt_init="text:Be kind.")
    assert _settings(asked).prompt_init == "text:Be kind."


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"prompt_init": "tokens"}, "--prompt-init: cannot start virtual tokens from 'tokens'; expected one of vocab"),
        ({"prompt_init": "text: "}, "--prompt-init: the text to start virtual tokens from is empty"),
        ({"prompt_init": "random", "peft": ("lora", "p-tuning")},
         "--prompt-init random is for fresh virtual tokens of prompt-tuning; add prompt-tuning to --peft"),
    ],
)  # fmt: skip
def test_a_start_that_cannot_be_is_refused_in_one_line(changed, said):
    with pytest.raises(UserError) as caught:
        EstimateConfig(**{"peft": ("prompt-tuning",)} | changed)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_an_adapter_that_is_there_has_no_start_to_choose(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match="without --adapter"):
        EstimateConfig(peft=("prompt-tuning",), prompt_init="random", adapter=tmp_path)


@pytest.mark.parametrize("prompt_init", ["vocabulary", "text:Be kind."])
def test_the_command_that_is_advised_starts_alike(prompt_init):
    found = advice(record(method("prompt-tuning"), limit=1.5, prompt_init=prompt_init))
    check = [each["sentence"] for each in found if each["about"] == "afterwards"][1]
    words = shlex.split(check.split("`")[1])
    asked = words[words.index("--prompt-init") + 1] if "--prompt-init" in words else "vocabulary"
    assert "prompt-tuning" in words and asked == prompt_init
    # Other methods have no start to choose.
    other = advice(record(method("ia3"), limit=1.5, prompt_init=prompt_init))
    assert all("--prompt-init" not in each["sentence"] for each in other)
