"""One run of a sweep, by its configuration alone: train from the start, then measure on held-out rows.

These are the functions that a sweep's jobs name. Configurations hold addresses in the place of rows and starts, so
that equal content has an equal address; both lie in the package's cache, which workers must share.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from tradeoffbounds.finetune.gaps import row_kls, row_losses
from tradeoffbounds.finetune.material import Material
from tradeoffbounds.finetune.train import CHECKPOINTS, Lesson, train
from tradeoffbounds.finetune.training import Training
from tradeoffbounds.models.load import Placement, load_model, load_tokenizer
from tradeoffbounds.models.peft_folder import load_adapter
from tradeoffbounds.runs import cache_dir, environment, write_json
from tradeoffbounds.sweeps import JOB_FILE

#: Measured in float32 whatever the training's format was: differences of gaps are smaller than bfloat16's rounding.
_EXACT = "float32"
ALIGNED_PREFIX = "aligned:"
_TRAINED = "adapter"
_HISTORY = "history.json"
#: The teacher's log-probabilities of one source are kept where they are no more than these (1 GB).
_KEPT_NUMBERS = 250_000_000


def fine_tune(config: Mapping[str, Any], work: Path) -> None:
    """Write run.json (the history and one number a held-out row of each source) and adapter/ into ``work``.

    ``config``: ``start`` (a model, or ``aligned:ID``), ``base`` (the model that system: sources are), ``training``
    (fields of `Training`, or None to measure the start), ``rows``, ``proxy``, ``probe`` (addresses of `Material`, or
    None), ``measure`` (addresses), ``device``, ``dtype``, ``processes`` (of the training, started by accelerate).
    """
    placement = Placement(config["device"], config["dtype"])
    start = start_spec(config["start"])
    history: list[dict[str, float]] = []
    trained = work / _TRAINED
    if config["training"] is None:
        model = load_model(start, Placement(placement.device, _EXACT))
    else:
        if config["processes"] > 1:
            _in_processes(config, work)
        else:
            train_and_save(config, work)
        training = Training(**config["training"])
        history = json.loads((work / _HISTORY).read_text("utf-8"))["history"]
        if (trained / "adapter_config.json").is_file():
            model = with_adapter(start, trained, placement.device)
        else:
            model = load_model(str(trained), Placement(placement.device, _EXACT))
    exact, losses = {}, {}
    for address in config["measure"]:
        rows = Material.load(address)
        if rows.author is not None:
            where = (config["base"], placement.device)
            teacher, known = _teacher(*where), _known(*where, address)
            fits = sum(len(text.response) for text in rows.test) * teacher.config.vocab_size <= _KEPT_NUMBERS
            exact[address] = _numbers(row_kls(model, teacher, rows.test, rows.author, known if fits else None))
        if rows.author is None or config["training"] is None or training.objective == "dpo":
            losses[address] = _numbers(row_losses(model, rows.test))
    write_json(
        work / "run.json",
        {
            "config": dict(config),
            "environment": environment(placement.device, placement.dtype),
            "history": history,
            "losses": losses,
            "kls": exact,
        },
    )
    shutil.rmtree(work / CHECKPOINTS, ignore_errors=True)
    if not (trained / "adapter_config.json").is_file():
        shutil.rmtree(trained, ignore_errors=True)  # a whole model a run


def train_and_save(config: Mapping[str, Any], work: Path) -> None:
    """The training alone: what was trained and its history into ``work``; of several processes the first writes."""
    training = Training(**config["training"])
    placement = Placement(config["device"], config["dtype"])
    trained = train(start_spec(config["start"]), training, _lesson(config, training), work, placement)
    if int(os.environ.get("RANK", "0")) == 0:
        if training.method == "full":
            trained.model.save_pretrained(work / _TRAINED)
            load_tokenizer(start_spec(config["start"])).save_pretrained(work / _TRAINED)
        else:
            _save_adapter(trained.model, work / _TRAINED)
        write_json(work / _HISTORY, {"history": trained.history})


def _in_processes(config: Mapping[str, Any], work: Path) -> None:
    command = [
        # On CPU too, which the trainer chooses itself: with `--cpu`, or without either, accelerate may start a single
        # process whatever number it is told. Port 0: any that is free, since other sweeps may be running.
        sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(config["processes"]),
        "--num_machines", "1", "--main_process_port", "0", "--mixed_precision", "no", "--dynamo_backend", "no",
        "-m", __name__, str(work),
    ]  # fmt: skip
    subprocess.run(command, check=True)


def align(config: Mapping[str, Any], work: Path) -> None:
    """The aligned start: SFT on the alignment rows, merged into the weights; a model folder ``work/model``.

    ``config``: ``base`` (a model), ``training``, ``rows`` (address), ``device``, ``dtype``.
    """
    placement = Placement(config["device"], config["dtype"])
    rows = Material.load(config["rows"])
    training = Training(**config["training"])
    trained = train(config["base"], training, Lesson(rows.train, rows.validation), work, placement)
    folder = work / "model"
    shutil.rmtree(folder, ignore_errors=True)
    model = trained.model
    if training.method != "full":
        # In float32: what an adapter adds to a weight is less than bfloat16 can tell from it.
        _save_adapter(model, work / _TRAINED)
        model = with_adapter(config["base"], work / _TRAINED, placement.device).merge_and_unload()
    model.save_pretrained(folder)
    load_tokenizer(config["base"]).save_pretrained(folder)
    write_json(work / "run.json", {"config": dict(config), "history": trained.history})
    shutil.rmtree(work / CHECKPOINTS, ignore_errors=True)


def start_spec(start: str) -> str:
    """The model that a run's ``start`` names, as ``--model`` takes it."""
    if start.startswith(ALIGNED_PREFIX):
        return str(aligned_folder() / start.removeprefix(ALIGNED_PREFIX) / "model")
    return start


