"""`--report-to` changes what is told of the runs, not the runs."""

from __future__ import annotations

import pytest
from transformers.integrations import integration_utils

from tradeoffbounds import UserError, ValidateConfig
from tradeoffbounds.finetune import perform
from tradeoffbounds.finetune.reporting import asked_for
from tradeoffbounds.validate import main

from .conftest import no_figures

pytestmark = pytest.mark.usefixtures("offline", "unchecked_shapes")


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    monkeypatch.setattr(integration_utils, "get_available_reporting_integrations", lambda: ["tensorboard"])


@pytest.mark.parametrize(
    ("name", "told"),
    [("tensorbord", "cannot report to 'tensorbord'; expected "), ("clearml", "its package is missing")],
)
def test_what_cannot_be_reported_to_is_one_line_before_any_training(name, told, options, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr("tradeoffbounds.finetune.reporting._installed", lambda package: False)
    monkeypatch.setattr("tradeoffbounds.overlap.features.load_model", None)
    assert main([*options(tmp_path / "out"), "--report-to", name]) == 2
    said = capfd.readouterr()
    assert said.out == "" and said.err.startswith("error: ") and told in said.err and said.err.count("\n") == 1
    assert not (tmp_path / "out" / "runs").exists()


def test_on_a_cluster_it_is_told_how():
    with pytest.raises(UserError, match="set TRADEOFFBOUNDS_REPORT_TO=tensorboard,wandb there instead"):
        ValidateConfig(engine="ray", report_to=("tensorboard", "wandb"))


def test_every_training_is_told_where_and_has_the_address_it_has_without(command, tmp_path, monkeypatch):
    """The second call finds the runs of the first, which reported; nothing is trained twice."""
    told = []

    def noting(own):
        def job(config, work):
            told.append(asked_for())
            with monkeypatch.context() as quiet:
                quiet.delenv("TRADEOFFBOUNDS_REPORT_TO")  # the package itself is not here
                own(config, work)

        return job

    for name in ("fine_tune", "align"):
        monkeypatch.setattr(perform, name, noting(getattr(perform, name)))
    monkeypatch.setenv("TRADEOFFBOUNDS_CACHE", str(tmp_path / "cache"))
    no_figures(monkeypatch)
    asked = {"radius": 0.02, "steps": 2, "seed": 5}
    first = command(tmp_path / "out", "--report-to", "tensorboard", **asked)
    assert len(told) >= 3 and all(each == ["tensorboard"] for each in told)
    taught = len(told)
    again = command(tmp_path / "out", **asked)
    assert len(told) == taught
    assert [run["id"] for run in again.record["runs"]] == [run["id"] for run in first.record["runs"]]
    assert (first.record["config"]["report_to"], again.record["config"]["report_to"]) == (["tensorboard"], [])
