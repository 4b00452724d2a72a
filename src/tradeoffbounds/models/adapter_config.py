"""The adapter methods: what is trained, and the settings that the comparison of methods uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from tradeoffbounds.models.prompt_init import VOCABULARY

#: PEFT's four, and an additive output head: the one whose logits are linear in what is trained, so that its
#: constants can be proved.
Method = Literal["lora", "ia3", "prompt-tuning", "p-tuning", "output-head"]
METHODS: tuple[Method, ...] = get_args(Method)

#: Linear layers of a decoder block, by the names that transformers and PEFT give them.
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
FEEDFORWARD = ("gate_proj", "up_proj", "down_proj")
LINEARS = ATTENTION + FEEDFORWARD


@dataclass(frozen=True)
class AdapterConfig:
    """One adapter; hashable, so that a compiled function may depend on it.

    Attributes:
        targets: adapted linear layers (LoRA, IA3).
        feedforward: those of ``targets`` whose *input* IA3 scales; it scales the output of the others.
        rank, alpha: LoRA adds ``scale`` · B A to a weight.
        scale: alpha / rank, or alpha / sqrt(rank) for rank-stabilised LoRA.
        virtual_tokens: rows put before the prompt (prompt tuning, P-tuning).
        encoder_hidden: width of P-tuning's encoder; 0 where only the virtual tokens are known, as in
            the folders that PEFT writes.
        prompt_init: how the virtual tokens of prompt tuning start, see `prompt_init`; of a trained adapter nothing.
    """

    method: Method
    targets: tuple[str, ...] = ()
    feedforward: tuple[str, ...] = ()
    rank: int = 0
    alpha: float = 0.0
    scale: float = 0.0
    virtual_tokens: int = 0
    encoder_hidden: int = 0
    prompt_init: str = VOCABULARY


def preset(method: Method, hidden_size: int, prompt_init: str = VOCABULARY) -> AdapterConfig:
    """Settings that are the same for every model family, where PEFT's own defaults differ between families.

    LoRA of rank 8 on queries and values; IA3 on keys, values and the feed-forward's inner states; 20 virtual
    tokens, for P-tuning behind an encoder as wide as the model; ``prompt_init`` concerns prompt tuning alone.
    """
    if method == "lora":
        return AdapterConfig("lora", targets=("q_proj", "v_proj"), rank=8, alpha=16.0, scale=2.0)
    if method == "ia3":
        return AdapterConfig("ia3", targets=("k_proj", "v_proj", "down_proj"), feedforward=("down_proj",))
    if method == "prompt-tuning":
        return AdapterConfig("prompt-tuning", virtual_tokens=20, prompt_init=prompt_init)
    if method == "output-head":
        return AdapterConfig("output-head")
    return AdapterConfig("p-tuning", virtual_tokens=20, encoder_hidden=hidden_size)
