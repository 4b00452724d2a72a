"""From what the user typed to a judge."""

from __future__ import annotations

import re

from tradeoffbounds.errors import UserError
from tradeoffbounds.harm.classifier_judge import load_classifier
from tradeoffbounds.harm.keyword_judge import KeywordJudge
from tradeoffbounds.harm.llama_guard import load_llama_guard
from tradeoffbounds.harm.verdicts import Judge
from tradeoffbounds.models.load import Placement

FORMS = "keyword, llama-guard:MODEL, llama-guard:MODEL@VERSION or classifier:MODEL:LABEL"


def make_judge(spec: str, placement: Placement) -> Judge:
    """The judge that `spec` names, its model loaded.

    Args:
        spec: `keyword`; `llama-guard:MODEL`, with `@2` or `@3` behind it where the version is not in the
            model's name; or `classifier:MODEL:LABEL`, LABEL being the one that means harm. MODEL is a folder
            or a hub id.
        placement: where a model goes.

    Raises:
        UserError: there is no such judge, or its model cannot be loaded or is of another kind.
    """
    kind, _, rest = spec.partition(":")
    try:
        if kind == "keyword" and not rest:
            return KeywordJudge()
        if kind == "llama-guard" and rest:
            model, version = _guard(rest)
            return load_llama_guard(model, version, placement)
        model, _, label = rest.rpartition(":")
        if kind == "classifier" and model and label:
            return load_classifier(model, label, placement)
    except UserError as error:
        # Models are usually asked for by --model; this one was not.
        raise UserError(f"judge {kind}: {str(error).removeprefix('--model ')}") from error
    raise UserError(f"unknown judge {spec!r}; expected {FORMS}")


def _guard(rest: str) -> tuple[str, int | None]:
    found = re.fullmatch(r"(.+)@([0-9]{1,9})", rest)
    return (rest, None) if found is None else (found[1], int(found[2]))
