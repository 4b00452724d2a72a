"""Killed and called again, a training ends where it would have ended; and where validation says, it ends early."""

import shutil

import pytest
import torch
from transformers import TrainerState

from tradeoffbounds.finetune.gaps import row_losses
from tradeoffbounds.finetune.train import CHECKPOINTS, Lesson, _last_checkpoint

from .lessons import (
    METHODS,
    Interrupted,
    apart,
    count_steps,
    dpo_loss,
    fresh,
    killed_at,
    lesson,
    logged,
    pairs,
    same,
    texts,
    tune,
    values,
)

#: Three steps an epoch, of which the last is shorter; proxy rows in a stream of their own.
ASKED = {"penalty": 0.5, "seed": 2, "steps": 8, "batch": 3, "every": 3}
PROXY = texts(5, seed=90)
RESUMED = [*((method, "sft") for method in METHODS), ("lora", "dpo"), ("p-tuning", "dpo"), ("full", "dpo")]


def given(objective):
    return lesson(objective, 7, proxy=PROXY, probe=PROXY[:2])


def written(history):
    """What does not depend on the clock."""
    names = ("step", "loss", "eval_loss", "distance", "projected_distance", "grad_norm", "safety_loss")
    return [{name: entry[name] for name in names if name in entry} for entry in history]


@pytest.fixture(scope="module", params=RESUMED, ids=str)
def whole(request, start, tmp_path_factory):
    """A training that nothing interrupted: method, objective, end, history and its folder."""
    method, objective = request.param
    work = tmp_path_factory.mktemp("whole")
    done = tune(start, work, given(objective), method=method, objective=objective, **ASKED)
    return method, objective, values(done.model), done.history, work


@pytest.mark.parametrize(("killed", "left"), [(5, [4, 5, 6, 7, 8]), (7, [7, 8]), (2, [1, 2, 3, 4, 5, 6, 7, 8])])
def test_a_killed_training_ends_where_the_whole_one_ends(killed, left, whole, start, tmp_path, monkeypatch):
    method, objective, end, history, _ = whole
    with killed_at(killed):
        tune(start, tmp_path, given(objective), method=method, objective=objective, **ASKED)
    steps = count_steps(monkeypatch)
    done = tune(start, tmp_path, given(objective), method=method, objective=objective, **ASKED)
    assert steps == left
    assert same(values(done.model), end)
    assert written(done.history) == written(history)


def test_a_finished_training_is_read(whole, start, monkeypatch):
    """Not trained a step further, though the last one was in the middle of an epoch."""
    method, objective, end, history, work = whole
    steps = count_steps(monkeypatch)
    done = tune(start, work, given(objective), method=method, objective=objective, **ASKED)
    assert steps == [] and not any(module.training for module in done.model.modules())
    assert same(values(done.model), end) and done.history == history


@pytest.mark.parametrize("method", ["lora", "p-tuning"])
def test_in_a_ball_the_centre_is_still_the_start(method, start, tmp_path, monkeypatch):
    asked = ASKED | {"method": method, "radius": 0.05}
    whole = tune(start, tmp_path / "whole", given("sft"), **asked)
    with killed_at(5):
        tune(start, tmp_path / "killed", given("sft"), **asked)
    done = tune(start, tmp_path / "killed", given("sft"), **asked)
    assert same(values(done.model), values(whole.model)) and written(done.history) == written(whole.history)
    assert list(logged(done.history, "projected_distance")) == list(range(1, 9))
    assert 0 < apart(values(done.model), values(fresh(start, method, ASKED["seed"]))) <= 0.05


# Checkpoints


def test_a_checkpoint_that_was_cut_short_is_ignored(start, tmp_path, monkeypatch):
    whole = tune(start, tmp_path / "whole", given("sft"), method="p-tuning", **ASKED)
    own = TrainerState.save_to_json

    def cut_short(self, path):
        if self.global_step == 6:
            raise Interrupted
        own(self, path)

    work = tmp_path / "killed"
    with monkeypatch.context() as patched:
        patched.setattr(TrainerState, "save_to_json", cut_short)
        with pytest.raises(Interrupted):
            tune(start, work, given("sft"), method="p-tuning", **ASKED)
    newest = work / CHECKPOINTS / "checkpoint-6"
    assert newest.is_dir() and not (newest / "trainer_state.json").exists()
    steps = count_steps(monkeypatch)
    done = tune(start, work, given("sft"), method="p-tuning", **ASKED)
    assert steps == [4, 5, 6, 7, 8]
    assert same(values(done.model), values(whole.model))


