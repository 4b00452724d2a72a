"""Options of the doors, as dataclasses: the same for the command line and for Python."""

from __future__ import annotations

import math
import os
import types
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import tyro

from tradeoffbounds.errors import UserError
from tradeoffbounds.models.adapter_config import METHODS, Method
from tradeoffbounds.models.prompt_init import CONCERNED, VOCABULARY, check_prompt_init

#: A source may be the model itself under a system prompt: ``system:You are a careful assistant.``
TEACHER_PREFIX = "system:"
_MIN_SAMPLES = 20
#: Beyond these, double precision no longer tells one side's losses from each other.
_PENALTIES = (1e-9, 1e9)
#: scikit-learn's limit is 2**32 - 1, and some steps add a little to the seed.
_MAX_SEED = 2**31 - 1


@dataclass(frozen=True)
class EstimateConfig:
    """What may this fine-tune cost? Bounds and predictions before any training, for both cases.

    Case I: a penalty lambda on the loss on proxy safety data. Case II: the adapter stays within a radius of its
    starting point; its constants come from gradients and Hessian-vector products of the adapter's loss.

    Three sources are compared: alignment (D, mu), the original safety data; proxy (D^, mu^), the safety
    data at hand; capability (D_f, mu_f), the fine-tuning data. A source is a registered name (alpaca,
    alpaca-gpt4, code-gpt4, commitpackft, dolly, gsm8k, orca, safety-tuned, ultrachat-200k,
    ultrafeedback-binarized), bundled:NAME, a file (.jsonl, .json, .csv, .parquet), a hub id, or
    "system:TEXT": the model itself under that system prompt, whose likelihoods are exact.

    Examples:
        python -m tradeoffbounds.estimate --proxy alpaca-gpt4
        python -m tradeoffbounds.estimate --alignment safety-tuned --proxy safety-tuned
            --capability mydata.jsonl --data-dir DATA --penalty 0.1 1 10
        python -m tradeoffbounds.estimate --proxy alpaca --max-safety-gap 0.5 --advise
        python -m tradeoffbounds.estimate --peft lora ia3 prompt-tuning p-tuning --radius 0.03 0.1
    """

    model: str = "embedded"
    """The model to fine-tune: `embedded` (SmolLM2-135M-Instruct), a folder, a .gguf file or a hub id."""
    alignment: str = "orca"
    """The original safety data, or what is left of it."""
    proxy: str = "alpaca-gpt4"
    """Safety data that will be mixed into the fine-tune with weight lambda."""
    capability: str = "commitpackft"
    """The fine-tuning data."""
    penalty: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
    """The penalties lambda on the proxy loss, each > 0."""
    curvature: Literal["off", "quick", "full"] = "quick"
    """Case II: `off`; `quick`: 8 rows a source, minutes on two cores; `full`: 64 rows and a wider search, hours
    on two cores, minutes on an accelerator."""
    peft: tuple[Method, ...] = ("lora",)
    """Adapter methods that Case II looks at, several side by side. `output-head` is the one with proved constants."""
    prompt_init: str = VOCABULARY
    """How the virtual tokens of prompt tuning start: `vocabulary`, embeddings of random tokens; `random`, N(0, 1);
    `text` and `safety-text`, embeddings of a neutral text's or a safety instruction's tokens; or `text:YOUR TEXT`."""
    adapter: Path | None = None
    """PEFT folder of the adapter that the fine-tune starts from, in the place of a fresh one."""
    radius: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3)
    """Radii of Case II around the adapter's start, each > 0: Euclidean norm over all trained numbers."""
    chunk: int = 4
    """Rows of Case II that are in memory at once."""
    layers: bool = False
    """Say which layers carry the predicted drift of the safety gap, and what freezing some of them would leave: one
    more product of the Hessian for every layer."""
    max_safety_gap: float | None = None
    """Ask the other way round: from which lambda on, and up to which radius, does the safety gap stay under this
    many nats a response?"""
    advise: bool = False
    """Say which method, penalty, radius and proxy the numbers speak for within --max-safety-gap, which it needs."""
    pilot: bool = False
    """Tune two adapters for 60 steps, on the alignment and on the proxy, for KL(mu|mu_hat) where classifiers saturate
    (more than eight minutes on two cores; shorter with a smaller --max-tokens)."""
    data_dir: Path | None = None
    """Folder searched first for NAME.jsonl (.json, .csv, .parquet); default: $TRADEOFFBOUNDS_DATA."""
    stand_in: bool = True
    """Use the bundled stand-in, with an announcement, where a data set is neither on disk nor on the hub."""
    samples: int = 400
    """Rows used of each source, drawn without replacement."""
    max_tokens: int = 256
    """Tokens of prompt and response that the model reads; longer texts are cut and counted."""
    system_prompt: str = "You are a helpful assistant."
    """System message of every rendered row ("" for none)."""
    views: Literal["auto", "fast", "full"] = "auto"
    """Views of the responses: `full` adds Fisher scores (three times the work); `auto`: only for system: sources."""
    teacher_prompts: str = "alpaca"
    """Where system: sources take their prompts from."""
    teacher_tokens: int = 24
    """Length of the responses that system: sources are sampled to."""
    confidence: float = 0.95
    """Level of intervals and certificates."""
    seed: int = 0
    """Seed of every random choice."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the model runs, in torch (Case I) and in JAX (Case II)."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """The model's number format; `auto`: bfloat16 where the hardware multiplies it natively (Case II on a CPU:
    float32)."""
    out: Path = Path("runs/estimate")
    """Folder of the results: estimate.json, report.html and figures/."""
    quiet: Annotated[bool, tyro.conf.arg(aliases=["-q"])] = False
    """No tables and no progress; warnings stay."""

    def __post_init__(self) -> None:
        """Check what can be checked without reading anything. Raises UserError."""
        check_types(self)
        object.__setattr__(self, "out", Path(self.out))
        if self.data_dir is not None:
            object.__setattr__(self, "data_dir", Path(self.data_dir))
        penalties = tuple(float(penalty) for penalty in self.penalty)
        if not penalties:
            raise UserError("--penalty needs at least one lambda > 0, e.g. --penalty 0.5 1")
        for penalty in penalties:
            if not (penalty > 0 and math.isfinite(penalty)):
                raise UserError(f"--penalty must be finite and > 0, got {penalty:g}")
            if not _PENALTIES[0] <= penalty <= _PENALTIES[1]:
                raise UserError(f"--penalty must be from {_PENALTIES[0]:g} to {_PENALTIES[1]:g}, got {penalty:g}")
        object.__setattr__(self, "penalty", tuple(sorted(set(penalties))))
        self._check_case_two()
        if self.samples < _MIN_SAMPLES:
            raise UserError(f"--samples must be at least {_MIN_SAMPLES}, got {self.samples}")
        if not 0.5 <= self.confidence < 1:
            raise UserError(f"--confidence must be in [0.5, 1), got {self.confidence}")
        if self.max_tokens < 16:
            raise UserError(f"--max-tokens must be at least 16, got {self.max_tokens}")
        if self.teacher_tokens < 1:
            raise UserError(f"--teacher-tokens must be at least 1, got {self.teacher_tokens}")
        if self.max_safety_gap is not None and not (self.max_safety_gap > 0 and math.isfinite(self.max_safety_gap)):
            raise UserError(f"--max-safety-gap must be finite and > 0 nats a response, got {self.max_safety_gap}")
        if self.advise and self.max_safety_gap is None:
            raise UserError("--advise needs a budget of safety gap, in nats a response: add e.g. --max-safety-gap 0.5")
        if not 0 <= self.seed <= _MAX_SEED:
            raise UserError(f"--seed must be between 0 and {_MAX_SEED}, got {self.seed}")
        teachers = [source.startswith(TEACHER_PREFIX) for source in self.sources.values()]
        if any(teachers) and not all(teachers):
            raise UserError(
                "either all of --alignment, --proxy and --capability are system: sources or none is: "
                "likelihoods are exact only where every source is a model"
            )
        if self.pilot and self.is_teacher:
            raise UserError("--pilot is for data sets: of system: sources the likelihoods are known")

    def _check_case_two(self) -> None:
        radii = tuple(float(radius) for radius in self.radius)
        if not radii:
            raise UserError("--radius needs at least one radius > 0, e.g. --radius 0.1 0.3")
        for radius in radii:
            if not (radius > 0 and math.isfinite(radius)):
                raise UserError(f"--radius must be finite and > 0, got {radius:g}")
        object.__setattr__(self, "radius", tuple(sorted(set(radii))))
        object.__setattr__(self, "peft", tuple(dict.fromkeys(self.peft)))
        if not self.peft:
            raise UserError(f"--peft needs at least one of {', '.join(METHODS)}")
        unknown = [method for method in self.peft if method not in METHODS]
        if unknown:
            raise UserError(f"--peft knows {', '.join(METHODS)}; got {unknown[0]}")
        try:
            check_prompt_init(self.prompt_init)
        except UserError as error:
            raise UserError(f"--prompt-init: {error}") from error
        if self.prompt_init != VOCABULARY and (self.adapter is not None or CONCERNED not in self.peft):
            raise UserError(
                f"--prompt-init {self.prompt_init} is for fresh virtual tokens of {CONCERNED}; add {CONCERNED} to "
                "--peft, without --adapter"
            )
        if self.chunk < 1:
            raise UserError(f"--chunk must be at least 1, got {self.chunk}")
        if self.layers and self.curvature == "off":
            raise UserError("--layers looks into Case II, which --curvature off leaves out: use --curvature quick")
        if self.adapter is not None:
            object.__setattr__(self, "adapter", Path(self.adapter))
            try:
                there = (self.adapter / "adapter_config.json").is_file()
            except OSError as error:  # a path too long for the file system
                raise UserError(f"--adapter: {error.strerror or error}; give a folder saved by PEFT") from error
            if not there:
                raise UserError(f"--adapter {self.adapter}: no adapter_config.json there; give a folder saved by PEFT")

    @property
    def sources(self) -> dict[str, str]:
        """Role -> what was asked for."""
        return {"alignment": self.alignment, "proxy": self.proxy, "capability": self.capability}

    @property
    def is_teacher(self) -> bool:
        """Whether the sources are the model itself under three system prompts."""
        return self.proxy.startswith(TEACHER_PREFIX)


def check_types(config: Any) -> None:
    """Refuse options whose values are not of their kind, which Python lets pass and the command line does not.

    Args:
        config: a dataclass of options.

    Raises:
        UserError: one is of another kind, a number beyond all floats, or text that no file can hold.
    """
    kinds = get_type_hints(type(config))
    for field in fields(config):
        value, kind = getattr(config, field.name), kinds[field.name]
        if not _fits(value, kind):
            option = f"--{field.name.replace('_', '-')}"
            shown = repr(value)
            raise UserError(f"{option}: {shown if len(shown) <= 60 else shown[:57] + '...'} is not {_named(kind)}")


def _fits(value: Any, kind: Any) -> bool:
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return any(_fits(value, each) for each in parts)
    if origin is Literal:
        return isinstance(value, str) and value in parts
    if origin is tuple:
        # Which words a list may hold is the options' own to say: they name the one that is wrong.
        kind = str if get_origin(parts[0]) is Literal else parts[0]
        return isinstance(value, tuple | list) and all(_fits(each, kind) for each in value)
    if kind in (str, Path):
        text = isinstance(value, str) or (kind is Path and isinstance(value, Path))
        # A path may hold bytes that are not UTF-8, if a folder can; text is read by tokenizers.
        return text and "\0" not in str(value) and (_is_file_name(value) if kind is Path else _is_unicode(value))
    if kind in (int, float):
        whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
        return whole or (kind is float and isinstance(value, float))
    return isinstance(value, kind)


def _is_file_name(path: Any) -> bool:
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return True


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _named(kind: Any) -> str:
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return " or ".join(map(_named, parts))
    if origin is Literal:
        return f"one of {', '.join(parts)}"
    if origin is tuple:
        return f"a tuple, each of it {_named(parts[0])}"
    words = {
        str: "text (UTF-8, without NUL)", Path: "a path that a file can have", int: "a whole number below 2**63",
        float: "a number",
    }  # fmt: skip
    return words.get(kind, "None" if kind is types.NoneType else "true or false")
