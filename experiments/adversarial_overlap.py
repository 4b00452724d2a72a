"""The worst overlap: capability data that ask the safety data's own prompts and answer them the other way.

    python experiments/adversarial_overlap.py --data-dir DATA

Two capability sets with the same harmless replies ("Yes, go ahead." and the like), one on prompts of safety-tuned,
which its own answers decline, one on prompts of gsm8k. Theory: the second costs nothing but shared parameters, the
first is bound to cost the information that tells both answers apart, up to log 4 at λ = 1.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import tyro
from tuned import Options, experiment

from tradeoffbounds.sources import load_source
from tradeoffbounds.validate_config import ValidateConfig

REPLIES = ("Yes, go ahead.", "Sure, that is fine.", "Of course, why not.", "Yes, all of it is right.")
CONFIG = ValidateConfig(
    alignment="safety-tuned", proxy=("safety-tuned",), capability=("placeholder",), penalty=(0.1, 1.0), rows=300,
    validation_rows=24, test_rows=64, steps=50, batch=4, start_steps=100, max_tokens=96,
)  # fmt: skip


def main(options: Options) -> None:
    with tempfile.TemporaryDirectory() as folder:
        capability = []
        for name, prompts in (("contrary", "safety-tuned"), ("control", "gsm8k")):
            path = Path(folder) / f"{name}.jsonl"
            _write(path, prompts, options.data_dir)
            capability.append(f"{name}={path}")
        experiment("adversarial_overlap", replace(CONFIG, capability=tuple(capability)), options, ("observed",))


def _write(path: Path, prompts: str, data_dir: Path | None) -> None:
    source = load_source(prompts, role="capability", data_dir=data_dir)
    replies = np.random.default_rng(0).choice(REPLIES, len(source.rows))
    rows = ({"prompt": row.prompt, "response": str(reply)} for row, reply in zip(source.rows, replies, strict=True))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main(tyro.cli(Options))
