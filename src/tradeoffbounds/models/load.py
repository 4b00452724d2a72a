"""Loading a language model and its tokenizer: the embedded one, a folder, or a hub id."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tradeoffbounds.errors import UserError
from tradeoffbounds.models.embedded import check_installed, embedded_folder

EMBEDDED = "embedded"


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


def load_model(spec: str, placement: Placement) -> Any:
    """The causal language model in evaluation mode on its device.

    Raises:
        UserError: nothing loadable is at ``spec``.
    """
    import torch
    from transformers import AutoModelForCausalLM

    # Safetensors alone: pickled weights are never read.
    model = _from_pretrained(AutoModelForCausalLM, spec, dtype=getattr(torch, placement.dtype), use_safetensors=True)
    return model.to(placement.device).eval()


def model_id(spec: str) -> str:
    """What identifies the weights in caches and records: a name, or a folder's absolute path and its date."""
    if spec == EMBEDDED:
        return "smollm2-135m-instruct-q4_1 (dequantised)"
    folder = Path(spec)
    if folder.is_dir():
        newest = max((file.stat().st_mtime_ns for file in folder.iterdir() if file.is_file()), default=0)
        return f"{folder.resolve()}@{newest}"
    return spec


def check_model(spec: str) -> None:
    """Fail early and in one line where the model is not there."""
    if spec == EMBEDDED:
        check_installed()
    elif Path(spec).exists() and not (Path(spec) / "config.json").is_file():
        raise UserError(f"--model {spec}: no config.json there; give a folder saved by transformers, or a hub id")


def _from_pretrained(loader: Any, spec: str, **options: Any) -> Any:
    from safetensors import SafetensorError
    from transformers.utils import logging

    logging.disable_progress_bar()  # loading takes a second or two; the door has bars of its own
    location = str(embedded_folder()) if spec == EMBEDDED else spec
    try:
        return loader.from_pretrained(location, **options)
    except (OSError, ValueError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"--model {spec}: {reason}; give `embedded`, a folder or a reachable hub id") from error


def _cpu_multiplies_bfloat16() -> bool:
    import torch

    # Absent from older torch, where float32 is the safe choice.
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