def aligned_folder() -> Path:
    """Where aligned starts are kept, one folder an address."""
    return cache_dir() / "aligned"


def _save_adapter(model: Any, folder: Path) -> None:
    # "auto" would ask the hub whether the vocabulary was resized.
    model.save_pretrained(folder, save_embedding_layers=False)


def with_adapter(start: str, adapter: Path, device: str) -> Any:
    """The start with a trained adapter, as it is loaded from disk, in float32."""
    return load_adapter(load_model(start, Placement(device, _EXACT)), adapter)


def _lesson(config: Mapping[str, Any], training: Training) -> Lesson:
    own = Material.load(config["rows"])
    proxy = Material.load(config["proxy"]).train if config["proxy"] else ()
    probe = Material.load(config["probe"]).train if config["probe"] else ()
    if training.objective == "dpo":
        return Lesson(own.pairs, own.validation_pairs, proxy, probe)
    return Lesson(own.train, own.validation, proxy, probe)


@lru_cache(maxsize=1)
def _teacher(base: str, device: str) -> Any:
    """The model that system: sources are, kept from one run of this process to the next."""
    return load_model(base, Placement(device, _EXACT))


@lru_cache(maxsize=8)
def _known(base: str, device: str, address: str) -> dict[int, Any]:
    """The teacher's log-probabilities on a source's test rows, as far as they were computed."""
    return {}


def _numbers(rows: Any) -> list[float]:
    return [float(each) for each in rows]


def job_config(**fields: Any) -> dict[str, Any]:
    """A configuration for :func:`fine_tune` or :func:`align`, the training as plain fields."""
    training = fields.get("training")
    return fields | {"training": None if training is None else training.content}


if __name__ == "__main__":  # one of the processes that accelerate starts
    folder = Path(sys.argv[1])
    train_and_save(json.loads((folder / JOB_FILE).read_text("utf-8"))["config"], folder)
    from torch import distributed

    # A process that ends while its group's threads run is now and then aborted, and its finished training lost.
    if distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()
