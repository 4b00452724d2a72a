"""How much safety does each proxy keep, for every λ? The paper's first figure, with predictions beside it.

    python experiments/proxies_and_penalties.py --data-dir DATA

Dataset mode on the embedded model: alignment safety-tuned, capability alpaca, LoRA; the proxies are the alignment data
itself, alpaca-gpt4 and gsm8k, from like to unlike; λ from 0.1 to 0.9.
"""

from __future__ import annotations

import tyro
from tuned import Options, experiment

from tradeoffbounds.validate_config import ValidateConfig

CONFIG = ValidateConfig(
    alignment="safety-tuned", proxy=("safety-tuned", "alpaca-gpt4", "gsm8k"), capability=("alpaca",),
    penalty=(0.1, 0.3, 0.5, 0.7, 0.9), rows=300, validation_rows=24, test_rows=64, steps=50, batch=4, start_steps=100,
    max_tokens=96,
)  # fmt: skip

if __name__ == "__main__":
    experiment("proxies_and_penalties", CONFIG, tyro.cli(Options), ("observed", "penalty"))
