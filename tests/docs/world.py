"""The folder that the manual's commands run in: every file that they name, tiny and made up.

What a reader has and the tests have not, or what takes minutes, is replaced, and nothing else:

- the embedded model: in its place in a cache of its own lies a Llama of random weights;
- registered data sets: in the folder of `TRADEOFFBOUNDS_DATA` there are forty made-up rows of each;
- the size of the work: options that say how many rows, steps or tokens are lowered when a configuration is made, so
  that commands and Python run as they are written; of several penalties, and of what a grid of `validate` varies, the
  first stays;
- the classifiers of Case I are fitted once for each set of penalties, and Case II, half a minute of compiling a call,
  is checked and not computed: tests/overlap and tests/estimate/test_case_two.py look at both;
- figures are not drawn: tests/report looks at them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ..audit.conftest import PROMPTS, bbq_rows
from ..estimate.records import CODE, SAFETY, write_rows
from ..tiny_models import save_model

_DATA = {
    "orca": (SAFETY, 1), "safety-tuned": (SAFETY, 1), "alpaca-gpt4": (SAFETY, 2), "alpaca": (SAFETY, 3),
    "commitpackft": (CODE, 4), "code-gpt4": (CODE, 4), "gsm8k": (CODE, 4),
}  # fmt: skip
_SWEEP = "{capability: code-gpt4, proxy: alpaca-gpt4, penalty: 1}\n"

#: Of each door's options, the most that the tests want.
_MOST: dict[str, dict[str, int]] = {
    "EstimateConfig": {"samples": 30, "max_tokens": 48, "penalty": 1},
    "ValidateConfig": {
        "rows": 20, "validation_rows": 4, "test_rows": 8, "steps": 2, "batch": 4, "start_steps": 2, "max_tokens": 48,
        "proxy": 1, "capability": 1, "penalty": 1, "radius": 1, "peft": 1, "seeds": 1,
    },
    "AuditConfig": {"samples": 36, "max_new_tokens": 4},
    "StudyConfig": {"samples": 36, "max_new_tokens": 4},
}  # fmt: skip
_INSTEAD = {
    "ValidateConfig": {"curvature": "off"},
    "StudyConfig": {"fairness": "none"},
}


def build(folder: Path) -> None:
    """Everything that the manual's commands name."""
    from tradeoffbounds.models.adapter_config import preset
    from tradeoffbounds.models.embedded import NAME
    from tradeoffbounds.models.fresh_adapter import attach_fresh
    from tradeoffbounds.models.load import Placement, load_model

    data = folder / "DATA"
    (data / "bbq").mkdir(parents=True)
    for source, (words, seed) in _DATA.items():
        write_rows(data / f"{source}.jsonl", words, seed)
    for own in ("my-data", "mydata"):
        write_rows(folder / f"{own}.jsonl", CODE, 4)
    write_rows(folder / "safety-rows.jsonl", SAFETY, 2)
    _write(folder / "preferences.jsonl", _preferences())
    asked = [{"category": category, "prompt": prompt} for category, prompt in PROMPTS]
    for path in (data / "advbench.jsonl", folder / "my-prompts.jsonl"):
        _write(path, asked)
    for dimension in _dimensions():
        _write(data / "bbq" / f"{dimension}.jsonl", bbq_rows(dimension))
    (folder / "grid.yaml").write_text(_SWEEP, "utf-8")
    save_model(folder / "my-model")
    save_model(folder / "cache" / "models" / NAME)
    tuned = attach_fresh(load_model(str(folder / "my-model"), Placement("cpu", "float32")), preset("lora", 32), seed=0)
    for own in ("my-adapter", "DIR"):
        tuned.save_pretrained(folder / own, save_embedding_layers=False)
        # It fits both the embedded model and my-model here, so it remembers neither as its base.
        config = folder / own / "adapter_config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | {"base_model_name_or_path": None}))


def replace_what_is_slow(patch: pytest.MonkeyPatch) -> None:
    """See the module."""
    from tradeoffbounds import audit_config, config, estimate, study_config, validate_config
    from tradeoffbounds.comparison import foretell
    from tradeoffbounds.finetune import pilot
    from tradeoffbounds.report import audit_figures, figures, study_figures, validate_figures

    for home in (config, validate_config, audit_config, study_config):
        for each, most in _MOST.items():
            if getattr(vars(home).get(each), "__module__", None) == home.__name__:
                options = vars(home)[each]
                patch.setattr(options, "__post_init__", _smaller(options, most, _INSTEAD.get(each, {})))
    fitted: dict[Any, Any] = {}

    def case_one(*parts: Any, **options: Any) -> Any:
        # Fitted to whatever asked first: numbers are looked at elsewhere.
        key = tuple(parts[3]), options["same_source"], options.get("likelihoods") is None
        if key not in fitted:
            fitted[key] = real(*parts, **options)
        return fitted[key]

    real = foretell.case_one
    patch.setattr(foretell, "case_one", case_one)
    patch.setattr("tradeoffbounds.overlap.case_one.case_one", case_one)
    patch.setattr(estimate, "_case_two", lambda *_: None)
    patch.setattr(pilot, "STEPS", 2)
    for home, drawing in (
        (figures, "draw_figures"), (validate_figures, "draw_validate_figures"), (audit_figures, "draw_audit_figures"),
        (study_figures, "draw_study_figures"),
    ):  # fmt: skip
        patch.setattr(home, drawing, lambda *_, **__: None)


def _smaller(options: Any, most: dict[str, int], instead: dict[str, Any]) -> Callable[[Any], None]:
    checked = options.__post_init__

    def made(self: Any) -> None:
        checked(self)
        for name, limit in most.items():
            value = getattr(self, name)
            object.__setattr__(self, name, value[:limit] if isinstance(value, tuple) else min(value, limit))
        for name, value in (instead | {"device": "cpu", "dtype": "float32"}).items():
            object.__setattr__(self, name, value)

    return made


def _dimensions() -> tuple[str, ...]:
    from tradeoffbounds.harm.bbq import DIMENSIONS

    return DIMENSIONS


def _preferences() -> list[dict[str, str]]:
    rng = np.random.default_rng(9)
    return [
        {"prompt": f"{i} {' '.join(rng.choice(SAFETY.split(), 5))}"}
        | {name: " ".join(rng.choice(words.split(), 6)) for name, words in (("chosen", CODE), ("rejected", SAFETY))}
        for i in range(40)
    ]


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
