"""A run from its configuration to its record, and to an adapter that says what the live model said."""

import json

import numpy as np
import pytest

from tradeoffbounds.finetune import perform
from tradeoffbounds.finetune.gaps import row_kls, row_losses
from tradeoffbounds.finetune.material import Material
from tradeoffbounds.finetune.perform import align, aligned_folder, fine_tune, job_config, start_spec
from tradeoffbounds.finetune.train import CHECKPOINTS, Lesson, train
from tradeoffbounds.finetune.training import Training
from tradeoffbounds.models.load import load_model
from tradeoffbounds.runs import read_json
from tradeoffbounds.sweeps import Job

from ..tiny_models import tiny_llama
from .lessons import METHODS, ON_CPU, Interrupted, count_steps, killed_at, logged, pairs, texts

OWN = Material("capability", tuple(texts(6, 1)), tuple(texts(3, 2)), tuple(texts(4, 3)), pairs=tuple(pairs(6, 1)))
PROXY = Material("proxy", tuple(texts(5, 11)), (), tuple(texts(3, 12)))
#: A source that is a model: its prompts under its own system prompt.
TAUGHT = Material(
    "alignment", tuple(texts(6, 21)), tuple(texts(3, 22)), tuple(texts(4, 23)),
    author=tuple((17, 3, *row.prefix) for row in texts(4, 23)),
)  # fmt: skip


def read_run(folder):
    return read_json(folder / "run.json")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TRADEOFFBOUNDS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def config(start, training, **changes):
    """As a sweep's job hands it over: JSON has been there and back."""
    own, proxy, taught = (each.store() for each in (OWN, PROXY, TAUGHT))
    fields = {
        "start": start, "base": start, "training": training, "rows": own, "proxy": proxy, "probe": proxy,
        "measure": [own, taught, proxy], "device": "cpu", "dtype": "float32", "processes": 1,
    }  # fmt: skip
    return Job("tradeoffbounds.finetune.perform:fine_tune", job_config(**fields | changes)).config


def assert_measured(record, model, base):
    """The record's rows are what the model has on the held-out rows of each source; exact where that is a model."""
    by_name = {each.store(): each for each in (OWN, PROXY, TAUGHT)}
    assert record["losses"].keys() | record["kls"].keys() == by_name.keys()
    for address, rows in record["losses"].items():
        np.testing.assert_allclose(rows, row_losses(model, by_name[address].test), rtol=1e-5)
    assert list(record["kls"]) == [TAUGHT.store()]
    expected = row_kls(model, base, TAUGHT.test, TAUGHT.author)
    np.testing.assert_allclose(record["kls"][TAUGHT.store()], expected, rtol=1e-4)


@pytest.mark.parametrize(
    "training",
    [
        *(Training(method, penalty=0.5, steps=4, batch=3, every=2, seed=3) for method in METHODS),
        Training("p-tuning", "dpo", radius=0.05, steps=4, batch=3, every=2),
    ],
    ids=lambda training: f"{training.method}-{training.objective}",
)
def test_a_run_writes_what_its_live_model_has(training, start, work, tmp_path):
    fine_tune(config(start, training), work)
    record = read_run(work)
    rows = OWN.train if training.objective == "sft" else OWN.pairs
    live = train(start, training, Lesson(rows, (), PROXY.train, PROXY.train), tmp_path / "live", ON_CPU)
    assert_measured(record, live.model, load_model(start, ON_CPU))
    assert logged(record["history"], "loss") == logged(live.history, "loss")
    assert logged(record["history"], "distance") == logged(live.history, "distance")
    assert logged(record["history"], "safety_gradient").keys() == {0, 2, 4}
    assert record["config"] == config(start, training) and record["environment"]["device"] == "cpu"
    start_losses = row_losses(load_model(start, ON_CPU), OWN.test)
    assert not np.allclose(record["losses"][OWN.store()], start_losses, rtol=1e-4)
    assert not (work / CHECKPOINTS).exists()
    # An adapter is kept for whoever wants to use it; a whole model a run is not.
    assert (work / "adapter" / "adapter_model.safetensors").is_file() == (training.method != "full")


def test_what_one_base_says_is_not_taken_for_another_s(start, work, tmp_path):
    """In one process, where what the first said is kept."""
    other = tmp_path / "other"
    tiny_llama(layers=2, seed=1).save_pretrained(other)
    for base in (start, str(other)):
        fine_tune(config(start, None, base=base), work)
        assert_measured(read_run(work), load_model(start, ON_CPU), load_model(base, ON_CPU))


