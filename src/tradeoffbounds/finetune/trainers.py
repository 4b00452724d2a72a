"""SFT by transformers' Trainer and DPO by TRL's, both with Case I's penalty and Case II's ball."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import Trainer, TrainerCallback, TrainerState
from transformers.trainer import TRAINER_STATE_NAME
from trl.trainer.dpo_trainer import DPOTrainer

from tradeoffbounds.finetune.ball import Ball
from tradeoffbounds.finetune.rows import IGNORED, batch_at, collate
from tradeoffbounds.models.response_logits import active_prompt

#: The trained parameters within a checkpoint.
TRAINED = "trained.safetensors"


def response_loss(model: Any, batch: dict[str, Any]) -> Any:
    """-log P(response | prompt) summed over tokens, averaged over the rows of the batch, nats.

    Args:
        batch: ``input_ids``, ``attention_mask`` and ``labels`` (-100 where nothing is learned), padded on the right.
    """
    import torch

    labels = batch["labels"]
    # Logits of the prompts, most of the text, are a large part of the work and in no loss.
    learned = (labels != IGNORED).any(dim=0)
    first = int(learned.int().argmax()) - 1
    shifted = torch.nn.functional.pad(labels[:, first + 1 :], (0, 1), value=IGNORED)
    kept = torch.arange(first, labels.shape[1], device=labels.device) + _virtual_tokens(model)
    # The model's own loss, which divides the sum by what it is told.
    return model(**batch, shift_labels=shifted, logits_to_keep=kept, num_items_in_batch=len(labels)).loss


def _virtual_tokens(model: Any) -> int:
    """Rows that PEFT puts before the text, none while the adapter is off."""
    config = active_prompt(getattr(model, "module", model))
    return 0 if config is None else int(config.num_virtual_tokens)


class Constrained(Trainer):
    """A trainer with the penalty on proxy rows.

    Args:
        penalty: λ.
        proxy: tokenised rows (`rows.sft_rows`) that the penalty is on; may be empty where λ = 0.
    """

    def __init__(self, *args: Any, penalty: float, proxy: Sequence[dict[str, list[int]]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.penalty, self.proxy = penalty, proxy
        # Losses here are means over rows, which accumulated batches average once more.
        self.model_accepts_loss_kwargs = False
        self.loss_is_scaled_for_ga = False

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        loss = super().compute_loss(model, inputs, False, num_items_in_batch)
        if model.training and self.penalty > 0:
            loss = (loss + self.penalty * response_loss(model, self._proxy_batch())) / (1 + self.penalty)
        # Validation asks for outputs as well and looks at the loss alone.
        return (loss, {}) if return_outputs else loss

    def _proxy_batch(self) -> dict[str, Any]:
        step = self.state.global_step * self.args.world_size + self.args.process_index
        chosen = batch_at(
            step, rows=len(self.proxy), batch=self.args.per_device_train_batch_size, seed=self.args.data_seed or 0
        )
        batch: dict[str, Any] = self._prepare_inputs(collate([self.proxy[i] for i in chosen]))
        return batch

    # Checkpoints hold what is trained and nothing else, for every method alike: PEFT's own folder of P-tuning lacks
    # the encoder, and training resumed from it starts over without a word.

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        from safetensors.torch import save_file

        if not self.args.should_save:  # of several processes the first writes
            return
        folder = Path(output_dir or self.args.output_dir or ".")
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: each.detach().cpu().contiguous() for name, each in self._trained()}, folder / TRAINED)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        import torch
        from safetensors.torch import load_file

        stored = load_file(Path(resume_from_checkpoint) / TRAINED)
        with torch.no_grad():
            for name, parameter in self._trained():
                parameter.copy_(stored.pop(name))

    def _load_best_model(self) -> None:
        self._load_from_checkpoint(str(self.state.best_model_checkpoint))

    def read_finished(self, checkpoint: str) -> bool:
        """Take up the state that a finished training left; False where steps were still to follow.

        Transformers would take one step more, or as many as patience allows anew.
        """
        state = TrainerState.load_from_json(str(Path(checkpoint) / TRAINER_STATE_NAME))
        if not state.stateful_callbacks["TrainerControl"]["args"]["should_training_stop"]:
            return False
        best = Path(state.best_model_checkpoint or checkpoint)
        self.state = state
        self._load_from_checkpoint(str(Path(checkpoint).with_name(best.name)))
        return True

    def _trained(self) -> list[tuple[str, Any]]:
        model = self.accelerator.unwrap_model(self.model)
        return [(name, each) for name, each in model.named_parameters() if each.requires_grad]


class _ResponseLoss(Trainer):
    """The plain trainer with the loss in nats a response."""

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        return response_loss(model, inputs)


class SFTTrainer(Constrained, _ResponseLoss):
    """Supervised fine-tuning on responses."""


class PreferenceTrainer(Constrained, DPOTrainer):
    """DPO against the start of the fine-tune."""

    def _send_telemetry(self) -> None:
        """Nothing, where TRL would tell a host of its own that a training began."""

    def _prepare_dataset(self, dataset: Any, *args: Any) -> Any:
        return dataset  # tokenised already, by the one renderer


class Watch(TrainerCallback):
    """Keeps θ in the ball, and records the way: distance from θ_s, and loss and gradient on safety rows.

    The record is part of the trainer's own history, so that it survives an interruption.

    Args:
        probe: batches of safety rows whose gradient is looked at, rows of each weighted alike.
        every: steps between two looks.
    """

    def __init__(self, ball: Ball, probe: Sequence[dict[str, Any]], every: int) -> None:
        self.ball, self.probe, self.every = ball, probe, every

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 0:
            self._look(state, kwargs["model"])

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.ball.radius is not None:
            distance = self.ball.project()
            if distance > self.ball.radius:
                raise RuntimeError(f"step {state.global_step + 1} ended at {distance}, outside {self.ball.radius}")
            state.log_history.append({"step": state.global_step + 1, "projected_distance": distance})

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step % self.every == 0 or state.global_step == state.max_steps:
            self._look(state, kwargs["model"])

    def _look(self, state: Any, model: Any) -> None:
        found: dict[str, float] = {"step": state.global_step, "distance": self.ball.distance()}
        if self.probe:
            found |= safety_gradient(model, self.ball.parameters, self.probe)
        state.log_history.append(found)


def safety_gradient(model: Any, parameters: Sequence[Any], batches: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Loss of the rows in nats a response, and the norm of its gradient in the trained parameters."""
    import torch

    rows = sum(len(batch["input_ids"]) for batch in batches)
    loss, gradients = 0.0, [torch.zeros_like(each) for each in parameters]
    training, device = model.training, parameters[0].device
    model.eval()
    for batch in batches:
        batch = {name: each.to(device) for name, each in batch.items()}
        value = response_loss(model, batch) * (len(batch["input_ids"]) / rows)
        for total, each in zip(gradients, torch.autograd.grad(value, parameters), strict=True):
            total += each
        loss += float(value.detach())
    model.train(training)
    norm = sum(float(each.double().square().sum()) for each in gradients) ** 0.5
    return {"safety_loss": loss, "safety_gradient": norm}
