"""Loading a language model and its tokenizer: the embedded one, a folder, a GGUF file, or a hub id."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tradeoffbounds.errors import UserError, first_line
from tradeoffbounds.hub_access import HubUnavailable, HubUnreachable, probe
from tradeoffbounds.models.embedded import NAME as EMBEDDED_NAME
from tradeoffbounds.models.embedded import check_installed, embedded_folder
from tradeoffbounds.models.safe_folder import check_page, check_place

EMBEDDED = "embedded"
_ADVICE = "give `embedded`, a folder, a .gguf file or a reachable hub id"


@dataclass(frozen=True)
class Placement:
    """Where and in which number format the model runs."""

    device: str
    dtype: str


def place(device: str, dtype: str) -> Placement:
    """Resolve ``auto``: CUDA where there is one; bfloat16 where the processor multiplies it natively.

    Raises:
        UserError: ``device="cuda"`` on a machine without CUDA.
    """
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: torch sees no CUDA device here; use --device cpu, or install with TORCH=cuda")
    if dtype == "auto":
        dtype = "bfloat16" if device == "cuda" or _cpu_multiplies_bfloat16() else "float32"
    return Placement(device, dtype)


def load_tokenizer(spec: str) -> Any:
    """The tokenizer alone; no weights are read (but the embedded model is converted on first use).

    Raises:
        UserError: nothing loadable is at ``spec``.
    """
    from transformers import AutoTokenizer

    return _from_pretrained(AutoTokenizer, spec)


def tokenizer_source(spec: str) -> tuple[str, dict[str, str]]:
    """The folder or hub id that transformers reads a model's tokenizer from, and the options for it."""
    if spec == EMBEDDED:
        return str(embedded_folder()), {}
    if is_gguf(spec):
        return str(Path(spec).parent), {"gguf_file": Path(spec).name}
    return spec, {}


def load_settings(spec: str) -> dict[str, Any]:
    """The model's configuration as transformers writes it; no weights are read.

    Raises:
        UserError: nothing loadable is at ``spec``.
    """
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CLASSES

    settings: dict[str, Any] = _from_pretrained(AutoConfig, spec).get_text_config().to_dict()
    if not settings.get("architectures"):  # a GGUF file names the type of the model alone
        settings["architectures"] = [CLASSES.get(settings["model_type"], settings["model_type"])]
    return settings


def load_model(spec: str, placement: Placement) -> Any:
    """The causal language model in evaluation mode on its device; out of a GGUF file, with dequantised weights.

    Raises:
        UserError: nothing loadable is at ``spec``.
    """
    from transformers import AutoModelForCausalLM

    return _weights(AutoModelForCausalLM, spec, placement)


def load_sequence_classifier(spec: str, placement: Placement) -> Any:
    """The sequence classification model in evaluation mode on its device.

    Raises:
        UserError: nothing loadable is at ``spec``.
    """
    from transformers import AutoModelForSequenceClassification

    return _weights(AutoModelForSequenceClassification, spec, placement)


def is_gguf(spec: str) -> bool:
    """Whether ``spec`` is the path of a GGUF file, to go by its name."""
    return spec.lower().endswith(".gguf") and not Path(spec).is_dir()


def model_id(spec: str) -> str:
    """What identifies the weights in caches and records: a name, or an absolute path and its date."""
    if spec == EMBEDDED:
        return f"{EMBEDDED_NAME} (dequantised)"
    folder = Path(spec)
    if is_gguf(spec) and folder.is_file():
        return f"{folder.resolve()}@{folder.stat().st_mtime_ns}"
    if folder.is_dir():
        newest = max((file.stat().st_mtime_ns for file in folder.iterdir() if file.is_file()), default=0)
        return f"{folder.resolve()}@{newest}"
    return spec


def model_names(spec: str) -> tuple[str, ...]:
    """The names by which an adapter may remember this model as its base: the last part of its path or hub id.

    Nothing is loaded or converted.
    """
    if spec == EMBEDDED:
        return (EMBEDDED_NAME,)
    path = Path(os.path.abspath(spec))  # "." has a name too; a link keeps its own
    # Of a GGUF file, transformers and PEFT know the folder only.
    return (path.name, path.parent.name) if is_gguf(spec) else (path.name,)


