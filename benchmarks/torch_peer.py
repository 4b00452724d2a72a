"""The same Hessian-vector products in PyTorch, as curvature libraries for it compute them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from peft import get_peft_model
from torch.func import functional_call, grad, jvp

from tradeoffbounds.models.adapter_config import AdapterConfig
from tradeoffbounds.models.fresh_adapter import peft_config


class TorchPeer:
    """A PEFT model with given LoRA values, and the mean over rows of its responses' loss.

    Args:
        model: a transformers model with eager attention; PEFT puts its layers into it.
        tensors: the adapter's values by PEFT's names.
        ids: token ids [rows, tokens]; every token but the first is a response.
    """

    def __init__(self, model: Any, adapter: AdapterConfig, tensors: dict[str, np.ndarray], ids: np.ndarray) -> None:
        self.model = get_peft_model(model, peft_config(adapter)).eval()
        self.ids = torch.tensor(ids)
        trained = {name: each for name, each in self.model.named_parameters() if each.requires_grad}
        # named_parameters say "lora_A.default.weight" where the folder says "lora_A.weight".
        self.names = {name: name.replace(".default", "") for name in trained}
        self.parameters = trained
        with torch.no_grad():
            for name, each in trained.items():
                each.copy_(torch.tensor(tensors[self.names[name]]))

    def split(self, tensors: dict[str, np.ndarray]) -> tuple[torch.Tensor, ...]:
        """A vector given by PEFT's names, in the order of the parameters."""
        return tuple(torch.tensor(tensors[self.names[name]]) for name in self.parameters)

    def joined(self, product: tuple[torch.Tensor, ...]) -> dict[str, np.ndarray]:
        """A product by PEFT's names."""
        return {self.names[name]: each.numpy() for name, each in zip(self.parameters, product, strict=True)}

    def gradient(self) -> tuple[torch.Tensor, ...]:
        """One gradient, no graph kept."""
        return torch.autograd.grad(self._loss(self.model(self.ids).logits), tuple(self.parameters.values()))

    def double_backward(self, vectors: list[tuple[torch.Tensor, ...]]) -> list[tuple[torch.Tensor, ...]]:
        """One gradient with its graph, then a backward pass through it for every vector."""
        parameters = tuple(self.parameters.values())
        gradient = torch.autograd.grad(self._loss(self.model(self.ids).logits), parameters, create_graph=True)
        return [torch.autograd.grad(gradient, parameters, grad_outputs=vector, retain_graph=True) for vector in vectors]

    def forward_over_reverse(self, vectors: list[tuple[torch.Tensor, ...]]) -> list[tuple[torch.Tensor, ...]]:
        """torch.func's jvp of the gradient, a vector at a time."""
        names, values = list(self.parameters), tuple(self.parameters.values())

        def loss(*parameters: torch.Tensor) -> torch.Tensor:
            state = dict(zip(names, parameters, strict=True))
            return self._loss(functional_call(self.model, state, (self.ids,), {"use_cache": False}).logits)

        slope = grad(loss, argnums=tuple(range(len(values))))
        with torch.no_grad():
            return [jvp(slope, tuple(value.detach() for value in values), vector)[1] for vector in vectors]

    def _loss(self, logits: torch.Tensor) -> torch.Tensor:
        scores = logits[:, :-1].float().flatten(0, 1)
        return torch.nn.functional.cross_entropy(scores, self.ids[:, 1:].flatten(), reduction="sum") / len(self.ids)
