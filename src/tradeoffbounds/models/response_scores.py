"""Fisher scores: how a response's log-likelihood would change if the model were steered.

A system prompt or an adapter moves the model's hidden states; to first order the log-likelihood ratio of
two such variants is linear in the gradient of log P(y|x) with respect to a vector added to the states
(the Fisher kernel of Jaakkola and Haussler 1998). Given x the score has mean zero under the model
itself, so it carries the response's style without the prompt's content. Where two sources are hard to tell
apart by what they say, this view tells most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from tradeoffbounds.models.hidden_states import batches
from tradeoffbounds.models.response_logits import pad
from tradeoffbounds.sources.chat import Rendered

#: Share of the depth after whose layer the steering vectors are added; gradients need only the layers above.
DEPTHS = (0.5, 0.7, 0.9)


def response_scores(
    model: Any, texts: Sequence[Rendered], *, on_batch: Callable[[int], None] | None = None
) -> Float[np.ndarray, "n width"]:
    """∂ log P(response | prompt) / ∂ (vector added to the states that predict the response), nats.

    Args:
        model: a transformers causal language model whose decoder layers are ``base_model.layers``.

    Returns:
        One row a text, ``width`` = depths × hidden size.
    """
    import torch

    config = model.config.get_text_config()
    layers = [model.base_model.layers[round(share * config.num_hidden_layers) - 1] for share in DEPTHS]
    result = np.zeros((len(texts), len(layers) * config.hidden_size), dtype=np.float32)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for batch in batches([len(text.ids) for text in texts]):
        ids, mask = (tensor.to(model.device) for tensor in pad([texts[i].ids for i in batch], left=False))
        spans = torch.tensor([texts[i].response_span for i in batch], device=model.device)
        positions = torch.arange(ids.shape[1], device=model.device)
        predicts = (positions >= spans[:, :1] - 1) & (positions < spans[:, 1:] - 1)
        steering = [
            torch.zeros(len(batch), 1, config.hidden_size, dtype=model.dtype, device=model.device, requires_grad=True)
            for _ in layers
        ]
        first = int(spans[:, 0].min()) - 1
        with _steered(layers, steering, predicts[..., None].to(model.dtype)):
            logits = model(input_ids=ids, attention_mask=mask, logits_to_keep=positions[first:]).logits
        log_probs = logits[:, :-1].float().log_softmax(dim=-1)
        chosen = log_probs.gather(-1, ids[:, first + 1 :, None])[..., 0]
        gradients = torch.autograd.grad((chosen * predicts[:, first:-1]).sum(), steering)
        result[batch] = torch.cat([gradient[:, 0] for gradient in gradients], dim=-1).float().cpu().numpy()
        if on_batch is not None:
            on_batch(len(batch))
    return result


class _steered:
    """Context in which each layer's output has its vector added where ``where`` is 1."""

    def __init__(self, layers: Sequence[Any], vectors: Sequence[Any], where: Any) -> None:
        self.pairs, self.where = list(zip(layers, vectors, strict=True)), where

    def __enter__(self) -> None:
        self.handles = [layer.register_forward_hook(self._hook(vector)) for layer, vector in self.pairs]

    def __exit__(self, *_: object) -> None:
        for handle in self.handles:
            handle.remove()

    def _hook(self, vector: Any) -> Callable[[Any, Any, Any], Any]:
        def add(_module: Any, _inputs: Any, output: Any) -> Any:
            if isinstance(output, tuple):  # decoder layers returned tuples before transformers 5
                return (output[0] + vector * self.where, *output[1:])
            return output + vector * self.where

        return add
