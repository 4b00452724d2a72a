"""From records to rows: which columns hold the prompt and the response, and how each is read.

A record is one JSON object, CSV line or table row. A column may hold text or a conversation: a list of
messages written as `role`/`content` or as `from`/`value`.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tradeoffbounds.errors import UserError
from tradeoffbounds.sources.registry import Registered
from tradeoffbounds.sources.source import Row

ACCEPTED = (
    "prompt+response, prompt+completion, prompt+chosen, instruction(+input or context)+output or response, "
    "question+answer, messages, or conversations"
)

_PAIRS = (
    (("prompt",), "response"),
    (("prompt",), "completion"),
    (("prompt",), "chosen"),
    (("instruction", "input", "context"), "output"),
    (("instruction", "input", "context"), "response"),
    (("question",), "answer"),
    (("messages",), "messages"),
    (("conversations",), "conversations"),
)

_CHOSEN, _REJECTED = "chosen", "rejected"

#: Columns that an error lists.
_MOST_LISTED = 20
_SHOWN = reprlib.Repr()
_SHOWN.maxstring = _SHOWN.maxother = 40

_ROLES = {"human": "user", "gpt": "assistant", "model": "assistant", "chatgpt": "assistant"}


class Record(NamedTuple):
    """One record and the place to name when it is at fault, such as `data.jsonl:17`."""

    where: str
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a prompt and of its response.

    Where `prompt` has several columns the first must be there; the others are joined when they are.
    A single column named on both sides holds whole conversations.
    """

    prompt: tuple[str, ...]
    response: str

    def fits(self, columns: Iterable[str]) -> bool:
        """Whether a data set with these columns can be read this way."""
        return {self.prompt[0], self.response} <= set(columns)

    @property
    def is_conversation(self) -> bool:
        return self.prompt == (self.response,)


def to_rows(records: Sequence[Record], where: str, registered: Registered | None = None) -> list[Row]:
    """The prompt and response of every record.

    A registered data set is read by its published columns where they are there; anything else by the
    first of the accepted layouts that fits.

    Raises:
        UserError: no layout fits, or a record lacks a column or has a value that is not text.
    """
    columns = _columns(records)
    layout = next((layout for layout in _layouts(registered) if layout.fits(columns)), None)
    if layout is None:
        raise UserError(f"{where}: no prompt and response columns; found: {listed(columns)}; accepted: {ACCEPTED}")
    return [_to_row(record, layout) for record in records]


def to_pairs(records: Sequence[Record], where: str, registered: Registered | None = None) -> list[tuple[Row, str]]:
    """The prompt and chosen response of every record, with its rejected response; "" where it has none.

    A rejected response is read as the chosen one is.

    Raises:
        UserError: there is no prompt, chosen or rejected column, or `to_rows` would refuse the rest.
    """
    columns = _columns(records)
    preferring = (layout for layout in _layouts(registered) if layout.response == _CHOSEN)
    layout = next((layout for layout in preferring if layout.fits(columns)), None)
    if layout is None or _REJECTED not in columns:
        raise UserError(
            f"{where}: no preference pairs; columns found: {listed(columns)}; expected: prompt, "
            f"{_CHOSEN}, {_REJECTED}; without rejected responses use --objective sft"
        )
    return [
        (_to_row(record, layout), _reply(record, layout, _REJECTED) if _REJECTED in record.values else "")
        for record in records
    ]


def _columns(records: Sequence[Record]) -> dict[str, None]:
    return {column: None for record in records for column in record.values}


def _layouts(registered: Registered | None) -> list[Layout]:
    layouts = [Layout(*pair) for pair in _PAIRS]
    if registered is not None and registered.response_column is not None:
        layouts.insert(0, Layout(registered.prompt_columns, registered.response_column))
    return layouts


def _to_row(record: Record, layout: Layout) -> Row:
    missing = {layout.prompt[0], layout.response} - record.values.keys()
    if missing:
        raise UserError(f"{record.where}: no column {missing.pop()!r}, which other rows of this source have")
    if layout.is_conversation:
        return _first_turn(record, layout.response)
    asked = record.values[layout.prompt[0]]
    if isinstance(asked, list):
        # The response answers the last thing the user said; earlier turns and any system message go.
        prompt = _contents(record, layout.prompt[0], "user")[-1:]
    else:
        prompt = [_text(record, column) for column in layout.prompt if column in record.values]
    return Row("\n\n".join(part for part in prompt if part.strip()), _reply(record, layout, layout.response))


def _reply(record: Record, layout: Layout, column: str) -> str:
    """What `column` answers to the record's prompt; of messages the last one if the prompt is a conversation too."""
    if not isinstance(record.values[column], list):
        return _text(record, column)
    replies = _contents(record, column, "assistant")
    reply = -1 if isinstance(record.values[layout.prompt[0]], list) else 0
    return replies[reply] if replies else ""


def _first_turn(record: Record, column: str) -> Row:
    """The first thing the user says and the assistant's next message; "" for what is not there."""
    messages = iter(_messages(record, column))
    prompt = next((content for role, content in messages if role == "user"), "")
    return Row(prompt, next((content for role, content in messages if role == "assistant"), ""))


def _contents(record: Record, column: str, wanted: str) -> list[str]:
    return [content for role, content in _messages(record, column) if role == wanted]


def _messages(record: Record, column: str) -> list[tuple[str, str]]:
    value = record.values[column]
    if not isinstance(value, list):
        raise UserError(f"{record.where}: {column!r} must be a list of messages; got {_kind(value)}")
    return [_message(record, column, message) for message in value]


def _message(record: Record, column: str, message: object) -> tuple[str, str]:
    if isinstance(message, Mapping):
        for role_key, content_key in (("role", "content"), ("from", "value")):
            role = message.get(role_key)
            if isinstance(role, str) and content_key in message:
                content = _checked(record.where, f"{column}.{content_key}", message[content_key])
                return _ROLES.get(role, role), content
    raise UserError(
        f"{record.where}: a message of {column!r} must have role and content, or from and value; got {_kind(message)}"
    )


def _text(record: Record, column: str) -> str:
    return _checked(record.where, column, record.values[column])


def _checked(where: str, column: str, value: object) -> str:
    """`value` as text; null counts as empty, which drops the row instead of ending the run."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UserError(f"{where}: {column!r} must be text; got {_kind(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        # JSON can spell half of a surrogate pair, which no tokenizer takes.
        raise UserError(f"{where}: {column!r} holds half of a surrogate pair; write the character whole") from None
    return value


def listed(columns: Iterable[object]) -> str:
    """The names of columns for an error, on one line and not too many; "none" where there are none."""
    names = [name if name.isprintable() and len(name) <= 40 else _SHOWN.repr(name) for name in map(str, columns)]
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return ", ".join(names[:_MOST_LISTED]) + more or "none"


def _kind(value: object) -> str:
    if isinstance(value, Mapping):
        return f"an object with {listed(value)}"
    return f"{type(value).__name__} {_SHOWN.repr(value)}"