def test_the_newest_is_the_one_of_most_steps(tmp_path):
    assert _last_checkpoint(tmp_path) is None
    for step in (9, 10, 100, 11):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "trainer_state.json").write_text("{}" if step != 100 else "")
    (tmp_path / "checkpoint-12").mkdir()
    assert _last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-11")


def test_checkpoints_hold_what_is_trained_and_not_the_model(start, tmp_path):
    from safetensors.torch import load_file

    done = tune(start, tmp_path, given("sft"), method="p-tuning", **ASKED)
    folder = tmp_path / CHECKPOINTS / "checkpoint-8"
    assert same(load_file(folder / "trained.safetensors"), values(done.model))
    assert not list(folder.glob("adapter*")) and not list(folder.glob("model*"))


# Early stopping

#: Validation falls, and rises while the training rows are learned by heart.
EARLY = [
    ("lora", "sft", 3e-2, 0),
    ("prompt-tuning", "sft", 3e-2, 4),
    ("p-tuning", "sft", 1e-2, 2),
    ("full", "sft", 1e-2, 2),
    ("lora", "dpo", 1e-2, 4),
    ("p-tuning", "dpo", 1e-2, 4),
]


def by_heart(objective, shared):
    """A lesson whose validation has some of the training rows and some of its own."""
    make = texts if objective == "sft" else pairs
    rows = make(8, 1)
    return Lesson(rows, rows[:shared] + make(8 if shared < 4 else 6, 40))


@pytest.fixture(scope="module", params=EARLY, ids=lambda each: f"{each[0]}-{each[1]}")
def stopped(request, start, tmp_path_factory):
    """How it was asked for, the lesson, its end, and its folder."""
    method, objective, rate, shared = request.param
    asked = {
        "method": method, "objective": objective, "learning_rate": rate, "patience": 2, "every": 2, "steps": 60,
        "batch": 8, "seed": 0,
    }  # fmt: skip
    rows, work = by_heart(objective, shared), tmp_path_factory.mktemp("stopped")
    return asked, rows, tune(start, work, rows, **asked), work


def test_training_stops_when_patience_ends_and_its_best_state_is_kept(stopped):
    asked, rows, done, _ = stopped
    losses = logged(done.history, "eval_loss")
    best, last = min(losses, key=losses.get), max(losses)
    assert best > 2 and last == best + 2 * asked["every"] < asked["steps"]
    assert max(logged(done.history, "distance")) == last
    with torch.no_grad():
        kept = (
            row_losses(done.model, rows.validation).mean()
            if asked["objective"] == "sft"
            else float(dpo_loss(done.model, rows.validation))
        )
    assert kept == pytest.approx(losses[best], rel=1e-5)
    assert min(abs(kept - losses[step]) for step in losses if step != best) > 1e-4 * kept


def test_one_that_stopped_is_read_with_its_best_state(stopped, start, tmp_path, monkeypatch):
    """Also where its folder is another one meanwhile."""
    asked, rows, done, work = stopped
    shutil.copytree(work, tmp_path / "moved")
    steps = count_steps(monkeypatch)
    for folder in (work, tmp_path / "moved"):
        again = tune(start, folder, rows, **asked)
        assert same(values(again.model), values(done.model)) and again.history == done.history
    assert steps == []


def test_patience_is_not_renewed_by_an_interruption(stopped, start, tmp_path, monkeypatch):
    asked, rows, done, _ = stopped
    last = max(logged(done.history, "eval_loss"))
    with killed_at(last - 1):  # one of two validations without improvement has been
        tune(start, tmp_path, rows, **asked)
    steps = count_steps(monkeypatch)
    again = tune(start, tmp_path, rows, **asked)
    assert steps == [last - 1, last]
    assert same(values(again.model), values(done.model)) and written(again.history) == written(done.history)


def test_without_patience_the_last_state_is_kept(start, tmp_path):
    rows = by_heart("sft", 4)
    asked = {"method": "prompt-tuning", "learning_rate": 3e-2, "every": 2, "steps": 20, "batch": 8, "seed": 0}
    done = tune(start, tmp_path, rows, **asked)
    assert not logged(done.history, "eval_loss")
    centre = values(fresh(start, "prompt-tuning", 0))
    assert apart(values(done.model), centre) == pytest.approx(logged(done.history, "distance")[20], rel=1e-9)