def check_model(spec: str) -> None:
    """Fail early and in one line where the model is not there."""
    if spec == EMBEDDED:
        check_installed()
        return
    _check_place(spec)
    if is_gguf(spec):
        _check_gguf(spec)
    elif not Path(spec).exists():
        _only_cached(spec)
    elif not (Path(spec) / "config.json").is_file():
        raise UserError(
            f"--model {spec}: no config.json there; give a folder saved by transformers, a .gguf file, or a hub id"
        )


def _only_cached(spec: str) -> bool:
    """Whether a model of the hub is to be read out of the hub's cache, since nobody answers.

    transformers finds that out by itself, in 40 s a file.

    Raises:
        UserError: nobody answers, and the cache does not have it.
    """
    from huggingface_hub import try_to_load_from_cache

    try:
        probe(spec, "model")
    except HubUnreachable as lost:
        if isinstance(try_to_load_from_cache(spec, "config.json"), str):
            return True
        raise UserError(
            f"--model {spec}: no such folder, and nothing of that name in the hub's cache; {lost}; {_ADVICE}"
        ) from lost
    except HubUnavailable:
        pass  # transformers says it in words of its own, after it looked for a folder too
    return False


def _check_gguf(spec: str) -> None:
    try:
        with Path(spec).open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"--model {spec}: cannot read this file ({reason}); give the path of a .gguf file") from error
    if magic != b"GGUF":
        raise UserError(f"--model {spec}: this is no GGUF file, to go by its first bytes; download or convert it again")


def _check_place(spec: str) -> None:
    try:
        check_place(spec)
    except UserError as error:
        shown = spec if spec.isprintable() and len(spec) <= 200 else ascii(spec[:60])
        raise UserError(f"--model {shown}: {error}") from error


def _weights(loader: Any, spec: str, placement: Placement) -> Any:
    import torch
    from transformers.utils.quantization_config import GgufConfig

    options: dict[str, Any] = {"dtype": getattr(torch, placement.dtype)}
    if is_gguf(spec):
        # Else it would count as quantised, and be refused by everything that trains or saves.
        options["quantization_config"] = GgufConfig(dequantize=True)
    else:
        options["use_safetensors"] = True  # pickled weights are never read
    model, found = _from_pretrained(loader, spec, **options, output_loading_info=True)
    if missing := sorted(found["missing_keys"]):  # transformers makes them up, at random
        raise UserError(
            f"--model {spec}: has no values for {len(missing)} of its weights ({missing[0]} first); "
            "download or save it again"
        )
    return model.to(placement.device).eval()


def _from_pretrained(loader: Any, spec: str, **options: Any) -> Any:
    from safetensors import SafetensorError
    from transformers.utils import logging

    if spec != EMBEDDED:
        _check_place(spec)
    logging.disable_progress_bar()  # loading takes a second or two; the door has bars of its own
    advice = _ADVICE
    unreadable: tuple[type[Exception], ...] = (OSError, ValueError, SafetensorError)
    if is_gguf(spec):
        _check_gguf(spec)
        advice = "give a whole GGUF file, of an architecture that transformers reads"
        unreadable += (struct.error, LookupError)  # a file cut short
    location, file = tokenizer_source(spec)
    weights, cached = "use_safetensors" in options, not Path(location).exists() and _only_cached(spec)
    if cached:
        options |= {"local_files_only": True}
        if weights:
            options |= {"adapter_kwargs": {"local_files_only": True}}  # which is looked for apart
    try:
        if not file:
            check_page(location, weights=weights, cached=cached)
        # Said in so many words, since transformers would else ask at the terminal.
        return loader.from_pretrained(location, trust_remote_code=False, **options, **file)
    except UserError as error:
        raise UserError(f"--model {spec}: {error}") from error
    except unreadable as error:
        raise UserError(f"--model {spec}: {first_line(error)}; {advice}") from error


def _cpu_multiplies_bfloat16() -> bool:
    import torch

    # Absent from older torch, where float32 is the safe choice.
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
