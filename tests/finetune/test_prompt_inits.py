"""Fine-tunes from every initialisation: what they start from, where they go on, and which addresses they have."""

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from tradeoffbounds.errors import UserError
from tradeoffbounds.finetune.perform import job_config, with_adapter
from tradeoffbounds.finetune.plan import Run, Shared, grid, plan
from tradeoffbounds.finetune.training import TRAINED, Training
from tradeoffbounds.models.adapter_config import preset
from tradeoffbounds.models.fresh_adapter import fresh_adapter
from tradeoffbounds.models.load import load_model
from tradeoffbounds.models.prompt_init import PROMPT_INITS

from .lessons import ON_CPU, killed_at, lesson, logged, same, trained, tune, values

INITS = (*PROMPT_INITS, "text:Be kind.")
RUN = Run("near", "code", "prompt-tuning", "sft", None, None, 0, 40, 8, None)


def tuned(start, work, prompt_init, **options):
    given = {"objective": "sft", "steps": 2, "every": 1, "batch": 6, "seed": 3} | options
    return tune(start, work, lesson(given["objective"]), method="prompt-tuning", prompt_init=prompt_init, **given)


@pytest.mark.parametrize("objective", ["sft", "dpo"])
def test_every_initialisation_trains_from_a_loss_of_its_own(start, tmp_path, objective):
    losses = {}
    for place, prompt_init in enumerate(INITS):
        done = tuned(start, tmp_path / str(place), prompt_init, objective=objective, radius=0.0)
        losses[prompt_init] = logged(done.history, "loss")[1]
        config = preset("prompt-tuning", 32, prompt_init)
        (expected,) = fresh_adapter(load_model(start, ON_CPU), config, 3, spec=start).values()
        (found,) = trained(done.model).values()
        np.testing.assert_array_equal(found.detach().numpy(), expected)  # the ball of radius 0 leaves it there
    assert all(map(math.isfinite, losses.values()))
    assert len({round(loss, 6) for loss in losses.values()}) == len(INITS)


def test_a_killed_training_from_a_text_ends_where_the_whole_one_ends(start, tmp_path):
    asked = {"steps": 5, "every": 2, "batch": 3}
    whole = tuned(start, tmp_path / "whole", "safety-text", **asked)
    with killed_at(3):
        tuned(start, tmp_path / "cut", "safety-text", **asked)
    again = tuned(start, tmp_path / "cut", "safety-text", **asked)
    assert same(values(again.model), values(whole.model))
    assert logged(again.history, "distance") == logged(whole.history, "distance")


def test_an_adapter_read_from_its_folder_answers_alike(start, tmp_path):
    done = tuned(start, tmp_path / "work", "safety-text")
    done.model.save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
    ids = torch.arange(10).reshape(2, 5)
    with torch.inference_mode():
        assert torch.equal(with_adapter(start, tmp_path / "adapter", "cpu")(ids).logits, done.model(ids).logits)


# Addresses


def test_the_default_adds_nothing_to_what_a_run_is_addressed_by():
    known = {"method", "objective", "penalty", "radius", "seed", "steps", "batch", "learning_rate", "every",
             "patience", "beta"}  # fmt: skip
    for method in TRAINED:
        training = Training(method)
        assert set(training.content) == known
        assert training.content == {name: value for name, value in asdict(training).items() if name in known}
        assert Training(**training.content) == training
    asked = Training("prompt-tuning", prompt_init="random")
    assert asked.content == Training("prompt-tuning").content | {"prompt_init": "random"}
    assert job_config(training=asked) == {"training": asked.content}


def test_runs_from_before_there_was_a_choice_keep_their_addresses():
    """As they were computed then."""
    addresses = {"alignment": "aaaa", "proxy: near": "bbbb", "capability: code": "dddd"}
    shared = Shared("aligned:0123", "base", "base@1", "ffff", "cpu", "float32", 1)
    runs = [replace(RUN, penalty=0.5), replace(RUN, penalty=0.5, prompt_init="vocabulary")]
    sweeps = [plan([run], addresses, shared, beta=0.1, reference=None) for run in runs]
    ids = [[job.id for job in sweep.jobs] for sweep in sweeps]
    assert ids[0] == ids[1] == EXPECTED
    other = plan([replace(RUN, penalty=0.5, prompt_init="random")], addresses, shared, beta=0.1, reference=None)
    assert len({*ids[0], *(job.id for job in other.jobs)}) == 7  # the start, on which nothing was trained, is shared


EXPECTED = ["dc5349bfbdc338af", "d4c4281844b54523", "ce18e6e41482e54f", "b38e89ddcb872753"]


@pytest.mark.parametrize("method", [each for each in TRAINED if each != "prompt-tuning"])
def test_a_method_without_a_choice_refuses_one(method):
    with pytest.raises(UserError, match=f"{method} has no virtual tokens to start from 'random'; prompt-tuning has"):
        Training(method, prompt_init="random")
    with pytest.raises(UserError, match="cannot start virtual tokens from 'rand'"):
        Training("prompt-tuning", prompt_init="rand")


# The grid


def test_the_grid_multiplies_prompt_tuning_alone():
    methods = ["lora", "ia3", "prompt-tuning", "p-tuning", "full"]
    runs = grid(
        ["near"], ["code"], methods, ["sft", "dpo"], [0.1, 1.0], [0.05], [3, 4], INITS, steps=40, batch=8,
        learning_rate=None,
    )  # fmt: skip
    assert len(runs) == len(set(runs)) == (4 + len(INITS)) * 2 * 2 * 3
    for method in methods:
        inits = {run.prompt_init for run in runs if run.method == method}
        assert inits == (set(INITS) if method == "prompt-tuning" else {None})
    for run in runs:
        assert run.training(0.1).prompt_init == (run.prompt_init or "vocabulary")


def test_what_a_run_is_compared_with_starts_alike():
    addresses = {"alignment": "aaaa", "proxy: near": "bbbb", "capability: code": "dddd"}
    shared = Shared("aligned:0123", "base", "base@1", "ffff", "cpu", "float32", 1)
    runs = grid(
        ["near"], ["code"], ["prompt-tuning"], ["sft"], [1.0], [], [0], INITS, steps=4, batch=2, learning_rate=None
    )
    sweep = plan(runs, addresses, shared, beta=0.1, reference=None)
    assert len(sweep.runs) == 2 * len(INITS) and len(sweep.proxy_alone) == len(INITS)
    for run, job in (*sweep.runs.items(), *sweep.proxy_alone.items()):
        assert job.config["training"].get("prompt_init", "vocabulary") == run.prompt_init
