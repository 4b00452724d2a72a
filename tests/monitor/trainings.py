"""Anybody's own trainings, as small as they come, with and without the monitor."""

from __future__ import annotations

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, Trainer, TrainerCallback, TrainingArguments
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from tradeoffbounds.finetune.gaps import row_losses
from tradeoffbounds.finetune.rows import Text, collate, sft_rows, texts_of
from tradeoffbounds.models.adapter_config import preset
from tradeoffbounds.models.fresh_adapter import attach_fresh, peft_config
from tradeoffbounds.models.load import load_tokenizer
from tradeoffbounds.sources import Row, Source

#: What transformers calls it; older ones know the second name alone.
CHECKPOINTING = next(
    name for name in ("activation_checkpointing", "gradient_checkpointing") if hasattr(TrainingArguments, name)
)
SYSTEM = "You are a helpful assistant."
SAFETY = [(f"what is the code of door {k}?", f"I would rather not say, {'no, ' * (k % 3)}sorry") for k in range(6)]
LEARNED = [(f"name river {k}", f"the river {k} is {'very ' * (k % 4)}long") for k in range(10)]
PEFT_METHODS = ("lora", "ia3", "prompt-tuning", "p-tuning")


class Seen(TrainerCallback):
    """In the place of TensorBoard or W&B: keeps what is reported, by step."""

    def __init__(self):
        self.logs = []

    def on_log(self, args, state, control, logs, **kwargs):
        self.logs.append({**logs, "step": state.global_step})

    def of(self, name):
        return {each["step"]: each[name] for each in self.logs if name in each}


def arguments(folder, **changed):
    """Options that all trainers take."""
    return {
        "output_dir": str(folder), "max_steps": 4, "per_device_train_batch_size": 4, "learning_rate": 3e-3,
        "use_cpu": True, "bf16": False, "logging_steps": 2, "save_strategy": "no", "report_to": [], "seed": 3,
        "disable_tqdm": True, "dataloader_pin_memory": False,
    } | changed  # fmt: skip


def own_model(start, method="lora"):
    """The tiny model under a method, dropout in it."""
    model = AutoModelForCausalLM.from_pretrained(start)
    return model if method == "full" else attach_fresh(model, preset(method, 32), seed=1)


def texts(start, pairs, max_tokens=256):
    """Rows as token ids."""
    source = Source.from_rows("rows", "local", [Row(*pair) for pair in pairs])
    return texts_of(load_tokenizer(start), source, system_prompt=SYSTEM, max_tokens=max_tokens)


def plain_trainer(start, folder, method="lora", seen=None, model=None, **changed):
    """transformers' own Trainer."""
    return Trainer(
        own_model(start, method) if model is None else model,
        args=TrainingArguments(**arguments(folder, remove_unused_columns=False, **changed)),
        data_collator=collate, train_dataset=sft_rows(texts(start, LEARNED)), processing_class=load_tokenizer(start),
        callbacks=[] if seen is None else [seen],
    )  # fmt: skip


def sft_trainer(start, folder, seen, method="lora", **changed):
    """TRL's, which makes the adapter itself."""
    rows = [
        {"prompt": [{"role": "user", "content": prompt}], "completion": [{"role": "assistant", "content": response}]}
        for prompt, response in LEARNED
    ]
    return SFTTrainer(
        start, args=SFTConfig(**arguments(folder, **{CHECKPOINTING: False}, **changed)),
        train_dataset=Dataset.from_list(rows), callbacks=[seen],
        peft_config=None if method == "full" else peft_config(preset(method, 32)),
    )  # fmt: skip


def dpo_trainer(start, folder, seen, method="lora", **changed):
    """TRL's."""
    rows = [
        {"prompt": [{"role": "user", "content": prompt}],
         "chosen": [{"role": "assistant", "content": response}],
         "rejected": [{"role": "assistant", "content": f"no, {prompt}"}]}
        for prompt, response in LEARNED
    ]  # fmt: skip
    return DPOTrainer(
        start, args=DPOConfig(**arguments(folder, **{CHECKPOINTING: False}, **changed)),
        train_dataset=Dataset.from_list(rows), callbacks=[seen],
        peft_config=None if method == "full" else peft_config(preset(method, 32)),
    )  # fmt: skip


def losses(model, start, pairs):
    """-log P of each row, one by one and unpadded where the model is no prompt method, in evaluation mode."""
    rows: tuple[Text, ...] = texts(start, pairs)
    return row_losses(model.eval(), rows)


def weights(model):
    """A copy of everything that is trained."""
    return {name: each.detach().clone() for name, each in model.named_parameters() if each.requires_grad}


def same(found, expected):
    """Whether two such copies agree bit for bit."""
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)
