"""What a model's folder or hub page may not do: hand over pickles, code, or another model than was asked for.

transformers follows what it finds there: an index that names its shards, an adapter beside the model, the name of
compiled code on the hub. What is looked at here is JSON, and is looked at before anything follows it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tradeoffbounds.errors import UserError
from tradeoffbounds.refused_files import TO_SAFETENSORS, pickled_weights, why_refused

_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_ADAPTER = "adapter_config.json"
#: Of a shard or a file of weights: in the same folder, and safetensors.
_PLAIN_NAME = re.compile(r"[^/\\\0]+\.safetensors")
#: Or the adapter would be put on the model without a word, and the model that it names be loaded.
_IS_ADAPTER = f"is an adapter, or has one in it ({_ADAPTER}); give the model alone, and the adapter by --adapter"
_LONGEST_NAME = 255
_IMPLEMENTATION = re.compile(r"_?(?:attn|experts)_implementation(?:_internal)?")

# Before transformers is imported. It would else have a service of the hub convert pickles and take what comes back,
# and download compiled code to run in the place of its own.
os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")
os.environ.setdefault("USE_HUB_KERNELS", "NO")


def check_place(spec: str) -> None:
    """Refuse what cannot be a path or a hub id, a file of a kind that is never opened, and an adapter; reads nothing.

    Raises:
        UserError: without the place, which the caller puts before it.
    """
    if not spec.isprintable() or max(len(os.fsencode(part)) for part in spec.split("/")) > _LONGEST_NAME:
        raise UserError("is no name of a file, a folder or a model")
    path = Path(spec)
    if path.is_dir():
        if (path / _ADAPTER).is_file():
            raise UserError(_IS_ADAPTER)
    elif (refused := why_refused(path.name)) is not None:
        raise UserError(refused)


def check_page(location: str, *, weights: bool, cached: bool) -> None:
    """Look at the settings of a model, in a folder or on the hub, before transformers follows them.

    Args:
        weights: whether these are about to be read, and their index is to be looked at too.
        cached: ask nothing of the hub; its cache has what there is.

    Raises:
        UserError: without the place, which the caller puts before it.
        OSError: there are no settings, or the hub does not answer.
    """
    from transformers import PreTrainedConfig
    from transformers.utils.hub import cached_file
    from transformers.utils.peft_utils import find_adapter_config_file

    settings, _ = PreTrainedConfig.get_config_dict(location, local_files_only=cached)
    check_settings(settings)
    if not weights:
        return
    if find_adapter_config_file(location, local_files_only=cached) is not None:
        raise UserError(_IS_ADAPTER)
    named = settings.get("transformers_weights")
    index = named if isinstance(named, str) and named.endswith(".index.json") else _INDEX
    missing: dict[str, Any] = {
        "local_files_only": cached,
        "_raise_exceptions_for_missing_entries": False, "_raise_exceptions_for_gated_repo": False,
    }  # fmt: skip
    path = cached_file(location, index, **missing)
    if path is not None:
        _check_index(Path(path))
    elif cached_file(location, _WEIGHTS if named is None else named, **missing) is None:
        pickled = pickled_weights(Path(location)) if Path(location).is_dir() else "pytorch_model.bin"
        said = f"{why_refused(pickled)}; {TO_SAFETENSORS}" if pickled else "save the model again"
        raise UserError(f"no {_WEIGHTS} there; {said}; or give a folder or a reachable hub id with safetensors")


def check_settings(settings: dict[str, Any]) -> None:
    """What config.json may not ask for.

    Raises:
        UserError: code of its own where transformers has none for this type, compiled code of the hub, or weights
            in a file that is not safetensors.
    """
    from transformers import CONFIG_MAPPING

    kind = settings.get("model_type")
    if settings.get("auto_map") and kind not in CONFIG_MAPPING:
        raise UserError(
            f"config.json wants code of its own to be run (auto_map; model_type {kind!r} is not one that transformers "
            "knows), and code that comes with a model is never run; give a model of a built-in type"
        )
    for key, value in _nested(settings):
        if _IMPLEMENTATION.fullmatch(key) and any("/" in str(each) for _, each in _nested({key: value})):
            raise UserError(
                f"config.json wants compiled code of the hub to be run ({key}: {str(value)[:60]}), and code that comes "
                "with a model is never run; remove that line"
            )
    named = settings.get("transformers_weights")
    if named is not None and not _PLAIN_NAME.fullmatch(str(named).removesuffix(".index.json")):
        raise UserError(
            f"config.json names {str(named)[:60]!r} as its weights; expected a .safetensors file of the same folder"
        )


def _check_index(path: Path) -> None:
    try:
        index = json.loads(path.read_text("utf-8"))
        names = sorted({str(each) for each in index["weight_map"].values()})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(f"{path.name} is no index of weights; save the model again") from error
    for name in names:
        if not _PLAIN_NAME.fullmatch(name):
            raise UserError(
                f"{path.name} names {name[:60]!r} as a file of weights; expected .safetensors files of the same "
                "folder, and nothing else is ever opened"
            )


def _nested(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every key of a JSON value, however deep, with what it holds; without recursion, which has a limit."""
    pending = [(key, value)]
    while pending:
        key, value = pending.pop()
        if key:
            yield key, value
        if isinstance(value, dict):
            pending += [(str(name), each) for name, each in value.items()]
        elif isinstance(value, list):
            pending += [("[]", each) for each in value]
