"""How the virtual tokens of prompt tuning start, before any training: the names, and the texts behind two of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tradeoffbounds.errors import UserError

#: The method whose virtual tokens are trained themselves; those of P-tuning come out of an encoder.
CONCERNED: Final = "prompt-tuning"
#: Embeddings of random tokens of the vocabulary, and numbers from N(0, 1), which are many times as long.
VOCABULARY, RANDOM = "vocabulary", "random"
#: Embeddings of a text's tokens. What is to be said is said in 20 of them: the rest is cut.
TEXTS = {
    "text": "You are a helpful assistant. Reply to each message in plain words that are easy to read.",
    "safety-text": "You are a careful assistant. Refuse to help with anything that could harm people, and say why.",
}
PROMPT_INITS = (VOCABULARY, RANDOM, *TEXTS)
#: A text of the user's own follows.
OWN_TEXT = "text:"
_SHOWN = 24


def check_prompt_init(prompt_init: str) -> None:
    """Raises UserError: it is neither one of :data:`PROMPT_INITS` nor ``text:YOUR TEXT``."""
    if prompt_init.startswith(OWN_TEXT):
        if not prompt_init.removeprefix(OWN_TEXT).strip():
            raise UserError(f"the text to start virtual tokens from is empty; write it after {OWN_TEXT}")
    elif prompt_init not in PROMPT_INITS:
        raise UserError(
            f"cannot start virtual tokens from {prompt_init!r}; expected one of {', '.join(PROMPT_INITS)}, or "
            f"{OWN_TEXT}YOUR TEXT"
        )


def starting_text(prompt_init: str) -> str | None:
    """The text whose tokens' embeddings the virtual tokens start from; None where they start from none."""
    if prompt_init.startswith(OWN_TEXT):
        return prompt_init.removeprefix(OWN_TEXT).strip()
    return TEXTS.get(prompt_init)


def prompt_inits_of(method: str, asked: Sequence[str]) -> tuple[str | None, ...]:
    """Of those asked for, what a method is run with: None, once, where it has no choice or the default is the only one.

    >>> prompt_inits_of("lora", ["random", "text"])
    (None,)
    """
    return (None,) if method != CONCERNED or set(asked) <= {VOCABULARY} else tuple(dict.fromkeys(asked))


def short_prompt_init(prompt_init: str) -> str:
    """The name, or the first words of a text of the user's own."""
    text = prompt_init.removeprefix(OWN_TEXT).strip()
    if text == prompt_init:
        return prompt_init
    return f"\u201c{text}\u201d" if len(text) <= _SHOWN else f"\u201c{text[:_SHOWN].rstrip()} \u2026\u201d"


def method_name(method: str, prompt_init: str | None) -> str:
    """A method, and how its virtual tokens start where that was chosen: ``prompt-tuning (random)``."""
    return method if prompt_init is None else f"{method} ({short_prompt_init(prompt_init)})"
