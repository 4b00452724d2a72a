"""Do supervised and preference fine-tuning cost the same safety for the same gain?

    python experiments/sft_against_dpo.py --data-dir DATA

Teacher mode, where pairs come for free: the pirate's answer is preferred to the safety officer's. LoRA, unconstrained
and with a penalty; for DPO also theory section 5: expectation, quantiles and supremum of log π_ref/π on safety rows.
"""

from __future__ import annotations

from dataclasses import replace

import tyro
from teacher_mode import CONFIG, PIRATE
from tuned import Options, experiment

if __name__ == "__main__":
    config = replace(CONFIG, capability=(PIRATE,), peft=("lora",), objective=("sft", "dpo"), penalty=(0.1, 1.0))
    experiment("sft_against_dpo", config, tyro.cli(Options), ("observed", "tuned_methods"))
