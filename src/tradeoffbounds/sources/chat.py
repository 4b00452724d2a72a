"""Rows as token ids, written with the model's own chat template.

Bounds, training and audits must see the same text, so this is the one place that renders it, and
`template_sha256` identifies what was used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tradeoffbounds.errors import UserError, first_line
from tradeoffbounds.sources.source import Row

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Stands where the user's words go, to learn where that is. Any text that no template alters will do.
_SENTINEL = "tradeoffbounds-0d6c-user-content"

#: A template is a program of whoever made the tokenizer, run in Jinja's sandbox: it may fail in any way.
TEMPLATE_FAULTS = (
    ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError,
)  # fmt: skip

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Rendered:
    """One conversation as token ids.

    `prompt_span` and `response_span` are half-open ranges of positions in `ids`. The first holds the
    tokens of the user's words alone, without the template around them. The second holds everything
    after the generation prompt: the response and, where it fits, all that the template ends the turn
    with (for SmolLM2 `<|im_end|>` and a line break). These are the tokens a completion-only
    fine-tune trains on. Without a response it is empty. `truncated` says that tokens were left out.
    """

    ids: list[int]
    prompt_span: Span
    response_span: Span
    truncated: bool


def render(
    tokenizer: PreTrainedTokenizerBase,
    prompt: str,
    response: str | None = None,
    *,
    system_prompt: str | None = None,
    max_tokens: int,
) -> Rendered:
    """One user turn and, if given, the assistant's answer to it, in at most `max_tokens` tokens.

    Prompt and response are stripped of outer whitespace first, as most templates do themselves. With
    `system_prompt=None` no system message is passed; some templates (SmolLM2's) then write a default
    one of their own, so pass one explicitly where the input distribution matters. Control tokens
    spelled out in a text act as control tokens, as they do in training.

    What is too long is shortened in two steps, so that the template stays whole: first the response
    loses its end, down to `max_tokens // 2` tokens at the least; then the user's words lose theirs.

    Raises:
        UserError: there is no chat template, or it alters the text, refuses or leaves out the system
            prompt, or does not begin a full conversation with its own generation prompt; the
            tokenizer gives no offsets; the prompt is blank; or `max_tokens` cannot hold the template
            and one token of the prompt.
    """
    return _Renderer(tokenizer, system_prompt, max_tokens)(prompt, response)


def render_all(
    tokenizer: PreTrainedTokenizerBase,
    rows: Iterable[Row],
    *,
    system_prompt: str | None = None,
    max_tokens: int,
) -> list[Rendered]:
    """`render` for every row, in order; the template's checks are made once."""
    renderer = _Renderer(tokenizer, system_prompt, max_tokens)
    return [renderer(row.prompt, row.response) for row in rows]


def check_chat_template(tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse a tokenizer without a chat template, as base models have.

    Raises:
        UserError: there is none.
    """
    if not tokenizer.chat_template:
        raise UserError(
            f"model {_name(tokenizer)} has no chat template; use an instruct model, "
            "or a tokenizer with `chat_template` set"
        )


def template_sha256(tokenizer: PreTrainedTokenizerBase, system_prompt: str | None = None) -> str:
    """SHA-256, in hexadecimal, of the template's text and the system prompt.

    Numbers made under two different values are not comparable: the model was asked differently.

    Raises:
        UserError: see `check_chat_template`.
    """
    check_chat_template(tokenizer)
    used = json.dumps([tokenizer.get_chat_template(), system_prompt])
    return hashlib.sha256(used.encode("ascii")).hexdigest()


class _Renderer:
    """`render` with what does not depend on the row worked out once: the text around the prompt."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, system_prompt: str | None, max_tokens: int) -> None:
        check_chat_template(tokenizer)
        if not tokenizer.is_fast:
            raise UserError(f"tokenizer of {_name(tokenizer)} gives no offsets; use the fast tokenizer")
        if max_tokens < 1:
            raise UserError(f"max_tokens must be at least 1; got {max_tokens}")
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._system = [] if system_prompt is None else [{"role": "system", "content": system_prompt}]
        text = self._write(_SENTINEL)
        if text.count(_SENTINEL) != 1:
            raise self._unusable("does not write the user's message exactly once")
        self._before, self._after = text.split(_SENTINEL)
        if system_prompt is not None and system_prompt.strip() not in text:
            raise self._unusable("leaves out the system prompt; call without one")

    def __call__(self, prompt: str, response: str | None) -> Rendered:
        prompt = prompt.strip()
        if not prompt:
            raise UserError("the prompt is blank; rows without a prompt are to be dropped before rendering")
        prefix = self._write(prompt)
        if prefix != self._before + prompt + self._after:
            raise self._unusable(f"alters the user's message {prompt[:40]!r}")
        ids, offsets = self._tokenize(prefix)
        start, end = _tokens_of(offsets, len(self._before), len(self._before) + len(prompt))
        tail = [] if response is None else self._tail(prefix, ids, prompt, response.strip())

        kept = max(min(len(tail), self._max_tokens // 2), min(len(tail), self._max_tokens - len(ids)))
        excess = max(0, len(ids) + kept - self._max_tokens)
        if excess >= end - start:
            raise UserError(
                f"max_tokens = {self._max_tokens} is too small: the chat template of {_name(self._tokenizer)} "
                f"takes {len(ids) - (end - start)} tokens beside the prompt and {kept} are kept for the "
                "response; allow more"
            )
        ids = ids[: end - excess] + ids[end:]
        return Rendered(
            ids=ids + tail[:kept],
            prompt_span=(start, end - excess),
            response_span=(len(ids), len(ids) + kept),
            truncated=excess > 0 or kept < len(tail),
        )

    def _tail(self, prefix: str, prefix_ids: list[int], prompt: str, response: str) -> list[int]:
        """The tokens that follow the generation prompt: the response and the end of its turn."""
        whole = self._write(prompt, response)
        if not whole.startswith(prefix):
            raise self._unusable("does not begin a full conversation with its own generation prompt")
        if response not in whole[len(prefix) :]:
            raise self._unusable(f"alters the response {response[:40]!r}")
        ids, _ = self._tokenize(whole)
        if ids[: len(prefix_ids)] == prefix_ids:
            return ids[len(prefix_ids) :]
        # A token reaches across the border. The model will continue the prefix as it is, so split there.
        return self._tokenize(whole[len(prefix) :])[0]

    def _write(self, prompt: str, response: str | None = None) -> str:
        from jinja2 import TemplateError

        messages = [*self._system, {"role": "user", "content": prompt}]
        if response is not None:
            messages.append({"role": "assistant", "content": response})
        try:
            text = self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=response is None)
        except (TemplateError, *TEMPLATE_FAULTS) as error:
            hint = "refuses a system prompt, so call without one" if self._system else "cannot be rendered"
            raise self._unusable(f"{hint} ({first_line(error)})") from error
        return str(text)

    def _tokenize(self, text: str) -> tuple[list[int], list[Span]]:
        # The template writes the special tokens itself. verbose=False: length is our own concern.
        encoded = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        return encoded["input_ids"], encoded["offset_mapping"]

    def _unusable(self, fault: str) -> UserError:
        return UserError(f"chat template of {_name(self._tokenizer)} {fault}")


def _tokens_of(offsets: list[Span], start: int, end: int) -> Span:
    """The range of tokens that hold any character of text[start:end]."""
    touching = [i for i, (first, last) in enumerate(offsets) if first < end and last > start]
    if not touching:
        raise UserError("the tokenizer makes no tokens of the prompt; drop such rows before rendering")
    return touching[0], touching[-1] + 1


def _name(tokenizer: PreTrainedTokenizerBase) -> str:
    return tokenizer.name_or_path or type(tokenizer).__name__
