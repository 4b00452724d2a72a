"""What one fine-tune is: method, objective, constraint and optimiser, JSON-serialisable as a run's address must be."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from tradeoffbounds.errors import UserError
from tradeoffbounds.models.adapter_config import LINEARS, AdapterConfig, preset
from tradeoffbounds.models.prompt_init import CONCERNED, VOCABULARY, check_prompt_init

#: What may be trained: PEFT's four, every weight (``full``), or LoRA on every linear layer, which makes the start.
Trained = Literal["lora", "ia3", "prompt-tuning", "p-tuning", "full", "lora-all-linear"]
TRAINED: tuple[Trained, ...] = get_args(Trained)
Objective = Literal["sft", "dpo"]

#: One rate does not fit all: IA3 scales activations by factors near 1, prompts are as long as token embeddings, and
#: full fine-tuning moves every weight.
LEARNING_RATES: dict[str, float] = {
    "lora": 1e-3, "ia3": 1e-2, "prompt-tuning": 1e-2, "p-tuning": 1e-3, "full": 2e-5, "lora-all-linear": 5e-4,
}  # fmt: skip


@dataclass(frozen=True)
class Training:
    """One fine-tune. The loss is G_f + λ Ĝ_s up to a constant, in nats a response, divided by 1 + λ.

    Attributes:
        penalty: λ, the weight of the proxy rows' loss; 0 for none (Case I where > 0).
        radius: ε, Euclidean, over all trained numbers; None for none (Case II where given).
        steps: of the optimiser (AdamW without weight decay, linear decay after a short warm-up).
        batch: rows of the capability data a step, and as many of the proxy's where λ > 0.
        learning_rate: None for the method's own of :data:`LEARNING_RATES`.
        every: steps from one checkpoint, validation and look at the safety gradient to the next.
        patience: validations without improvement after which training stops, and its best state is kept;
            0: all steps are taken and the last state is kept.
        beta: of DPO.
        prompt_init: how the virtual tokens of prompt tuning start.
    """

    method: Trained = "lora"
    objective: Objective = "sft"
    penalty: float = 0.0
    radius: float | None = None
    seed: int = 0
    steps: int = 60
    batch: int = 8
    learning_rate: float | None = None
    every: int = 10
    patience: int = 0
    beta: float = 0.1
    prompt_init: str = VOCABULARY

    def __post_init__(self) -> None:
        """Raises UserError."""
        if self.method not in TRAINED:
            raise UserError(f"cannot train {self.method!r}; expected one of {', '.join(TRAINED)}")
        if self.objective not in get_args(Objective):
            raise UserError(f"unknown objective {self.objective!r}; expected sft or dpo")
        if not 0 <= self.penalty < float("inf"):
            raise UserError(f"the penalty must be finite and >= 0, got {self.penalty:g}")
        if self.radius is not None and not 0 <= self.radius < float("inf"):
            raise UserError(f"the radius must be finite and >= 0, got {self.radius:g}")
        for name in ("steps", "batch", "every"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.patience < 0:
            raise UserError(f"patience must be at least 0, got {self.patience}")
        if not 0 < self.beta < float("inf"):
            raise UserError(f"beta must be finite and > 0, got {self.beta:g}")
        check_prompt_init(self.prompt_init)
        if self.prompt_init != VOCABULARY and self.method != CONCERNED:
            raise UserError(f"{self.method} has no virtual tokens to start from {self.prompt_init!r}; {CONCERNED} has")
        if self.learning_rate is not None and not 0 < self.learning_rate < float("inf"):
            raise UserError(f"the learning rate must be finite and > 0, got {self.learning_rate:g}")

    @property
    def content(self) -> dict[str, Any]:
        """The plain fields, by which a run is addressed.

        Without ``prompt_init`` where it is the default: runs that were finished before there was a choice keep their
        addresses.
        """
        fields = asdict(self)
        if self.prompt_init == VOCABULARY:
            del fields["prompt_init"]
        return fields

    @property
    def rate(self) -> float:
        """The learning rate that is used."""
        return LEARNING_RATES[self.method] if self.learning_rate is None else self.learning_rate

    def adapter(self, hidden_size: int) -> AdapterConfig | None:
        """The adapter's settings, those that Case II is computed with; None where every weight is trained."""
        if self.method == "full":
            return None
        if self.method == "lora-all-linear":
            return AdapterConfig("lora", targets=LINEARS, rank=16, alpha=32.0, scale=2.0)
        return preset(self.method, hidden_size, self.prompt_init)
