"""Do adapters preserve safety and prompts degrade it, as arXiv:2511.00382 observed, when they are really trained?

    python experiments/tuned_methods.py --data-dir DATA

Dataset mode on the embedded model: alignment and proxy are safety-tuned, capability gsm8k; LoRA, IA3, prompt tuning and
P-tuning, each with its own learning rate, unconstrained and with λ = 0.5.
"""

from __future__ import annotations

import tyro
from tuned import Options, experiment

from tradeoffbounds.validate_config import ValidateConfig

CONFIG = ValidateConfig(
    alignment="safety-tuned", proxy=("safety-tuned",), capability=("gsm8k",), penalty=(0.5,),
    peft=("lora", "ia3", "prompt-tuning", "p-tuning"), rows=300, validation_rows=24, test_rows=64, steps=50, batch=4,
    start_steps=100, max_tokens=96,
)  # fmt: skip

if __name__ == "__main__":
    experiment("tuned_methods", CONFIG, tyro.cli(Options), ("observed", "tuned_methods"))
