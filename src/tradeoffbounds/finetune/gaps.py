"""What a model does on held-out rows: losses where a source is known by samples, exact KLs where it is a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from tradeoffbounds.finetune.rows import Text
from tradeoffbounds.models.response_logits import Tokens, predictions
from tradeoffbounds.models.sampling import log_likelihoods

#: Rows whose teacher's log-probabilities are held at once.
_GROUP = 32


def row_losses(model: Any, texts: Sequence[Text]) -> Float[np.ndarray, " n"]:
    """-log P(response | prompt) of each row, nats; logits in float32."""
    return -log_likelihoods(model, [text.prefix for text in texts], [text.response for text in texts])


def row_kls(
    model: Any,
    teacher: Any,
    texts: Sequence[Text],
    teacher_prefixes: Sequence[Tokens],
    known: dict[int, Any] | None = None,
) -> Float[np.ndarray, " n"]:
    """Σ_t KL(teacher's next token ‖ the model's) along each response, nats: exact given the response.

    Where responses are the teacher's own samples, the mean over rows is an unbiased estimate of E KL(μ(x)‖P(x)), by
    the chain rule. Each term varies no more than the log-ratio of the token that was sampled (Rao-Blackwell); their sum
    over positions usually, but not always, varies less than the log-likelihood ratio (proofs/theory.md, section 6).

    Args:
        texts: the responses of the teacher, after prompts as the model reads them.
        teacher_prefixes: the same prompts as the teacher reads them, say under its own system prompt.
        known: the teacher's log-probabilities by row, where they are kept from one model to the next; filled here.
    """
    import torch

    result = np.zeros(len(texts))
    order = np.argsort([len(text.prefix) + len(text.response) for text in texts], kind="stable")
    with torch.inference_mode():
        for first in range(0, len(order), _GROUP):
            group = [int(i) for i in order[first : first + _GROUP]]
            responses = [texts[i].response for i in group]
            own_rows = {} if known is None else known
            if not all(i in own_rows for i in group):
                for which, logits in predictions(teacher, [teacher_prefixes[i] for i in group], responses):
                    own_rows[group[which]] = logits.log_softmax(dim=-1)
            for which, logits in predictions(model, [texts[i].prefix for i in group], responses):
                own = own_rows[group[which]]
                divergence = (own.exp() * (own - logits.log_softmax(dim=-1))).sum(dim=-1)
                result[group[which]] = float(divergence.double().sum())
    return result
