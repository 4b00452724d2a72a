"""One visit to torch: base weights, and every adapter's values before training, as numpy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tradeoffbounds.models.adapter_config import AdapterConfig, Method, preset
from tradeoffbounds.models.decoder_config import DecoderConfig
from tradeoffbounds.models.fresh_adapter import fresh_adapter
from tradeoffbounds.models.load import Placement, load_model, load_settings
from tradeoffbounds.models.peft_folder import read_adapter
from tradeoffbounds.models.prompt_init import VOCABULARY
from tradeoffbounds.models.weights import model_settings, read_weights

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class ImportedModel:
    """A model without torch.

    Attributes:
        state: base weights by transformers' names.
        adapters: their configurations and tensors by PEFT's names.
    """

    config: DecoderConfig
    state: Arrays
    adapters: list[tuple[AdapterConfig, Arrays]]


def check_import(spec: str, adapter: Path | None) -> None:
    """Read the configuration alone, and the adapter, which is small.

    Raises:
        UserError: an architecture that the decoder does not know, or an adapter that does not fit.
    """
    settings = load_settings(spec)
    DecoderConfig.from_transformers(settings)
    if adapter is not None:
        read_adapter(adapter, model=spec, settings=settings)


def import_model(
    spec: str, dtype: str, methods: Sequence[Method], *, adapter: Path | None = None, seed: int,
    prompt_init: str = VOCABULARY,
) -> ImportedModel:  # fmt: skip
    """Load the model on the CPU and take out its weights and the adapters to look at.

    Args:
        adapter: a PEFT folder, whose adapter then stands in the place of fresh ones.
        seed: of the fresh adapters' random values.
        prompt_init: how the virtual tokens of prompt tuning start.

    Raises:
        UserError: an architecture that the decoder does not know, or an adapter that does not fit.
    """
    model = load_model(spec, Placement("cpu", dtype))
    settings = model_settings(model)
    config = DecoderConfig.from_transformers(settings)
    if adapter is not None:
        adapters = [read_adapter(adapter, model=spec, settings=settings)]
    else:
        presets = [preset(method, config.hidden_size, prompt_init) for method in methods]
        adapters = [(each, _start(model, each, seed, spec)) for each in presets]
    return ImportedModel(config, read_weights(model), adapters)


def _start(model: Any, config: AdapterConfig, seed: int, spec: str) -> Arrays:
    # PEFT has no output head; ours starts at zero.
    return {} if config.method == "output-head" else fresh_adapter(model, config, seed, spec=spec)
