"""A resumed training counts from where it began, not from where it was taken up again."""

from __future__ import annotations

import json

import pytest
from safetensors import safe_open

from tradeoffbounds import SafetyMonitor, UserError
from tradeoffbounds.finetune.watch import START_FILE

from .trainings import LEARNED, SAFETY, Seen, plain_trainer, same, weights

#: Steps 2 and 4 leave a checkpoint.
ASKED = {"save_strategy": "steps", "save_steps": 2, "max_steps": 6}


def watched(start, folder, *, method="lora", rows=SAFETY, every=1, **changed):
    seen = Seen()
    trainer = plain_trainer(start, folder, method, seen, **ASKED | changed)
    trainer.add_callback(SafetyMonitor(trainer, rows, LEARNED[:3], every=every))
    return trainer, seen


def gaps(folder):
    record = json.loads((folder / "safety_monitor.json").read_text("utf-8"))
    return [
        (look["step"], look["safety_gap"]["value"], look["capability_gap"]["value"], look["distance"]["value"])
        for look in record["looks"]
    ]


@pytest.mark.parametrize("method", ["lora", "full"])
def test_reference_and_distance_are_those_of_the_first_start(method, start, tmp_path):
    whole, _ = watched(start, tmp_path / "whole", method=method)
    whole.train()
    # Interrupted after step 5: looks at steps that are taken again are forgotten.
    trainer, _ = watched(start, tmp_path / "killed", method=method)
    trainer.train()
    end = weights(trainer.model)
    trainer, seen = watched(start, tmp_path / "killed", method=method)
    trainer.train(resume_from_checkpoint=str(tmp_path / "killed" / "checkpoint-4"))
    assert list(seen.of("safety_gap")) == [5, 6]
    assert same(weights(trainer.model), end) and same(end, weights(whole.model))
    found, expected = gaps(tmp_path / "killed"), gaps(tmp_path / "whole")
    assert [each[0] for each in found] == [0, 1, 2, 3, 4, 5, 6]
    assert found == expected


def test_what_is_kept_of_the_start_is_read_without_pickle(start, tmp_path):
    trainer, _ = watched(start, tmp_path, max_steps=2)
    before = weights(trainer.model)
    trainer.train()
    with safe_open(tmp_path / START_FILE, "pt") as file:
        assert {name for name in file.keys() if name.startswith("losses/")} == {"losses/safety", "losses/capability"}  # noqa: SIM118
        assert same({name: file.get_tensor(f"parameters/{name}") for name in before}, before)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".partial")]


def test_a_training_without_checkpoints_keeps_no_start(start, tmp_path):
    trainer, _ = watched(start, tmp_path, save_strategy="no", max_steps=1)
    trainer.train()
    assert not (tmp_path / START_FILE).exists() and (tmp_path / "safety_monitor.json").is_file()


def test_begun_anew_in_the_same_folder_the_reference_is_the_new_start(start, tmp_path):
    for _ in range(2):
        trainer, _ = watched(start, tmp_path, max_steps=2)
        trainer.train()
        assert [each[0] for each in gaps(tmp_path)] == [0, 1, 2]
        assert gaps(tmp_path)[0][1:] == (0, 0, 0)


@pytest.fixture
def interrupted(start, tmp_path):
    """A folder with a checkpoint; resume there, and the error that is raised."""
    trainer, _ = watched(start, tmp_path, max_steps=2)
    trainer.train()

    def refused(**changed):
        again, _ = watched(start, tmp_path, **changed)
        with pytest.raises(UserError) as raised:
            again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
        assert "\n" not in str(raised.value)
        return str(raised.value)

    return tmp_path, refused


def test_without_the_start_resuming_is_refused(interrupted):
    folder, refused = interrupted
    (folder / START_FILE).unlink()
    assert "is missing" in refused()


def test_with_other_rows_resuming_is_refused(interrupted):
    _, refused = interrupted
    assert "is of other rows" in refused(rows=SAFETY[:5])


def test_a_damaged_start_is_told(interrupted):
    folder, refused = interrupted
    (folder / START_FILE).write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00notjson!")
    assert "is damaged" in refused()
