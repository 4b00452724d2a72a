"""Case II over ε: what Theorem 3 and the predicted drift say, and what projected fine-tunes did.

    python experiments/ball_sizes.py --data-dir DATA

Dataset mode on the embedded model: alignment and proxy are safety-tuned, capability gsm8k, LoRA within six radii.
Rows are cut at 80 tokens, which is what the constants are computed on.
"""

from __future__ import annotations

import tyro
from tuned import Options, experiment

from tradeoffbounds.validate_config import ValidateConfig

CONFIG = ValidateConfig(
    alignment="safety-tuned", proxy=("safety-tuned",), capability=("gsm8k",), penalty=(),
    radius=(0.01, 0.03, 0.1, 0.3, 1.0, 3.0), rows=300, validation_rows=24, test_rows=64, steps=50, batch=4,
    start_steps=100, max_tokens=80,
)  # fmt: skip

if __name__ == "__main__":
    experiment("ball_sizes", CONFIG, tyro.cli(Options), ("observed", "ball"))
