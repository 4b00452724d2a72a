"""Trainings report to transformers' integrations by name, and are the same trainings."""

from __future__ import annotations

import os
from typing import ClassVar

import pytest
from transformers import TrainerCallback
from transformers.integrations import integration_utils

from tradeoffbounds.errors import UserError
from tradeoffbounds.finetune.reporting import VARIABLE, asked_for, checked, reporting

from .lessons import lesson, same, tune, values

#: An integration whose package nobody has here.
ABSENT = "clearml"


class Stub(TrainerCallback):
    """In the place of an integration."""

    made: ClassVar[list[Stub]] = []

    def __init__(self):
        self.logs, self.folder = [], os.environ.get("TENSORBOARD_LOGGING_DIR")
        self.made.append(self)

    def on_log(self, args, state, control, logs, **kwargs):
        self.logs.append((args.run_name, state.global_step, dict(logs)))


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """Of all integrations, the stub alone is installed."""
    monkeypatch.setitem(integration_utils.INTEGRATION_TO_CALLBACK, "stub", Stub)
    monkeypatch.setattr(integration_utils, "get_available_reporting_integrations", lambda: ["stub"])
    monkeypatch.setattr("tradeoffbounds.finetune.reporting._installed", lambda package: False)
    monkeypatch.setattr(Stub, "made", [])
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)


def test_names_are_checked_before_anything_is_trained():
    assert checked(()) == checked(("none",)) == ()
    assert checked(("stub", "stub")) == checked(("all",)) == ("stub",)
    with pytest.raises(UserError, match=r"cannot report to 'tensorbord'; expected azure_ml, .*tensorboard"):
        checked(("stub", "tensorbord"))
    with pytest.raises(UserError, match=f"cannot report to {ABSENT}: its package is missing here"):
        checked((ABSENT,))


def test_names_last_as_long_as_they_are_asked_for(monkeypatch):
    assert asked_for() == []
    with reporting(("stub",)):
        assert asked_for() == ["stub"] and os.environ[VARIABLE] == "stub"
        with reporting(()):
            assert asked_for() == ["stub"]
    assert VARIABLE not in os.environ
    monkeypatch.setenv(VARIABLE, "stub, nowhere")
    with pytest.raises(UserError, match="cannot report to 'nowhere'"):
        asked_for()


@pytest.mark.parametrize("objective", ["sft", "dpo"])
def test_losses_reach_the_integration_and_the_training_is_the_same(objective, start, tmp_path):
    asked = {"objective": objective, "steps": 4, "every": 2, "batch": 3, "seed": 2}
    plain = tune(start, tmp_path / "plain", lesson(objective), **asked)
    assert Stub.made == []
    with reporting(("stub",)):
        told = tune(start, tmp_path / ".work-0123", lesson(objective), **asked)
    (stub,) = Stub.made
    assert [step for _, step, logs in stub.logs if "loss" in logs] == [2, 4]
    assert {name for name, *_ in stub.logs} == {"0123"}
    assert stub.folder == str(tmp_path / ".work-0123" / "reports") and "TENSORBOARD_LOGGING_DIR" not in os.environ
    assert same(values(told.model), values(plain.model))
    assert [entry.get("loss") for entry in told.history] == [entry.get("loss") for entry in plain.history]


def test_a_folder_of_the_user_s_own_for_tensorboard_stays(start, tmp_path, monkeypatch):
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "mine"))
    with reporting(("stub",)):
        tune(start, tmp_path / "work", lesson("sft"), steps=1)
    assert Stub.made[0].folder == os.environ["TENSORBOARD_LOGGING_DIR"] == str(tmp_path / "mine")
