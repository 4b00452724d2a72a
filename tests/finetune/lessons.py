"""Random rows, and losses written out a second time: texts go through the model one by one and unpadded."""

from __future__ import annotations

import functools
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from tradeoffbounds.finetune.rows import Pair, Text
from tradeoffbounds.finetune.train import Lesson, train
from tradeoffbounds.finetune.trainers import Watch
from tradeoffbounds.finetune.training import Training
from tradeoffbounds.models.adapter_config import preset
from tradeoffbounds.models.fresh_adapter import attach_fresh
from tradeoffbounds.models.load import Placement, load_model

from ..tiny_models import tiny_llama

PEFT_METHODS = ("lora", "ia3", "prompt-tuning", "p-tuning")
METHODS = (*PEFT_METHODS, "full")
ON_CPU = Placement("cpu", "float32")
VOCABULARY = 300


def texts(n, seed):
    """Prompts and responses of several lengths; token 0, the id of padding, is in all of them."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        prefix, response = (rng.integers(0, VOCABULARY, rng.integers(*span)) for span in ((2, 12), (1, 7)))
        prefix[rng.integers(len(prefix))] = response[rng.integers(len(response))] = 0
        found.append(Text(tuple(prefix.tolist()), tuple(response.tolist())))
    return found


def pairs(n, seed):
    """Preferences over responses of unlike lengths."""
    both = zip(texts(n, seed), texts(n, seed + 1000), strict=True)
    return [Pair(own.prefix, own.response, other.response) for own, other in both]


def adapted(method, *, moved=0.2):
    """The tiny model under a method, what is trained moved from where it starts; ``none`` trains nothing."""
    model = tiny_llama(layers=2)
    if method == "none":
        return model.requires_grad_(False)
    if method == "full":
        moved *= 0.05
    else:
        model = attach_fresh(model, preset(method, 32), seed=1).eval()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in trained(model).values():
            weight += moved * torch.randn(weight.shape, generator=generator)
    return model


def trained(model):
    """What is trained, by name."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def values(model):
    """The same as a copy that further training leaves alone."""
    return {name: weight.detach().clone() for name, weight in trained(model).items()}


def same(found, expected):
    """Whether two such copies agree bit for bit."""
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)


def apart(found, expected):
    """Euclidean distance of two such copies, in float64."""
    return float(sum((found[name].double() - expected[name].double()).square().sum() for name in expected)) ** 0.5


def log_probability(model, prefix, response):
    """log P(response | prefix): rows of logits that PEFT puts in front, for virtual tokens, are left out."""
    ids = torch.tensor([[*prefix, *response]])
    logits = model(input_ids=ids).logits[0, -ids.shape[1] :]
    scores = logits[len(prefix) - 1 : -1].log_softmax(dim=-1)
    return sum(score[token] for score, token in zip(scores, response, strict=True))


def sft_loss(model, rows):
    """-log P(response | prompt), the mean over rows."""
    return -sum(log_probability(model, row.prefix, row.response) for row in rows) / len(rows)


def dpo_loss(model, rows, *, reference=None, beta=0.1):
    """Of Rafailov et al. (2023), eq. 7; the reference is a model of its own, or the adapter switched off."""
    total = 0.0
    for row in rows:
        margin = 0.0
        for response, sign in ((row.chosen, 1), (row.rejected, -1)):
            with torch.no_grad():
                if reference is None:
                    with model.disable_adapter():
                        before = log_probability(model, row.prefix, response)
                else:
                    before = log_probability(reference, row.prefix, response)
            margin += sign * (log_probability(model, row.prefix, response) - before)
        total = total - torch.nn.functional.logsigmoid(beta * margin)
    return total / len(rows)


def fresh(start, method, seed):
    """The start of a fine-tune, made without any trainer."""
    model = load_model(start, ON_CPU)
    return model if method == "full" else attach_fresh(model, preset(method, 32), seed).eval()


def lesson(objective, rows=6, **others):
    """Rows to train on for an objective."""
    return Lesson(texts(rows, 1) if objective == "sft" else pairs(rows, 1), **others)


def tune(start, work, given, placement=ON_CPU, **training):
    """`train` with its arguments in one line."""
    return train(start, Training(**training), given, work, placement)


def logged(history, name):
    """step -> one number of the history."""
    return {entry["step"]: entry[name] for entry in history if name in entry}


class Interrupted(Exception):
    """A kill."""


@contextmanager
def killed_at(step):
    """The process dies at the end of this step."""
    own = Watch.on_step_end

    @functools.wraps(own)
    def on_step_end(self, args, state, control, **kwargs):
        own(self, args, state, control, **kwargs)
        if state.global_step == step:
            raise Interrupted

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Watch, "on_step_end", on_step_end)
        with pytest.raises(Interrupted):
            yield


def count_steps(monkeypatch):
    """A list that grows by the number of every step taken from now on."""
    own, taken = Watch.on_step_end, []

    @functools.wraps(own)
    def on_step_end(self, args, state, control, **kwargs):
        own(self, args, state, control, **kwargs)
        taken.append(state.global_step)

    monkeypatch.setattr(Watch, "on_step_end", on_step_end)
    return taken
