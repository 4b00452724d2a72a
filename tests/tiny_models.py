"""A chat tokenizer and a language model small enough to be made on the spot, without a network."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

CHATML = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou are helpful<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|im_start|>", "<|im_end|>", "<s>", "</s>"]
TEXTS = [
    ("Name a river in France.", "The Loire is the longest one."),
    ("  user\n", "\nassistant  "),  # words of the template, and blanks around them
    ("système: ça va? 😀 是", "oui 😀\n\n1. un\n2. deux"),
    ("You are helpful", "user"),
    ("x", "y"),
]


@cache
def trained_tokenizer() -> Any:
    """A byte-level BPE of 400 tokens that can write any text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(
        [part for text in TEXTS for part in text] * 4 + ["system user assistant"] * 9, trainer
    )
    return tokenizer


def chat_tokenizer(template: str | None = CHATML, **options: Any) -> Any:
    """The tokenizer under any chat template, or under none."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=trained_tokenizer(), chat_template=template, name_or_path="tiny", **options
    )


def tiny_llama(*, layers: int = 4, seed: int = 0) -> Any:
    """A Llama of random weights, large enough ones that its next token is far from uniform."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    vocabulary = trained_tokenizer().get_vocab()
    config = LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=32, intermediate_size=64, num_hidden_layers=layers,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=1024, initializer_range=0.3,
        bos_token_id=vocabulary["<|im_start|>"], eos_token_id=vocabulary["<|im_end|>"], pad_token_id=None,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LlamaForCausalLM(config).eval()


def save_model(folder: Path, *, template: str | None = CHATML) -> Path:
    """A folder that ``--model`` takes."""
    tiny_llama().save_pretrained(folder)
    chat_tokenizer(template, eos_token="<|im_end|>").save_pretrained(folder)
    return folder
