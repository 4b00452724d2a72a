"""One fine-tune from a start model to an adapter folder; called again after an interruption it goes on."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from tradeoffbounds.errors import UserError
from tradeoffbounds.finetune.ball import Ball
from tradeoffbounds.finetune.reporting import asked_for, written_into
from tradeoffbounds.finetune.rows import Text, collate, dpo_rows, sft_rows
from tradeoffbounds.finetune.training import Training
from tradeoffbounds.models.fresh_adapter import attach_fresh, peft_config
from tradeoffbounds.models.load import Placement, load_model, load_tokenizer

CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class Lesson:
    """What a fine-tune sees.

    Attributes:
        rows: capability rows: `rows.Text` for SFT, `rows.Pair` for DPO.
        validation: like ``rows``; looked at only where training may stop early.
        proxy: rows of Case I's penalty.
        probe: safety rows whose loss and gradient are recorded along the way.
    """

    rows: Sequence[Any]
    validation: Sequence[Any] = ()
    proxy: Sequence[Text] = ()
    probe: Sequence[Text] = ()


@dataclass(frozen=True)
class Trained:
    """The trained model, still in memory, and the trainer's history: one dictionary an entry, each with ``step``."""

    model: Any
    history: list[dict[str, float]]


def train(start: str, training: Training, lesson: Lesson, work: Path, placement: Placement) -> Trained:
    """Fine-tune a model.

    Args:
        start: what is fine-tuned, as ``--model`` takes it.
        placement: the format of the frozen weights and of the products; what is trained is float32.
        work: folder of the checkpoints; a training found there is resumed, one that was finished is read.

    Raises:
        UserError: no rows, a checkpoint that was tampered with, or a loss that is not finite.
    """
    if not lesson.rows:
        raise UserError("there are no rows to train on")
    if training.penalty > 0 and not lesson.proxy:
        raise UserError("a penalty needs proxy rows")
    from transformers import PrinterCallback

    folder = work / CHECKPOINTS
    with _quiet():
        with written_into(work):
            trainer = _trainer(start, training, lesson, folder, placement)
        trainer.remove_callback(PrinterCallback)
        ball = Ball([each for each in trainer.model.parameters() if each.requires_grad], training.radius)
        from tradeoffbounds.finetune.trainers import Watch

        probe = sft_rows(lesson.probe)
        batches = [collate(probe[first : first + training.batch]) for first in range(0, len(probe), training.batch)]
        # First of all callbacks, so that what is logged and saved lies in the ball.
        trainer.callback_handler.callbacks.insert(0, Watch(ball, batches, training.every))
        checkpoint = _last_checkpoint(folder)
        if checkpoint is None or not trainer.read_finished(checkpoint):
            try:
                trainer.train(resume_from_checkpoint=checkpoint)
            except UnpicklingError as error:  # transformers reads the optimiser's state by torch, tensors alone
                raise UserError(
                    f"{checkpoint}: holds what no training of ours wrote, and nothing of it was run; remove {folder}, "
                    "and the training starts over"
                ) from error
    # Accelerate's own forward, where there is one, rounds to the format of the products.
    vars(trainer.model).pop("forward", None)
    history = [
        {key: value for key, value in entry.items() if key != "epoch"}
        for entry in trainer.state.log_history
        if "train_runtime" not in entry  # a summary of what this process did, after an interruption a part
    ]
    if not all(math.isfinite(entry[name]) for entry in history for name in ("loss", "distance") if name in entry):
        raise UserError(f"the training loss is not a finite number; try a learning rate below {training.rate:g}")
    return Trained(trainer.model.eval(), history)


def _trainer(start: str, training: Training, lesson: Lesson, folder: Path, placement: Placement) -> Any:
    import torch
    from transformers import EarlyStoppingCallback, TrainingArguments
    from trl.trainer.dpo_config import DPOConfig

    from tradeoffbounds.finetune.trainers import PreferenceTrainer, SFTTrainer

    # Adapters are float32 on any base (PEFT sees to it); what is trained itself must be.
    weights = "float32" if training.method == "full" else placement.dtype
    model = load_model(start, Placement(placement.device, weights))
    adapter = training.adapter(model.config.get_text_config().hidden_size)
    stops = training.patience > 0
    arguments: dict[str, Any] = {
        "output_dir": str(folder), "max_steps": training.steps, "per_device_train_batch_size": training.batch,
        "per_device_eval_batch_size": training.batch, "learning_rate": training.rate, "weight_decay": 0.0,
        "lr_scheduler_type": "linear", "warmup_steps": training.steps // 20, "seed": training.seed,
        "data_seed": training.seed, "logging_steps": training.every, "save_strategy": "steps",
        "save_steps": training.every, "save_total_limit": 2, "eval_strategy": "steps" if stops else "no",
        "eval_steps": training.every, "load_best_model_at_end": stops, "metric_for_best_model": "eval_loss",
        "greater_is_better": False, "prediction_loss_only": True, "remove_unused_columns": False,
        "logging_nan_inf_filter": False, "restore_callback_states_from_checkpoint": stops,
        "use_cpu": placement.device == "cpu", "bf16": placement.dtype == "bfloat16", "gradient_checkpointing": False,
        "report_to": asked_for(), "run_name": folder.parent.name.removeprefix(".work-"), "disable_tqdm": True,
        "dataloader_pin_memory": False, "max_grad_norm": 1.0,
    }  # fmt: skip
    shared: dict[str, Any] = {
        "penalty": training.penalty, "proxy": sft_rows(lesson.proxy),
        "callbacks": [EarlyStoppingCallback(training.patience)] if stops else [],
    }  # fmt: skip
    if training.objective == "dpo":
        with torch.random.fork_rng():
            # TRL makes the adapter itself: given one it would take that, not the model without it, as reference.
            torch.manual_seed(training.seed)
            return PreferenceTrainer(
                model, load_model(start, Placement(placement.device, weights)) if adapter is None else None,
                args=DPOConfig(**arguments, beta=training.beta, max_length=None),
                train_dataset=dpo_rows(lesson.rows), eval_dataset=dpo_rows(lesson.validation) if stops else None,
                processing_class=load_tokenizer(start),
                peft_config=adapter and peft_config(adapter, spec=start), **shared,
            )  # fmt: skip
    model.requires_grad_(adapter is None)
    return SFTTrainer(
        model if adapter is None else attach_fresh(model, adapter, training.seed, spec=start),
        args=TrainingArguments(**arguments), data_collator=collate,
        train_dataset=sft_rows(lesson.rows), eval_dataset=sft_rows(lesson.validation) if stops else None, **shared,
    )  # fmt: skip


def _last_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end: the trainer's state comes last."""
    found = [each.parent for each in folder.glob("checkpoint-*/trainer_state.json") if each.stat().st_size]
    return str(max(found, key=lambda each: int(each.name.rpartition("-")[2]))) if found else None


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the libraries' own progress and advice; warnings that concern the user are raised as errors by us."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.set_verbosity(level)
