"""A training in several processes is the same training on the same rows."""

from __future__ import annotations

import pytest
from safetensors.torch import load_file

from tradeoffbounds.finetune.material import Material
from tradeoffbounds.finetune.perform import fine_tune, job_config
from tradeoffbounds.finetune.training import Training
from tradeoffbounds.runs import read_json, write_json
from tradeoffbounds.sweeps import JOB_FILE, Job

from .lessons import logged, texts

pytestmark = pytest.mark.slow


@pytest.fixture
def tuned(start, tmp_path, monkeypatch):
    """A fine-tune with a penalty, in a ball that it reaches; its record and its adapter."""
    monkeypatch.setenv("TRADEOFFBOUNDS_CACHE", str(tmp_path / "cache"))
    # Whole steps of capability rows: at the end of an epoch, processes fill theirs up with its first rows.
    own, proxy = (
        Material(name, tuple(texts(n, n)), (), tuple(texts(4, 9))).store() for name, n in (("own", 12), ("proxy", 7))
    )

    def run(processes, batch):
        training = Training("lora", penalty=0.5, radius=0.05, steps=4, batch=batch, every=2, seed=3)
        job = Job(
            "tradeoffbounds.finetune.perform:fine_tune",
            job_config(
                start=start, base=start, training=training, rows=own, proxy=proxy, probe=own, measure=[own, proxy],
                device="cpu", dtype="float32", processes=processes,
            ),
        )  # fmt: skip
        work = tmp_path / f"{processes}x{batch}"
        work.mkdir()
        write_json(work / JOB_FILE, {"config": job.config})
        fine_tune(job.config, work)
        return read_json(work / "run.json"), load_file(work / "adapter" / "adapter_model.safetensors")

    return run


def test_two_processes_with_half_the_batch_train_as_one(tuned):
    """Each step is on the same rows, proxy rows included; so is its gradient, but for the order of summation."""
    (record, adapter), (whole, its_adapter), (half, _) = tuned(2, 2), tuned(1, 4), tuned(1, 2)
    assert adapter.keys() == its_adapter.keys()
    for name, weight in its_adapter.items():
        assert (adapter[name] - weight).abs().max() < 1e-5, name
    for name in ("loss", "distance", "safety_loss", "safety_gradient"):
        ours, theirs, others = (logged(each["history"], name) for each in (record, whole, half))
        assert ours.keys() == theirs.keys() and ours == pytest.approx(theirs, rel=1e-5)
        if name != "distance":
            assert ours != pytest.approx(others, rel=1e-3), name  # what one process alone sees is another training
    assert logged(record["history"], "distance")[4] == pytest.approx(0.05, rel=1e-6)
    for address, losses in whole["losses"].items():
        assert record["losses"][address] == pytest.approx(losses, rel=1e-5)
        assert record["losses"][address] != pytest.approx(half["losses"][address], rel=1e-5)