def test_the_start_is_measured_without_training(start, work, monkeypatch):
    steps = count_steps(monkeypatch)
    fine_tune(config(start, None, rows=None, proxy=None, probe=None), work)
    record = read_run(work)
    assert steps == [] and record["history"] == [] and record["config"]["training"] is None
    base = load_model(start, ON_CPU)
    assert_measured(record, base, base)


def test_a_run_measures_in_float32_what_it_trained_in_bfloat16(start, work, tmp_path):
    training = Training("lora", steps=3, batch=3)
    fine_tune(config(start, training, dtype="bfloat16"), work)
    record = read_run(work)
    model = perform.with_adapter(start, work / "adapter", "cpu")
    assert_measured(record, model, load_model(start, ON_CPU))
    assert {str(weight.dtype) for weight in model.parameters()} == {"torch.float32"}


@pytest.mark.parametrize("method", ["p-tuning", "full"])
def test_a_run_that_was_killed_goes_on(method, start, work, tmp_path, monkeypatch):
    """In training, and again while it measures; nothing is trained twice."""
    asked = config(start, Training(method, steps=5, batch=3, every=2))
    whole = tmp_path / "whole"
    whole.mkdir()
    fine_tune(asked, whole)
    with killed_at(3):
        fine_tune(asked, work)
    steps = count_steps(monkeypatch)

    def killed(*args):
        raise Interrupted

    with monkeypatch.context() as patched:
        patched.setattr(perform, "row_kls", killed)
        with pytest.raises(Interrupted):
            fine_tune(asked, work)
    assert steps == [3, 4, 5] and not (work / "run.json").exists()
    fine_tune(asked, work)
    assert steps == [3, 4, 5]
    ours, theirs = read_run(work), read_run(whole)
    assert ours["losses"] == theirs["losses"] and ours["kls"] == theirs["kls"]
    for name in ("loss", "distance", "safety_loss"):
        assert logged(ours["history"], name) == logged(theirs["history"], name)


def test_a_finished_run_called_again_says_the_same(start, work):
    asked = config(start, Training("ia3", steps=3, batch=3))
    fine_tune(asked, work)
    first = read_run(work)
    fine_tune(asked, work)
    again = read_run(work)
    assert again["losses"] == first["losses"] and again["kls"] == first["kls"]


# The aligned start


ALIGNING = Training("lora-all-linear", steps=20, batch=6, every=5, patience=2, learning_rate=5e-3)


@pytest.fixture
def aligned(start):
    """Its configuration, and the folder where a sweep would have put it."""
    asked = json.loads(
        json.dumps(job_config(base=start, training=ALIGNING, rows=TAUGHT.store(), device="cpu", dtype="float32"))
    )
    folder = aligned_folder() / "0123"
    folder.mkdir(parents=True)
    return asked, folder


def test_the_aligned_start_has_a_lower_loss_on_the_alignment_rows(start, aligned):
    asked, folder = aligned
    align(asked, folder)
    assert start_spec("aligned:0123") == str(folder / "model") and start_spec(start) == start
    before, after = load_model(start, ON_CPU), load_model(start_spec("aligned:0123"), ON_CPU)
    assert row_losses(after, TAUGHT.train).mean() < row_losses(before, TAUGHT.train).mean() - 1
    assert [name for name, _ in after.named_parameters()] == [name for name, _ in before.named_parameters()]
    record = read_run(folder)
    assert record["config"] == asked and logged(record["history"], "eval_loss")
    assert not (folder / CHECKPOINTS).exists()


def test_runs_start_from_the_aligned_model(start, aligned, work):
    asked, folder = aligned
    align(asked, folder)
    fine_tune(config("aligned:0123", None, base=start), work)
    model, base = load_model(str(folder / "model"), ON_CPU), load_model(start, ON_CPU)
    assert_measured(read_run(work), model, base)
    fine_tune(config("aligned:0123", Training("lora", steps=2, radius=0.0), base=start), work)
    assert_measured(read_run(work), model, base)  # LoRA in a ball of radius 0 is the start


def test_an_alignment_that_was_killed_goes_on(start, aligned, tmp_path, monkeypatch):
    asked, folder = aligned
    other = tmp_path / "other"
    other.mkdir()
    align(asked, other)
    with killed_at(7):
        align(asked, folder)
    steps = count_steps(monkeypatch)
    align(asked, folder)
    assert steps[0] == 6
    ours, theirs = (load_model(str(each / "model"), ON_CPU).state_dict() for each in (folder, other))
    assert all((ours[name] == theirs[name]).all() for name in theirs)
