"""Adapters as folders of PEFT's own format: ``adapter_config.json`` and ``adapter_model.safetensors``.

What is read is exactly what our decoder computes. A setting passes where it has PEFT's default or only says how
the adapter was trained; any other one is refused, and so are those that a later PEFT may bring.
"""

from __future__ import annotations

import json
import math
import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tradeoffbounds.errors import UserError
from tradeoffbounds.models.adapter_config import LINEARS, AdapterConfig, Method
from tradeoffbounds.models.fresh_adapter import VIRTUAL_TOKENS, peft_config, tensor_shapes
from tradeoffbounds.models.load import EMBEDDED, model_names
from tradeoffbounds.models.prompt_init import VOCABULARY
from tradeoffbounds.refused_files import pickled_weights, why_refused
from tradeoffbounds.runs import atomic_folder

CONFIG = "adapter_config.json"
TENSORS = "adapter_model.safetensors"
_METHODS: dict[str, Method] = {"LORA": "lora", "IA3": "ia3", "PROMPT_TUNING": "prompt-tuning", "P_TUNING": "p-tuning"}

# Settings that are read below, or that have no say in what a trained adapter computes.
_FREE = {
    "auto_mapping", "base_model_name_or_path", "inference_mode", "peft_type", "peft_version", "revision", "task_type",
    "exclude_modules", "feedforward_modules", "init_ia3_weights", "target_modules",
    "eva_config", "init_lora_weights", "lora_alpha", "lora_dropout", "r", "runtime_config", "use_rslora",
    "encoder_dropout", "encoder_hidden_size", "encoder_num_layers", "encoder_reparameterization_type",
    "prompt_tuning_init", "prompt_tuning_init_text", "tokenizer_kwargs", "tokenizer_name_or_path",
    "num_attention_heads", "num_layers", "num_virtual_tokens", "token_dim",
}  # fmt: skip
# Most others (pissa, olora, corda, loftq, lora_ga) train against base weights that they change first.
_INITS = (True, False, None, "gaussian", "eva", "orthogonal")
_LINEAR = re.compile(r"\.layers\.\d+\.(?:self_attn|mlp)\.(\w+)\.(?:lora_[AB]\.weight|ia3_l)$")


def read_adapter(
    folder: Path, *, model: str, settings: Mapping[str, Any]
) -> tuple[AdapterConfig, dict[str, np.ndarray]]:
    """An adapter trained by PEFT and its tensors, float32, by the names they have in the folder.

    P-tuning comes as its virtual tokens, ``prompt_embeddings`` (virtual tokens, hidden): PEFT keeps no encoder.

    Args:
        folder: what PEFT's ``save_pretrained`` wrote.
        model: the ``--model`` that it is for; only its name is looked at.
        settings: that model's configuration as transformers writes it.

    Raises:
        UserError: the folder cannot be read, is for another model, or holds what our decoder does not compute.
    """
    record = _read_config(folder)
    tensors = _read_tensors(folder)
    try:
        config = _adapter_config(record, tensors)
        _check_fit(config, tensors, settings, record, model)
        _check_base(record, model)
    except UserError as error:
        raise UserError(f"adapter {folder}: {error}") from error
    return config, tensors


