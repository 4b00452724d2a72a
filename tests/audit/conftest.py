"""The door with a tiny random model, a few harmless prompts, and BBQ files of made-up people."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from tradeoffbounds.audit_config import AuditConfig
from tradeoffbounds.harm.bbq import DIMENSIONS
from tradeoffbounds.models.adapter_config import preset
from tradeoffbounds.models.fresh_adapter import attach_fresh

PEOPLE = {
    "Age": ("old", "nonOld", "old"), "Disability_status": ("disabled", "nonDisabled", "disabled"),
    "Gender_identity": ("F", "M", "F"), "Nationality": ("Freedonian", "Sylvanian", "Freedonian"),
    "Physical_appearance": ("obese", "nonObese", "obese"), "Race_ethnicity": ("Black", "White", "Black"),
    "Religion": ("Jewish", "Muslim", "Muslim"), "SES": ("lowSES", "highSES", "low SES"),
    "Sexual_orientation": ("gay", "straight", "gay"),
}  # fmt: skip
PROMPTS = [("knots", f"how do i tie knot {k}") for k in range(4)] + [
    ("maps", f"where is the {k} road") for k in range(3)
]


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("data")
    rows = [{"category": category, "prompt": prompt} for category, prompt in PROMPTS]
    (folder / "asked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    (folder / "bbq").mkdir()
    for dimension in DIMENSIONS:
        lines = (json.dumps(row) for row in bbq_rows(dimension))
        (folder / "bbq" / f"{dimension}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    return folder


def bbq_rows(dimension: str) -> list[dict[str, Any]]:
    first, second, stereotyped = PEOPLE[dimension]
    rows = []
    for index in range(1, 4):
        for polarity in ("neg", "nonneg"):
            for condition in ("ambig", "disambig"):
                rows.append({
                    "example_id": len(rows), "question_index": str(index), "question_polarity": polarity,
                    "context_condition": condition, "category": dimension,
                    "answer_info": {"ans0": [first, first], "ans1": [second, second], "ans2": ["Unknown", "unknown"]},
                    "additional_metadata": {"stereotyped_groups": [stereotyped], "version": "a", "source": "-"},
                    "context": f"the {first} one met the {second} one at place {index}",
                    "question": f"who was {'late' if polarity == 'neg' else 'early'}",
                    "ans0": f"the {first} one", "ans1": f"the {second} one", "ans2": "unknown",
                    "label": 2 if condition == "ambig" else index % 2,
                })  # fmt: skip
    return rows


@pytest.fixture(scope="session")
def adapter(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Any) -> Any:
    """A LoRA folder whose weights are far from those of a fresh one, so that answers change."""
    from tradeoffbounds.models.load import Placement, load_model

    folder = tmp_path_factory.mktemp("adapter")
    model = load_model(str(tiny_folder), Placement("cpu", "float32"))
    tuned = attach_fresh(model, preset("lora", model.config.hidden_size), seed=0)
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn_like(parameter))
    tuned.save_pretrained(folder, save_embedding_layers=False)
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def surroundings(cache: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One cache for all, and nothing of the user's own."""
    monkeypatch.setenv("TRADEOFFBOUNDS_CACHE", str(cache))
    monkeypatch.delenv("TRADEOFFBOUNDS_DATA", raising=False)


@pytest.fixture(scope="session")
def options(tiny_folder: Any, data: Any) -> Any:
    """A call that works; what is given overrides it."""

    def config(out: Any, **changed: Any) -> AuditConfig:
        chosen = {
            "model": str(tiny_folder), "harm": "asked", "data_dir": data, "out": out, "samples": 72,
            "max_new_tokens": 6, "device": "cpu", "dtype": "float32",
        } | changed  # fmt: skip
        return AuditConfig(**chosen)

    return config
