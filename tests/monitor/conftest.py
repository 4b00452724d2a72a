"""What the tests of the monitor share: a tiny model on disk, and trainers of every kind on harmless rows."""

from __future__ import annotations

import gc

import pytest

from ..tiny_models import chat_tokenizer, tiny_llama


@pytest.fixture(scope="session")
def start(tmp_path_factory):
    """A folder of a tiny model of two layers with dropout, and its tokenizer."""
    folder = tmp_path_factory.mktemp("start")
    model = tiny_llama(layers=2)
    model.config.attention_dropout = 0.2
    model.save_pretrained(folder)
    chat_tokenizer(eos_token="<|im_end|>").save_pretrained(folder)
    return str(folder)


@pytest.fixture(autouse=True)
def no_network(offline):
    """Nothing asks the hub."""


@pytest.fixture(scope="module", autouse=True)
def old_objects_are_not_garbage():
    """Every training collects garbage first, and looking through whole libraries is most of a tiny training's time."""
    import trl.trainer.dpo_trainer
    import trl.trainer.sft_trainer  # noqa: F401

    gc.freeze()
    yield
    gc.unfreeze()
