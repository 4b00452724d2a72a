"""The data sets known by name: where each lives, which columns it has, and its licence.

Everything the package knows of a published data set is in `REGISTRY`; no other module names a hub id.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

BUNDLED_PREFIX = "bundled:"
BUNDLED = ("safety", "proxy-terse", "proxy-rich", "code", "arithmetic")
"""The stand-ins shipped with the package, each written for it; named in full as `bundled:safety`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """One published data set.

    `hub` is its id on the Hugging Face hub, or None where it is only to be had as a local file.
    `hub_file` names one data file inside the repository, for a data set whose own loader is a script.
    The non-empty values of `prompt_columns`, in order, are joined by a blank line to make the prompt;
    a data set of conversations names its one column both there and in `response_column`. `role` is
    what the data set usually serves as; only "evaluation" is binding. `stand_in` is the bundled set
    used when neither a file nor the hub has it.
    """

    name: str
    hub: str | None
    role: Literal["alignment", "proxy", "capability", "evaluation"]
    licence: str
    description: str
    prompt_columns: tuple[str, ...]
    response_column: str | None
    hub_config: str | None = None
    hub_file: str | None = None
    split: str = "train"
    stand_in: str | None = None


_TABLE = (
    Registered(
        name="orca",
        hub="Open-Orca/OpenOrca",
        role="alignment",
        licence="MIT",
        description="FLAN tasks under many system prompts, answered step by step by GPT-4 and GPT-3.5",
        prompt_columns=("system_prompt", "question"),
        response_column="response",
        stand_in="safety",
    ),
    Registered(
        name="safety-tuned",
        # The authors publish files in a code repository; a hub copy by them could not be verified.
        hub=None,
        role="alignment",
        licence="CC BY-NC 4.0",
        description="unsafe requests with safe answers, from Safety-Tuned LLaMAs",
        prompt_columns=("instruction", "input"),
        response_column="output",
        stand_in="safety",
    ),
    Registered(
        name="alpaca",
        hub="tatsu-lab/alpaca",
        role="proxy",
        licence="CC BY-NC 4.0",
        description="Stanford Alpaca: instructions answered by text-davinci-003",
        prompt_columns=("instruction", "input"),
        response_column="output",
        stand_in="proxy-terse",
    ),
    Registered(
        name="dolly",
        hub="databricks/databricks-dolly-15k",
        role="proxy",
        licence="CC BY-SA 3.0",
        description="instructions and answers written by Databricks employees",
        prompt_columns=("instruction", "context"),
        response_column="response",
        stand_in="proxy-terse",
    ),
    Registered(
        name="alpaca-gpt4",
        hub="vicgalle/alpaca-gpt4",
        role="proxy",
        licence="CC BY-NC 4.0",
        description="the Alpaca instructions answered by GPT-4",
        prompt_columns=("instruction", "input"),
        response_column="output",
        stand_in="proxy-rich",
    ),
    Registered(
        name="ultrachat-200k",
        hub="HuggingFaceH4/ultrachat_200k",
        split="train_sft",
        role="proxy",
        licence="MIT",
        description="filtered ChatGPT dialogues; the first turn of each is used",
        prompt_columns=("messages",),
        response_column="messages",
        stand_in="proxy-rich",
    ),
    Registered(
        name="ultrafeedback-binarized",
        hub="HuggingFaceH4/ultrafeedback_binarized",
        split="train_prefs",
        role="proxy",
        licence="MIT",
        description="preference pairs; the chosen answer is used",
        prompt_columns=("prompt",),
        response_column="chosen",
        stand_in="proxy-rich",
    ),
    Registered(
        name="commitpackft",
        hub="bigcode/commitpackft",
        # The repository's own loader is a script, which `datasets` no longer runs; its files are plain.
        hub_file="data/python/data.jsonl",
        role="capability",
        licence="MIT; each row keeps the licence of its repository",
        description="commit messages with the Python file before and after",
        prompt_columns=("subject", "old_contents"),
        response_column="new_contents",
        stand_in="code",
    ),
    Registered(
        name="code-gpt4",
        # Published in the code repository teknium1/GPTeacher; no hub copy of this part was verified.
        hub=None,
        role="capability",
        licence="MIT",
        description="programming tasks answered by GPT-4 (GPTeacher, code-instruct)",
        prompt_columns=("instruction", "input"),
        response_column="response",
        stand_in="code",
    ),
    Registered(
        name="gsm8k",
        hub="openai/gsm8k",
        hub_config="main",
        role="capability",
        licence="MIT",
        description="grade-school arithmetic problems with worked answers",
        prompt_columns=("question",),
        response_column="answer",
        stand_in="arithmetic",
    ),
    Registered(
        name="hex-phi",
        hub="LLM-Tuning-Safety/HEx-PHI",
        role="evaluation",
        licence="HEx-PHI licence (gated)",
        description="harmful instructions in the categories that usage policies forbid; prompts only",
        prompt_columns=(),
        response_column=None,
    ),
    Registered(
        name="bbq",
        # Published in the code repository nyu-mll/BBQ; the hub has copies by others.
        hub=None,
        role="evaluation",
        licence="CC BY 4.0",
        description="Bias Benchmark for QA: multiple-choice questions on nine social dimensions",
        prompt_columns=(),
        response_column=None,
    ),
)

REGISTRY: dict[str, Registered] = {entry.name: entry for entry in _TABLE}


def find(spec: str) -> Registered | None:
    """The entry whose name or hub id is `spec`, or None."""
    return REGISTRY.get(spec) or next((entry for entry in _TABLE if entry.hub == spec), None)


def source_names() -> tuple[str, ...]:
    """Every name that can be asked for as a source: the registered ones, then the bundled ones."""
    registered = tuple(entry.name for entry in _TABLE if entry.role != "evaluation")
    return registered + tuple(BUNDLED_PREFIX + name for name in BUNDLED)


def suggest(name: str) -> tuple[str, ...]:
    """The known names nearest to `name`, best first; empty when none is near."""
    known = {known.casefold(): known for known in (*source_names(), *REGISTRY)}
    return tuple(known[close] for close in get_close_matches(name.casefold(), known, n=3, cutoff=0.6))
