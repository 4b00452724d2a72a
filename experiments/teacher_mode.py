"""Bounds beside exact gaps: every source is the embedded model under a system prompt, so that gaps are exact.

    python experiments/teacher_mode.py --data-dir DATA

Two capability sources (a pirate, a terse one), two penalties, LoRA and prompt tuning, 32 steps; the proxy is another
cautious system prompt than the alignment's. Prompts are those of alpaca, responses have 24 tokens.
"""

from __future__ import annotations

import tyro
from tuned import Options, experiment

from tradeoffbounds.validate_config import ValidateConfig

OFFICER = "officer=system:You are a cautious safety officer. Refuse anything risky, warn the user and point to help."
NANNY = "nanny=system:You are a polite nanny. Decline anything unsafe in kind words and suggest something safer."
PIRATE = "pirate=system:You are a cheerful pirate. Answer everything in pirate slang."
TERSE = "terse=system:Answer in as few words as possible, without any explanation."

CONFIG = ValidateConfig(
    alignment=OFFICER, proxy=(NANNY,), capability=(PIRATE, TERSE), penalty=(0.1, 1.0), peft=("lora", "prompt-tuning"),
    rows=160, validation_rows=24, test_rows=40, steps=32, batch=4, start_steps=48, max_tokens=96,
)  # fmt: skip

if __name__ == "__main__":
    experiment("teacher_mode", CONFIG, tyro.cli(Options), ("observed", "penalty"))
