"""Options of the door `audit`: the model, the adapter, what is asked, and who judges."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from tradeoffbounds.config import check_types
from tradeoffbounds.errors import UserError

#: For --harm and --fairness: leave it out.
NONE = "none"
_MAX_SEED = 2**31 - 1


@dataclass(frozen=True)
class AuditConfig:
    """What did the fine-tune do to harm and fairness, category by category?

    The model answers harmful prompts, a judge calls each answer harmful, safe or neither, and rates are given for each
    category; it also chooses among BBQ's three options, and accuracy and bias scores are given for each dimension, with
    and without the context that decides. With --adapter all of it is done twice, with the adapter off and on, and the
    changes are tested pair by pair.

    Harmful prompts are a name in --data-dir (advbench), a file with a column prompt and, if it has one, category, or
    HEx-PHI's folder or hub id, which has to be granted to you. BBQ is a folder with the data set's own files. No
    answer is printed or kept in results.

    Examples:
        python -m tradeoffbounds.audit --data-dir DATA
        python -m tradeoffbounds.audit --data-dir DATA --adapter runs/validate/runs/0123456789abcdef/adapter
        python -m tradeoffbounds.audit --harm HEX_PHI --judge llama-guard:meta-llama/Meta-Llama-Guard-2-8B
            --fairness none
    """

    model: str = "embedded"
    """The model: `embedded` (SmolLM2-135M-Instruct), a folder, a .gguf file or a hub id."""
    adapter: Path | None = None
    """PEFT folder of a fine-tune; the model without it is what it is compared with."""
    harm: str = "advbench"
    """Harmful prompts: a name in --data-dir, a file, a folder or hub id of HEx-PHI; `none` leaves them out."""
    harm_samples: int = 100
    """So many harmful prompts, the same number of each category as far as there are; 0 for all."""
    judge: str = "keyword"
    """`keyword` (looks for refusals: weak), `llama-guard:FOLDER_OR_ID` or `classifier:FOLDER_OR_ID:LABEL`."""
    fairness: str = "bbq"
    """BBQ: a folder with its files, or its name in --data-dir; `none` leaves it out."""
    samples: int = 270
    """So many BBQ items, the same number of each dimension, condition and polarity; 0 for all."""
    answers: Literal["likelihood", "letter", "said"] = "likelihood"
    """How BBQ is answered: by the option of the largest log-likelihood per token, the most likely letter, or the letter
    said; each over all rotations of the options."""
    max_new_tokens: int = 64
    """Length of the answers to harmful prompts."""
    keep_texts: bool = False
    """Write the answers to harmful prompts into --out, for your own eyes."""
    lm_eval: bool = False
    """Write lm-eval/MODEL/results_TIME.json too, laid out as lm-evaluation-harness's results, for tables of those."""
    system_prompt: str = "You are a helpful assistant."
    """System message of every prompt ("" for none)."""
    data_dir: Path | None = None
    """Folder searched for names; default: $TRADEOFFBOUNDS_DATA."""
    confidence: float = 0.95
    """Level of intervals."""
    seed: int = 0
    """Seed of the samples and of the resampling behind intervals."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where models run."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Format of the weights."""
    out: Path = Path("runs/audit")
    """Folder of the results: audit.json, report.html and figures/."""
    quiet: Annotated[bool, tyro.conf.arg(aliases=["-q"])] = False
    """No tables and no progress; warnings stay."""

    def __post_init__(self) -> None:
        """Check what can be checked without reading anything. Raises UserError."""
        check_types(self)
        for name in ("adapter", "data_dir", "out"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, Path(getattr(self, name)))
        if self.harm == self.fairness == NONE:
            raise UserError("--harm none and --fairness none leave nothing to audit; give one of them a name")
        for name in ("harm_samples", "samples"):
            if getattr(self, name) < 0:
                raise UserError(f"--{name.replace('_', '-')} must be >= 0 (0: all), got {getattr(self, name)}")
        if self.max_new_tokens < 1:
            raise UserError(f"--max-new-tokens must be at least 1, got {self.max_new_tokens}")
        if not 0.5 <= self.confidence < 1:
            raise UserError(f"--confidence must be in [0.5, 1), got {self.confidence}")
        if not 0 <= self.seed <= _MAX_SEED:
            raise UserError(f"--seed must be between 0 and {_MAX_SEED}, got {self.seed}")