def load_adapter(model: Any, folder: Path) -> Any:
    """PEFT's own model around ``model`` with the adapter of a folder, in evaluation mode.

    Raises:
        UserError: there are no safetensors in the folder. PEFT would take pickles then, or ask the hub for them.
    """
    from peft import PeftModel

    _check_tensors(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PEFT's use of transformers is not the caller's
        return PeftModel.from_pretrained(model, str(folder)).eval()


def write_adapter(folder: Path, config: AdapterConfig, tensors: Mapping[str, Any], *, model: str) -> None:
    """Write a folder that PEFT's ``from_pretrained`` and :func:`read_adapter` take.

    Args:
        folder: new, or empty.
        config: P-tuning's encoder is not written: its tensors are the virtual tokens, ``prompt_embeddings``; nor is
            how virtual tokens started.
        tensors: by the names of PEFT; written as float32.
        model: the ``--model`` that the adapter was trained on.

    Raises:
        UserError: there is something at ``folder`` already.
        ValueError: virtual tokens by another name.
    """
    from safetensors.numpy import save_file

    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UserError(f"adapter {folder}: something is there already; remove it, or choose another folder")
    if config.virtual_tokens and set(tensors) != {VIRTUAL_TOKENS}:
        raise ValueError(f"{config.method} is written as {VIRTUAL_TOKENS} alone, not as {sorted(tensors)}")
    record = peft_config(replace(config, prompt_init=VOCABULARY))
    if model == EMBEDDED:
        record.base_model_name_or_path = model_names(model)[0]  # the same on every machine
    else:
        record.base_model_name_or_path = os.path.abspath(model) if Path(model).exists() else model
    record.inference_mode = True
    for field in ("target_modules", "feedforward_modules"):
        if getattr(record, field, None) is not None:  # PEFT keeps sets, whose order differs from run to run
            setattr(record, field, sorted(getattr(record, field)))
    with atomic_folder(folder) as temporary:
        record.save_pretrained(str(temporary))
        arrays = {name: np.ascontiguousarray(tensor, dtype=np.float32) for name, tensor in tensors.items()}
        save_file(arrays, temporary / TENSORS, metadata={"format": "pt"})
        temporary.chmod(0o755)  # temporary folders are made for the owner alone


def _read_config(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise UserError(f"adapter {folder}: {why_refused(folder.name) or 'no such folder'}; give one that PEFT saved")
    if not (folder / CONFIG).is_file():  # a pipe or a device would have no end
        raise UserError(f"adapter {folder}: no {CONFIG} there; give a folder that PEFT saved")
    try:
        record = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"adapter {folder}: cannot read {CONFIG}: {error}; save the adapter again") from error
    if not isinstance(record, dict):
        raise UserError(f"adapter {folder}: {CONFIG} holds no JSON object; save the adapter again")
    return record


def _read_tensors(folder: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file  # numpy has no bfloat16

    _check_tensors(folder)
    try:
        loaded = load_file(folder / TENSORS)
    except (OSError, SafetensorError) as error:
        raise UserError(f"adapter {folder}: cannot read {TENSORS}: {error}; save the adapter again") from error
    tensors = {}
    for name, tensor in loaded.items():
        if not tensor.is_floating_point():
            raise UserError(f"adapter {folder}: {name} holds {tensor.dtype}, expected floating-point numbers")
        tensors[name] = np.array(tensor.float().numpy())  # of its own: the file may be mapped
        if not np.isfinite(tensors[name]).all():
            raise UserError(f"adapter {folder}: {name} has NaN or infinite values; the training that made it diverged")
    return tensors


def _check_tensors(folder: Path) -> None:
    if not (folder / TENSORS).is_file():
        if (pickled := pickled_weights(folder)) is not None:
            raise UserError(
                f"adapter {folder}: {pickled} is pickled, and pickles are never read; save the adapter again "
                "with safe_serialization=True"
            )
        raise UserError(f"adapter {folder}: no {TENSORS} there; give a folder that PEFT saved")


def _adapter_config(record: dict[str, Any], tensors: Mapping[str, np.ndarray]) -> AdapterConfig:
    method = _METHODS.get(str(record.get("peft_type")))
    if method is None:
        raise UserError(f"peft_type {_show(record.get('peft_type'))} is not supported; expected {', '.join(_METHODS)}")
    if record.get("task_type") not in (None, "CAUSAL_LM"):
        raise UserError(f"task_type {_show(record['task_type'])} is not supported; expected CAUSAL_LM")
    _check_settings(record, method)
    if method in ("prompt-tuning", "p-tuning"):
        return AdapterConfig(method, virtual_tokens=_positive(record, "num_virtual_tokens", int))

    listed = _last_parts(record.get("target_modules"))
    if unsupported := sorted(listed - set(LINEARS)):
        raise UserError(f"it adapts {', '.join(unsupported)}; supported are {', '.join(LINEARS)}")
    if record.get("exclude_modules"):
        listed = set()
    found = listed | {match[1] for name in tensors if (match := _LINEAR.search(name))}
    targets = tuple(target for target in LINEARS if target in found)
    if not targets:
        raise UserError(f"{TENSORS} adapts no linear layer of a decoder; supported are {', '.join(LINEARS)}")
    if method == "lora":
        rank, alpha = _positive(record, "r", int), _positive(record, "lora_alpha", float)
        scale = alpha / math.sqrt(rank) if record.get("use_rslora") else alpha / rank
        return AdapterConfig("lora", targets=targets, rank=rank, alpha=alpha, scale=scale)
    scaling_inputs = _last_parts(record.get("feedforward_modules"))
    if not scaling_inputs:  # nothing or a pattern is there, but only those vectors are rows
        rows = (name for name, tensor in tensors.items() if tensor.ndim == 2 and len(tensor) == 1)
        scaling_inputs = {match[1] for name in rows if (match := _LINEAR.search(name))}
    return AdapterConfig("ia3", targets=targets, feedforward=tuple(t for t in targets if t in scaling_inputs))


def _check_settings(record: dict[str, Any], method: Method) -> None:
    from peft import IA3Config, LoraConfig, PromptEncoderConfig, PromptTuningConfig

    if method == "lora" and record.get("init_lora_weights") not in _INITS:
        init = _show(record["init_lora_weights"])
        raise UserError(
            f"init_lora_weights {init} is not supported: it may change the base weights; convert the adapter to LoRA "
            "(path_initial_model_for_weight_conversion of PEFT's save_pretrained)"
        )
    classes = {
        "lora": LoraConfig,
        "ia3": IA3Config,
        "prompt-tuning": PromptTuningConfig,
        "p-tuning": PromptEncoderConfig,
    }
    defaults = vars(classes[method]())
    for key, value in record.items():
        neutral = value is None or value is False or value in ("", [], {}) or value == defaults.get(key)
        one_decoder = key == "num_transformer_submodules" and value == 1
        if not (key in _FREE or neutral or one_decoder):
            raise UserError(f"{key} {_show(value)} in {CONFIG} is not supported; train the adapter without it")


def _check_fit(
    config: AdapterConfig,
    tensors: Mapping[str, np.ndarray],
    settings: Mapping[str, Any],
    record: dict[str, Any],
    model: str,
) -> None:
    base = record.get("base_model_name_or_path")
    remedy = f"pass the --model it was trained on{f', {base}' if base else ''}"
    layers = settings["num_hidden_layers"]
    expected = tensor_shapes(config, settings)
    for name, shape in expected.items():
        if name not in tensors:
            raise UserError(
                f"{TENSORS} has no {name}, expected with shape {shape}: it adapts some layers only, which is not "
                f"supported, or another model than {model}; {remedy}"
            )
        if tensors[name].shape != shape:
            raise UserError(f"{name} has shape {tensors[name].shape}, expected {shape} for --model {model}; {remedy}")
    if more := sorted(tensors.keys() - expected.keys()):
        raise UserError(
            f"{more[0]} of shape {tensors[more[0]].shape} is not one of the {len(expected)} tensors expected for "
            f"--model {model} of {layers} layers; {remedy}"
        )
    if config.virtual_tokens and record.get("num_layers") not in (None, layers):
        raise UserError(f"it was trained on {record['num_layers']} layers, but --model {model} has {layers}; {remedy}")


def _check_base(record: dict[str, Any], model: str) -> None:
    base = str(record.get("base_model_name_or_path") or "")
    name = re.split(r"[/\\]", base.rstrip("/\\"))[-1].lower()
    if base != model and name and name not in (known.lower() for known in model_names(model)):
        raise UserError(
            f"it was trained on {base}, not on {model}; pass --model {base}, or correct base_model_name_or_path in "
            f"{CONFIG} if the weights are the same"
        )


def _last_parts(modules: Any) -> set[str]:
    # A string is a pattern, or "all-linear": then the tensors tell.
    return {str(module).rpartition(".")[2] for module in modules} if isinstance(modules, list) else set()


def _positive(record: dict[str, Any], key: str, kind: type[int] | type[float]) -> Any:
    value = record.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, kind)) or not 0 < value < math.inf:
        raise UserError(f"{key} {_show(value)} in {CONFIG}; expected a positive {kind.__name__}")
    return kind(value)


def _show(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
