"""What a model answers to prompts, greedily and in batches; each batch is written down before the next is begun.

The answers' texts are in files of the package's cache and nowhere else. A file's name is made of all that its answers
depend on, so what was answered once is not asked again, and a run that was killed goes on where it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradeoffbounds.errors import UserError
from tradeoffbounds.models.hidden_states import batches
from tradeoffbounds.models.response_logits import active_prompt, inner_model
from tradeoffbounds.models.sampling import greedy_responses
from tradeoffbounds.runs import atomic_path, cache_dir, content_hash, writing
from tradeoffbounds.sources import render, template_sha256

if TYPE_CHECKING:
    from tradeoffbounds.harm.prompts import HarmPrompt

SCHEMA = "tradeoffbounds/answers/1"
#: For models that name no longest text.
_LONGEST = 2**20


@dataclass(frozen=True)
class Respondent:
    """A model that is asked things, its adapter on or off.

    Attributes:
        model: a transformers model or PEFT's model around one, in evaluation mode.
        name: identifies the weights (`models.load.model_id`).
        adapter: identifies the adapter that is on, as a hash of its files does. None: the model without; the adapter
            of PEFT's model is then off, and what is said is what the model says alone, bit for bit.
    """

    model: Any
    tokenizer: Any
    name: str
    adapter: str | None = None

    def __post_init__(self) -> None:
        if self.adapter is not None and not self._has_adapter:
            raise ValueError(f"the model has no adapter that could be {self.adapter}")

    @property
    def identity(self) -> dict[str, Any]:
        """What answers depend on beside the question, JSON-ready."""
        inner = inner_model(self.model)
        return {"model": self.name, "adapter": self.adapter, "dtype": str(inner.dtype), "device": inner.device.type}

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Within, the model is as it is to be asked, and nothing is recorded for gradients."""
        import torch

        off = self.adapter is None and self._has_adapter
        with torch.inference_mode(), self.model.disable_adapter() if off else nullcontext():
            yield

    def room(self, new_tokens: int) -> int:
        """How long a prompt may be so that ``new_tokens`` can follow it. Only within `speaking`."""
        config = inner_model(self.model).config.get_text_config()
        prompt = active_prompt(self.model)
        virtual = 0 if prompt is None else prompt.num_virtual_tokens
        room = (getattr(config, "max_position_embeddings", None) or _LONGEST) - virtual - new_tokens
        if room < 1:
            raise UserError(f"{new_tokens} new tokens are more than {self.name} can write; ask for fewer")
        return room

    @property
    def _has_adapter(self) -> bool:
        return hasattr(self.model, "disable_adapter")


def complete(
    respondent: Respondent,
    prompts: Sequence[HarmPrompt],
    *,
    system_prompt: str | None,
    max_new_tokens: int,
    warn: Callable[[str], None],
    on_batch: Callable[[int], None] | None = None,
) -> list[str]:
    """The greedy answer to each prompt in the model's chat template, cut after ``max_new_tokens``.

    Args:
        warn: told what was lost of an earlier run, and of waiting for another one.
        on_batch: called with the number of prompts answered, those of an earlier run included.

    Raises:
        UserError: a prompt does not fit into the model, or cannot be rendered; nothing was asked then.
    """
    with respondent.speaking():
        prefixes = [
            prompt_ids(respondent, each.id, each.prompt, system_prompt=system_prompt, new_tokens=max_new_tokens)
            for each in prompts
        ]
        settings = {
            "what": "completions",
            **respondent.identity,
            "template": template_sha256(respondent.tokenizer, system_prompt),
            "max_new_tokens": max_new_tokens,
            "prompts": content_hash([[each.id, each.prompt] for each in prompts]),
        }

        def ask(batch: list[int]) -> Iterator[tuple[int, str]]:
            asked = [prefixes[i] for i in batch]
            written = greedy_responses(respondent.model, respondent.tokenizer, asked, max_new_tokens=max_new_tokens)
            for i, tokens in zip(batch, written, strict=True):
                yield i, respondent.tokenizer.decode(tokens, skip_special_tokens=True).strip()

        lengths = [len(prefix) + max_new_tokens for prefix in prefixes]
        ids = [each.id for each in prompts]
        return answered("completions", settings, ids, lengths, ask, lambda text: isinstance(text, str), warn, on_batch)


def prompt_ids(
    respondent: Respondent, name: str, prompt: str, *, system_prompt: str | None, new_tokens: int
) -> list[int]:
    """The prompt in the chat template, never cut.

    Raises:
        UserError: it is too long or cannot be rendered; ``name`` says which one it is.
    """
    room = respondent.room(new_tokens)
    try:
        rendered = render(respondent.tokenizer, prompt, system_prompt=system_prompt, max_tokens=room)
    except UserError as error:
        raise UserError(f"prompt {name}: {error}") from error
    if rendered.truncated:
        raise UserError(f"prompt {name}: longer than the {room} tokens that the model can read; shorten it")
    return rendered.ids


