"""`SafetyMonitor`: the safety gap during anybody's own training by transformers' Trainer or TRL's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
from transformers import Trainer, TrainerCallback

from tradeoffbounds.bounds.bound import PER_UNIT, Bound
from tradeoffbounds.bounds.tightness import judge
from tradeoffbounds.comparison.observed import PARAMETER_NORM, Reference, gap, per_token
from tradeoffbounds.comparison.promises import (
    Promises,
    promises_of_penalty,
    promises_of_radii,
    read_estimate,
)
from tradeoffbounds.door import with_data_dir
from tradeoffbounds.errors import UserError
from tradeoffbounds.finetune.rows import Text, collate, sft_rows, texts_of
from tradeoffbounds.finetune.watch import Start, losses_of, rows_id, trained_parameters, undisturbed
from tradeoffbounds.monitor_options import MonitorOptions, StopBy
from tradeoffbounds.report.monitor_verdict import monitor_verdict
from tradeoffbounds.report.record import plain_options
from tradeoffbounds.runs import environment, open_run_folder, read_json, write_json
from tradeoffbounds.sources import Row, Source, load_source, template_sha256

SCHEMA = "tradeoffbounds/monitor/1"
RECORD = "safety_monitor.json"
Losses = dict[str, np.ndarray]
REFERENCE = "the model as training began, at step 0"
Rows = Source | str | PathLike[str] | Sequence[tuple[str, str]]


class SafetyMonitor(TrainerCallback):
    """Logs how much safety a fine-tune has cost so far, and stops it at a budget if asked.

    On fixed rows, at step 0, every ``every`` steps and at the end: the safety gap and, with capability rows, the
    capability gap, in nats a response and relative to the model as training began; the distance of the trained
    parameters from there; and what an estimate promised, with whether it holds. All of it goes through the Trainer's
    own log to whatever it reports to, and with kinds and intervals to ``safety_monitor.json`` in its output folder.

    Example::

        from tradeoffbounds import SafetyMonitor

        trainer = SFTTrainer("my-model", train_dataset=rows)
        trainer.add_callback(SafetyMonitor(trainer, "safety-rows.jsonl", every=50, max_safety_gap=0.5))
        trainer.train()

    Weights, random numbers and modes of modules are left as they are: training goes the same way with it and without.
    Models are measured in evaluation mode, in the format of their weights and without the Trainer's autocast. A
    distributed training shares the rows out; one whose parameters are in pieces (FSDP, DeepSpeed, tensor parallel) is
    refused. A training resumed in its output folder keeps its reference.

    Args:
        trainer: the Trainer that the callback is then added to.
        safety: rows whose answers are to stay likely: a `Source`, a file, a registered name, or (prompt, response)s.
            No stand-in takes their place.
        capability: the same for what is to be learned: rows of the fine-tuning data held out from the training.
        every: steps from one look to the next.
        tokenizer: with a chat template; default: the Trainer's.
        rows: at most so many rows of each source, drawn by ``seed``.
        max_tokens: of prompt and response; longer texts are cut.
        system_prompt: of every row; None for none. Give that of your training, and of the estimate if there is one.
        data_dir: searched first for names; default: $TRADEOFFBOUNDS_DATA.
        estimate: an estimate.json, for the same model, template and system prompt.
        penalty: λ of your loss: the estimate's Theorem 1 at λ is followed. Without it, Theorem 3 at the distance
            reached, whose constants must be of the adapter that is trained.
        max_safety_gap: nats a response at which training stops.
        stop_by: what must exceed it. ``value``: the gap measured; ``lower``: the lower end of its interval (stops
            later, when the gap is surely above); ``upper``: the upper end (stops as soon as it may be above). Intervals
            are of one look, so of many looks some miss by chance.
        gradient: whether to take the norm of the safety gradient, the cost of a backward pass over all safety rows.
        distance: whether to take distances, which needs a copy of the trained parameters.
        confidence: level of intervals, over rows.

    Raises:
        UserError: something in the call cannot work; while training, a loss is not finite.
    """

    def __init__(
        self, trainer: Trainer, safety: Rows, capability: Rows | None = None, *, every: int = 50,
        tokenizer: Any = None, rows: int = 64, max_tokens: int = 256,
        system_prompt: str | None = "You are a helpful assistant.", data_dir: str | PathLike[str] | None = None,
        estimate: str | PathLike[str] | None = None, penalty: float | None = None,
        max_safety_gap: float | None = None, stop_by: StopBy = "value", gradient: bool = False, distance: bool = True,
        confidence: float = 0.95, seed: int = 0,
    ) -> None:  # fmt: skip
        self.trainer = trainer
        self.options = with_data_dir(
            MonitorOptions(
                every, rows, max_tokens, system_prompt or None, None if data_dir is None else Path(data_dir),
                None if estimate is None else Path(estimate), penalty, max_safety_gap, stop_by, gradient, distance,
                confidence, seed,
            )
        )  # fmt: skip
        self.tokenizer = _tokenizer(trainer, tokenizer)
        accelerator = trainer.accelerator
        if str(accelerator.distributed_type).rpartition(".")[2] in ("FSDP", "DEEPSPEED", "MEGATRON_LM", "TP"):
            raise UserError(f"{accelerator.distributed_type}: parameters are in pieces; the monitor needs them whole")
        self.template = template_sha256(self.tokenizer, self.options.system_prompt)
        self.sources = {"safety": self._source(safety, "safety")}
        if capability is not None:
            self.sources["capability"] = self._source(capability, "capability")
        self.texts: dict[str, tuple[Text, ...]] = {
            name: texts_of(
                self.tokenizer, source, system_prompt=self.options.system_prompt, max_tokens=self.options.max_tokens
            )
            for name, source in self.sources.items()
        }
        self.promises = self._promises()
        self.folder = open_run_folder(Path(trainer.args.output_dir or "."))
        self.start: Start | None = None
        self.looks: list[dict[str, Any]] = []
        self.stopped: dict[str, Any] | None = None

    # The Trainer's events

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.stopped, rows = None, rows_id(self.texts)
        if state.global_step > 0:
            self.start = Start.load(self.folder, self.model, rows, distance=self.options.distance)
            before = read_json(self.folder / RECORD)["looks"]
            self.looks = [look for look in before if look["step"] <= state.global_step]
            return
        losses = self._losses(0)
        self.start, self.looks = Start.of(self.model, losses, distance=self.options.distance), []
        if self.trainer.is_world_process_zero() and args.save_strategy != "no":
            self.start.save(self.folder, rows)
        self._look(state, control, losses)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step % self.options.every == 0 or state.global_step >= state.max_steps:
            self._look(state, control)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        best = args.load_best_model_at_end and state.best_model_checkpoint
        if best or not self.looks or self.looks[-1]["step"] != state.global_step:
            self._look(state, control, weights="best" if best else "last")

    @property
    def model(self) -> Any:
        """What is trained, without the wrapping of a distributed training."""
        return self.trainer.accelerator.unwrap_model(self.trainer.model)

    @property
    def record(self) -> dict[str, Any]:
        """What ``safety_monitor.json`` holds."""
        weight = next(iter(trained_parameters(self.model).values()))
        record: dict[str, Any] = {
            "schema": SCHEMA,
            "config": plain_options(asdict(self.options)),
            "environment": environment(weight.device.type, str(weight.dtype).removeprefix("torch."))
            | {"template_sha256": self.template},
            "sources": {name: source.describe() for name, source in self.sources.items()},
            "reference": REFERENCE,
            "looks": self.looks,
            "stopped": self.stopped,
        }
        return record | {"verdict": monitor_verdict(record)}

    def _look(self, state: Any, control: Any, losses: Losses | None = None, weights: str = "last") -> None:
        """Measure, log, write, and stop the training where the budget is spent."""
        found, bounds = self._measured(losses or self._losses(state.global_step))
        judged = {name: judge(bound, found["safety_gap"], side="upper") for name, bound in bounds.items()}
        self.looks.append(
            {
                "step": state.global_step,
                "weights": weights,
                **{name: each.to_json() for name, each in found.items()},
                "bounds": {name: each.to_json() for name, each in bounds.items()},
                "verdict": {name: each.sentence() for name, each in judged.items()},
            }
        )
        if self._spent(found["safety_gap"]):
            self.stopped = {"step": state.global_step, "safety_gap": found["safety_gap"].to_json()}
            control.should_training_stop = True
        said = {name: each for name, each in judged.items() if each.word != "vacuous"}
        holds = {f"holds/{name}": float(each.word != "violated") for name, each in said.items()}
        self._log(_numbers(found) | _numbers({f"bound/{name}": each for name, each in bounds.items()}) | holds, control)
        if self.trainer.is_world_process_zero():
            write_json(self.folder / RECORD, self.record)

    def _measured(self, losses: Losses) -> tuple[dict[str, Bound], dict[str, Bound]]:
        """Everything measured now, and every bound that speaks of it."""
        assert self.start is not None
        found: dict[str, Bound] = {}
        for name, rows in losses.items():
            measured = gap({name: rows}, name, Reference(self.start.losses[name], REFERENCE))
            found[f"{name}_gap"] = measured.bound(f"{name} gap since training began", self.options.confidence)
            tokens = [len(text.response) for text in self.texts[name]]
            found[f"{name}_gap_per_token"] = per_token(found[f"{name}_gap"], tokens)
        if self.options.gradient:
            found["safety_gradient"] = self._gradient()
        if self.start.ball is None:
            return found, dict(self.promises.of_penalty)
        distance = self.start.ball.distance()
        found["distance"] = Bound(
            distance, "measured", unit=PARAMETER_NORM, theorem="distance from the start of training"
        )
        return found, self.promises.at(distance)

    def _losses(self, step: int) -> Losses:
        with undisturbed(self.model):
            losses = {name: losses_of(self.model, rows, self.trainer.accelerator) for name, rows in self.texts.items()}
        for name, rows in losses.items():
            if not np.isfinite(rows).all():
                raise UserError(f"step {step}: the loss on {name} rows is not finite; try a smaller learning rate")
        return losses

    def _gradient(self) -> Bound:
        from tradeoffbounds.finetune.trainers import safety_gradient

        rows, size = sft_rows(self.texts["safety"]), self.trainer.args.per_device_train_batch_size
        batches = [collate(rows[first : first + size]) for first in range(0, len(rows), size)]
        parameters = list(trained_parameters(self.model).values())
        with undisturbed(self.model):
            norm = safety_gradient(self.model, parameters, batches)["safety_gradient"]
        return Bound(
            norm, "measured", unit=PER_UNIT, theorem="norm of the safety gradient", assumptions=("rows",),
            method=f"gradient over {len(rows)} rows",
        )  # fmt: skip

    def _spent(self, safety_gap: Bound) -> bool:
        if self.options.max_safety_gap is None:
            return False
        low, high = safety_gap.interval or (safety_gap.value, safety_gap.value)
        counted = {"lower": low, "value": safety_gap.value, "upper": high}[self.options.stop_by]
        return counted > self.options.max_safety_gap

    def _log(self, numbers: dict[str, float], control: Any) -> None:
        # TRL's own `log` would add to these numbers the averages that it keeps for its next entry, and begin them anew;
        # and logging counts as the logging of this step, whose loss would be left out.
        due = control.should_log
        Trainer.log(self.trainer, numbers)
        control.should_log = due

    def _source(self, given: Rows, name: str) -> Source:
        if isinstance(given, str | PathLike):
            role: Literal["alignment", "capability"] = "alignment" if name == "safety" else "capability"
            given = load_source(given, role=role, data_dir=self.options.data_dir, allow_stand_in=False, min_rows=2)
        elif not isinstance(given, Source):
            given = Source.from_rows(f"{name} rows given", "local", [_row(each, name) for each in given])
        if len(given.rows) < 2:
            raise UserError(f"{name} rows: {len(given.rows)} of {given.name} can be used; at least 2 are needed")
        return given.sample(self.options.rows, self.options.seed)

    def _promises(self) -> Promises:
        path, penalty = self.options.estimate, self.options.penalty
        if path is None:
            return Promises()
        record = read_estimate(path)
        if record.get("environment", {}).get("template_sha256") != self.template:
            asked = record.get("config", {}).get("system_prompt")
            raise UserError(f"{path}: made with another chat template or system prompt (its system prompt: {asked!r})")
        if penalty is not None:
            return promises_of_penalty(record, penalty)
        return promises_of_radii(record, sum(each.numel() for each in trained_parameters(self.model).values()))


def _numbers(found: dict[str, Bound]) -> dict[str, float]:
    """What a logger can show: values and the ends of intervals, those that are finite."""
    numbers = {name: each.value for name, each in found.items()}
    for name, each in found.items():
        if each.interval is not None and each.kind == "measured" and not name.endswith("_per_token"):
            numbers |= {f"{name}_low": each.interval[0], f"{name}_high": each.interval[1]}
    return {name: value for name, value in numbers.items() if math.isfinite(value)}


def _tokenizer(trainer: Trainer, given: Any) -> Any:
    if given is None and trainer.processing_class is None:
        raise UserError("the Trainer has no processing_class; give the monitor a tokenizer")
    return trainer.processing_class if given is None else given


def _row(given: Any, name: str) -> Row:
    match given:
        case [str(prompt), str(response)]:
            return Row(prompt, response)
    raise UserError(f"{name} rows: {type(given).__name__} among them; give pairs of texts, (prompt, response)")
