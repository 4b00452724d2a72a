"""Case II of prompt tuning is computed from the start that a run has, and said of that run alone."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from tradeoffbounds.comparison.foretell import foresee_balls, prompt_inits
from tradeoffbounds.curvature import methods
from tradeoffbounds.curvature.methods import Settings
from tradeoffbounds.finetune.plan import Run

from .foretold import ball, gaps
from .hand_sweep import gathered

RUN = Run("near", "code", "prompt-tuning", "sft", None, 0.1, 0, 40, 8, None)
LORA = replace(RUN, method="lora")
SAY = SimpleNamespace(step=lambda words: None)
START = gaps(0.5, 0.6, 3.0)
DRIFTS = {"vocabulary": 0.25, "random": 4.0, "text": 0.75}


@pytest.fixture
def foreseen(monkeypatch):
    """What is said of runs; and what was computed, as (methods, initialisation)."""
    asked = []

    def run_methods(texts, information, settings, *, same_source, progress):
        asked.append((settings.peft, settings.prompt_init))
        drift = DRIFTS[settings.prompt_init]
        results = [SimpleNamespace(method=each, radii=[ball(0.1, drift=drift)], sharing=[]) for each in settings.peft]
        return SimpleNamespace(results=results, settings=settings)

    monkeypatch.setattr(methods, "run_methods", run_methods)

    def call(*runs, peft):
        settings = Settings("tiny", peft, None, (0.1,), "quick", 4, 20, None, "cpu", "float32", 0.95, 0)
        return foresee_balls(runs, gathered(), {}, settings, SAY), asked

    return call


def drift(foresight, run):
    return foresight.of(run, START, 0.95).predicted["drift"].value


def test_each_start_is_looked_at_once_and_other_methods_with_the_first(foreseen):
    runs = [LORA, *(replace(RUN, prompt_init=each) for each in ("random", "text", "random"))]
    found, asked = foreseen(*runs, peft=("lora", "prompt-tuning"))
    assert asked == [(("lora", "prompt-tuning"), "random"), (("prompt-tuning",), "text")]
    assert [drift(found, run) for run in runs] == [4.0, 4.0, 0.75, 4.0]


def test_a_run_without_a_choice_is_said_of_from_the_vocabulary(foreseen):
    found, asked = foreseen(RUN, peft=("prompt-tuning",))
    assert asked == [(("prompt-tuning",), "vocabulary")] and drift(found, RUN) == 0.25
    assert prompt_inits([LORA]) == prompt_inits([RUN]) == ["vocabulary"]
