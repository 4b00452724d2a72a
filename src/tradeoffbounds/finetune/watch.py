"""Measuring a model in the middle of somebody's training, and leaving that training as it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tradeoffbounds.errors import UserError
from tradeoffbounds.finetune.ball import Ball
from tradeoffbounds.finetune.gaps import row_losses
from tradeoffbounds.finetune.rows import Text
from tradeoffbounds.runs import atomic_path, content_hash

#: Of the start, beside the Trainer's checkpoints: reference losses, and the trained parameters where distances count.
START_FILE = "safety_monitor_start.safetensors"
_LOSSES, _PARAMETERS = "losses/", "parameters/"


@contextmanager
def undisturbed(model: Any) -> Iterator[None]:
    """Evaluation mode, and the model's own forward in the place of the Trainer's, which rounds by autocast.

    Every module gets its own mode back. No random number is drawn in evaluation mode, so the training goes on as if
    nothing had been measured.
    """
    modes = [(module, module.training) for module in model.modules()]
    rounding = vars(model).get("forward") if "_original_forward" in vars(model) else None
    if rounding is not None:
        model.forward = model._original_forward
    model.eval()
    try:
        yield
    finally:
        if rounding is not None:
            model.forward = rounding
        for module, training in modes:
            module.training = training


def losses_of(model: Any, texts: Sequence[Text], accelerator: Any) -> np.ndarray:
    """`row_losses`, each process of a distributed training taking its share; the same array in all of them."""
    share, shares = accelerator.process_index, accelerator.num_processes
    own = row_losses(model, texts[share::shares])
    if shares == 1:
        return own
    from accelerate.utils import gather_object  # type: ignore[import-untyped]

    losses = np.empty(len(texts))
    for first, part in enumerate(gather_object([own])):
        losses[first::shares] = part
    return losses


@dataclass(frozen=True)
class Start:
    """A model as its training began.

    Attributes:
        losses: by source, one number a row, nats.
        ball: remembers the trained parameters, None where no distance is asked for.
        names: of these parameters.
    """

    losses: dict[str, np.ndarray]
    ball: Ball | None
    names: tuple[str, ...]

    @classmethod
    def of(cls, model: Any, losses: dict[str, np.ndarray], *, distance: bool) -> Start:
        """The model as it is now."""
        named = trained_parameters(model)
        return cls(losses, Ball(list(named.values()), None) if distance else None, tuple(named))

    def save(self, folder: Path, rows: str) -> None:
        """Write what a resumed training needs.

        Args:
            rows: identifies the rows of ``losses``.
        """
        import torch
        from safetensors.torch import save_file

        tensors = {_LOSSES + name: torch.from_numpy(each) for name, each in self.losses.items()}
        if self.ball is not None:
            centre = zip(self.names, self.ball.centre, strict=True)
            tensors |= {_PARAMETERS + name: each.cpu().contiguous() for name, each in centre}
        with atomic_path(folder / START_FILE) as temporary:
            save_file(tensors, temporary, metadata={"rows": rows})

    @classmethod
    def load(cls, folder: Path, model: Any, rows: str, *, distance: bool) -> Start:
        """What `save` wrote when this training began, for the model as it was resumed.

        Raises:
            UserError: it is not there, or is of other rows or another model.
        """
        from safetensors import SafetensorError, safe_open

        path = folder / START_FILE
        advice = "resume in the folder that the training began in, or start it anew"
        if not path.is_file():
            raise UserError(f"{path} is missing: how safe the start was is not known; {advice}")
        try:
            with safe_open(path, "pt") as file:
                metadata, stored = file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise UserError(f"{path} is damaged; {advice}") from error
        if metadata.get("rows") != rows:
            raise UserError(f"{path} is of other rows, or of rows written another way; give those of the start")
        losses = {name.removeprefix(_LOSSES): each.numpy() for name, each in stored.items() if name.startswith(_LOSSES)}
        start = cls.of(model, losses, distance=distance)
        if start.ball is not None:
            found = [stored.get(_PARAMETERS + name) for name in start.names]
            if not all(
                each is not None and each.shape == own.shape for each, own in zip(found, start.ball.centre, strict=True)
            ):
                raise UserError(f"{path} has not the parameters that this model trains; {advice}")
            start.ball.centre = [each.to(own) for each, own in zip(found, start.ball.centre, strict=True)]  # type: ignore[union-attr]
        return start


def trained_parameters(model: Any) -> dict[str, Any]:
    """By name, in the model's own order."""
    return {name: each for name, each in model.named_parameters() if each.requires_grad}


def rows_id(texts: dict[str, tuple[Text, ...]]) -> str:
    """Identifies tokenised rows by source."""
    return content_hash({name: [[each.prefix, each.response] for each in rows] for name, rows in texts.items()})
