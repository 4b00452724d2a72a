"""Folders as PEFT saves them, for tests of what is read and of what is refused."""

import json

import peft
import torch
from safetensors.torch import load_file, save_file

from tradeoffbounds.models.adapter_config import preset
from tradeoffbounds.models.fresh_adapter import peft_config
from tradeoffbounds.models.peft_folder import CONFIG, TENSORS, read_adapter
from tradeoffbounds.models.weights import model_settings

from .test_weights import tiny


def save(folder, config, *, family="Llama", **changes):
    """A folder as PEFT saves it, of an adapter that moved away from where it started."""
    settings = peft_config(config)
    for name, value in changes.items():
        setattr(settings, name, value)
    torch.manual_seed(0)
    adapted = peft.get_peft_model(tiny(family), settings)
    with torch.no_grad():
        for weight in adapted.parameters():
            if weight.requires_grad:
                weight += 0.2 * torch.randn_like(weight)
    adapted.eval().save_pretrained(folder, save_embedding_layers=False)
    return adapted


def save_changed(folder, method="lora", tensors=None, **changes):
    """A folder of PEFT's whose adapter_config.json was changed by hand."""
    save(folder, preset(method, 32))
    record = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(record | changes))
    if tensors is not None:
        save_file(tensors(load_file(folder / TENSORS)), folder / TENSORS)
    return folder


def read(folder, *, model="owner/tiny", base=None):
    return read_adapter(folder, model=model, settings=model_settings(base or tiny("Llama")))