def answered(
    folder: str,
    settings: Mapping[str, Any],
    ids: Sequence[str],
    lengths: Sequence[int],
    ask: Callable[[list[int]], Iterable[tuple[int, Any]]],
    sound: Callable[[Any], bool],
    warn: Callable[[str], None],
    on_batch: Callable[[int], None] | None,
) -> list[Any]:
    """The answer to each of ``ids``, out of the cache's ``folder`` where it is known, else asked for and put there.

    A batch of which an answer is missing is asked again as a whole: answers may depend on their batch by rounding,
    and a run that was killed is to end as one that was not.

    Args:
        settings: all that the answers depend on, JSON-ready.
        lengths: tokens that each of ``ids`` takes, for batches of like ones.
        ask: from indices to their answers, JSON-ready.
        sound: whether an answer that was read is one that ``ask`` could have given.
    """
    if len(set(ids)) < len(ids):
        raise ValueError("two questions have the same id")
    path = cache_dir() / folder / f"{content_hash(settings)[:32]}.jsonl"
    with AnswerFile.locked(path, settings, warn) as known:
        known.check(ids, sound)
        for batch in batches(lengths):
            if any(ids[i] not in known for i in batch):
                for i, answer in ask(batch):
                    if ids[i] not in known:
                        known.add(ids[i], answer)
            if on_batch is not None:
                on_batch(len(batch))
        return [known[id] for id in ids]


class AnswerFile:
    """Answers by id in a file of JSON lines; each is on its way to the disk before the next is asked for."""

    def __init__(self, path: Path, settings: Mapping[str, Any], warn: Callable[[str], None]) -> None:
        """Read what is there, or begin the file. A last line without its end is dropped, and ``warn`` told.

        Raises:
            UserError: the file is of other settings, or damaged elsewhere than at its end.
        """
        self._path = path
        header = {"schema": SCHEMA, "settings": dict(settings)}
        if not path.exists():
            with atomic_path(path) as temporary:
                temporary.write_bytes(_line(header))
        with writing(path):
            *lines, rest = path.read_bytes().split(b"\n")
        records = [_record(path, number, line) for number, line in enumerate(lines, start=1)]
        if not records or records[0] != json.loads(_line(header)):
            raise UserError(f"{path}: holds no answers of these settings; remove it, or set another cache folder")
        if rest:
            warn(f"{path.name}: the last answer was only half written, and is asked for again")
            os.truncate(path, path.stat().st_size - len(rest))
        self._answers: dict[str, Any] = {}
        for number, record in enumerate(records[1:], start=2):
            if record.keys() != {"id", "answer"} or not isinstance(record["id"], str):
                raise _damaged(path, number)
            self._answers[record["id"]] = record["answer"]
        with writing(path):
            self._file = path.open("ab", buffering=0)

    @classmethod
    @contextmanager
    def locked(cls, path: Path, settings: Mapping[str, Any], warn: Callable[[str], None]) -> Iterator[AnswerFile]:
        """The file for this process alone; another one that has it is waited for."""
        from filelock import FileLock, Timeout

        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path.with_suffix(".lock"))
            try:
                held = lock.acquire(blocking=False)
            except Timeout:
                warn("another process asks the same model the same; waiting for its answers")
                held = lock.acquire()
        with held:
            kept = cls(path, settings, warn)
            try:
                yield kept
            finally:
                kept.close()

    def __contains__(self, id: str) -> bool:
        return id in self._answers

    def __getitem__(self, id: str) -> Any:
        return self._answers[id]

    def add(self, id: str, answer: Any) -> None:
        """Append one answer, JSON-ready; a second one of the same id takes the place of the first.

        Raises:
            UserError: there is no space left. What was written before stays.
        """
        line = _line({"id": id, "answer": answer})
        with writing(self._path):
            # Not through a buffer, which would be tried again when the file is closed.
            while line:
                line = line[self._file.write(line) :]
        self._answers[id] = answer

    def check(self, ids: Iterable[str], sound: Callable[[Any], bool]) -> None:
        """
        Raises:
            UserError: the answer to one of ``ids`` is none.
        """
        for id in ids:
            if id in self and not sound(self[id]):
                raise UserError(f"{self._path}: the answer to {id} is damaged; remove its line, and it is asked again")

    def close(self) -> None:
        self._file.close()


def _line(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, allow_nan=False).encode("ascii") + b"\n"


def _record(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, number) from error
    if not isinstance(record, dict):
        raise _damaged(path, number)
    return record


def _damaged(path: Path, number: int) -> UserError:
    return UserError(f"{path}:{number}: this line is damaged; remove the line, and its question is asked again")
