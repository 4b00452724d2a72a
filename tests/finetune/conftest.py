"""What the tests of fine-tuning share."""

from __future__ import annotations

import gc

import pytest

from tradeoffbounds.finetune import trainers  # noqa: F401  with all that it imports, before `gc.freeze`

from ..tiny_models import chat_tokenizer, tiny_llama


@pytest.fixture(scope="session")
def start(tmp_path_factory):
    """A folder that `--model` takes, of a tiny model of two layers."""
    folder = tmp_path_factory.mktemp("start")
    tiny_llama(layers=2).save_pretrained(folder)
    chat_tokenizer(eos_token="<|im_end|>").save_pretrained(folder)
    return str(folder)


@pytest.fixture(autouse=True)
def no_network(offline):
    """Nothing in training asks the hub."""


@pytest.fixture(scope="module", autouse=True)
def old_objects_are_not_garbage():
    """Every training collects garbage first, and looking through whole libraries is most of a tiny training's time."""
    gc.freeze()
    yield
    gc.unfreeze()
