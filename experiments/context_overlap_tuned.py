"""Does the capability set that shares prompts with the safety data cost more? Real fine-tunes beside the prediction.

    python experiments/context_overlap_tuned.py --data-dir DATA

Dataset mode on the embedded model: alignment and proxy are safety-tuned, capability gsm8k and alpaca, whose prompts
overlap with safety prompts hardly and often (experiments/context_overlap.py says so before any training); LoRA, three
penalties. `--more` adds code-gpt4 and alpaca-gpt4 and the paper's five penalties: a sweep for an accelerator.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import tyro
from tuned import Options, experiment

from tradeoffbounds.validate_config import ValidateConfig

CONFIG = ValidateConfig(
    alignment="safety-tuned", proxy=("safety-tuned",), capability=("gsm8k", "alpaca"), penalty=(0.1, 0.5, 1.0),
    rows=300, validation_rows=24, test_rows=64, steps=50, batch=4, start_steps=100, max_tokens=96,
)  # fmt: skip
MORE = replace(
    CONFIG, capability=("code-gpt4", "gsm8k", "alpaca", "alpaca-gpt4"), penalty=(0.1, 0.3, 0.5, 0.7, 0.9), rows=1000,
    test_rows=200, validation_rows=100, steps=400, batch=8, start_steps=600, max_tokens=256,
)  # fmt: skip


@dataclass(frozen=True)
class OverlapOptions(Options):
    more: bool = False


if __name__ == "__main__":
    options = tyro.cli(OverlapOptions)
    experiment("context_overlap_tuned", MORE if options.more else CONFIG, options, ("observed", "penalty"))
