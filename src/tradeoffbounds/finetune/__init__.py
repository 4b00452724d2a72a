"""Fine-tuning on torch, transformers, PEFT and TRL: Case I, Case II or neither; and what it did to held-out rows."""
