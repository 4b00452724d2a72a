"""Options of the door `validate`: the sources, the start, the grid of fine-tunes, and how they are run."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import tyro

from tradeoffbounds.config import TEACHER_PREFIX, check_types
from tradeoffbounds.errors import UserError
from tradeoffbounds.grid import read_sweep
from tradeoffbounds.models.prompt_init import CONCERNED, VOCABULARY, check_prompt_init, short_prompt_init

Tuned = Literal["lora", "ia3", "prompt-tuning", "p-tuning", "full"]
TUNED: tuple[Tuned, ...] = get_args(Tuned)
Objective = Literal["sft", "dpo"]
#: Of each source to train on: with fewer, the classifiers of Case I have nothing to be fitted to and tried on.
FEWEST_ROWS = 10
#: Torch takes larger seeds, and some steps add a little to them.
_MAX_SEED = 2**31 - 1
#: Options of a sweep's file that are lists here, and those that are not, with what a value may be.
_TEXT, _WHOLE, _NUMBER = ("text", (str,)), ("a whole number", (int,)), ("a number or null", (int, float, type(None)))
_LISTED = {
    "proxy": _TEXT, "capability": _TEXT, "peft": _TEXT, "objective": _TEXT, "penalty": _NUMBER, "radius": _NUMBER,
    "seeds": _WHOLE, "prompt_init": _TEXT,
}  # fmt: skip
_SINGLE = {"steps": _WHOLE, "batch": _WHOLE, "learning_rate": _NUMBER}
#: Why a method has no initialisation to choose.
_NOT_CONCERNED = (
    f"only the virtual tokens of {CONCERNED} start from what one chooses (those of p-tuning come out of an encoder); "
    f"add {CONCERNED} to the methods, or leave it out"
)


@dataclass(frozen=True)
class ValidateConfig:
    """Are the bounds tight? Fine-tunes for real, measures both gaps, and puts every bound beside what was observed.

    The fine-tunes are a grid: every capability source, adapter method, objective and seed, unconstrained, with each
    penalty on each proxy (Case I) and within each radius (Case II). Each begins at one aligned start, made by SFT on
    the alignment source. A run is kept under the hash of its configuration: an interrupted sweep goes on with the
    same command, and no finished run is repeated.

    Sources are those of `estimate`; as NAME=SPEC they have a name of their own. Where all are "system:TEXT" (teacher
    mode) the gaps are exact KLs of next tokens; else (dataset mode) they are relative to a reference that is named.
    DPO takes preference pairs (columns prompt, chosen, rejected) as its capability source.

    Examples:
        python -m tradeoffbounds.validate --proxy alpaca-gpt4 --penalty 0.1 1
        python -m tradeoffbounds.validate --capability code-gpt4 alpaca --peft lora ia3 --radius 0.1 1
        python -m tradeoffbounds.validate --sweep grid.yaml --engine ray --address auto
    """

    model: str = "embedded"
    """The model to fine-tune: `embedded` (SmolLM2-135M-Instruct), a folder, a .gguf file or a hub id."""
    alignment: str = "orca"
    """The original safety data; the start is trained on it."""
    proxy: tuple[str, ...] = ("alpaca-gpt4",)
    """Safety data whose loss is weighted by the penalty; several are tried one by one."""
    capability: tuple[str, ...] = ("commitpackft",)
    """The fine-tuning data; several are tried one by one."""
    penalty: tuple[float, ...] = (0.1, 1.0)
    """The penalties lambda on the proxy loss, each > 0; none: `--penalty` without a value."""
    radius: tuple[float, ...] = ()
    """Radii around the start, each >= 0: Euclidean norm over all trained numbers."""
    peft: tuple[Tuned, ...] = ("lora",)
    """What is trained: an adapter, or `full`."""
    objective: tuple[Objective, ...] = ("sft",)
    """Supervised fine-tuning, preference optimisation, or both."""
    prompt_init: tuple[str, ...] = (VOCABULARY,)
    """How the virtual tokens of prompt tuning start, which other methods take no notice of: `vocabulary`, embeddings of
    random tokens; `random`, N(0, 1); `text` and `safety-text`, embeddings of a neutral text's or a safety instruction's
    tokens; or `text:YOUR TEXT`. Several are tried one by one."""
    seeds: tuple[int, ...] = (0,)
    """Seeds of the fine-tunes: initial values and order of the rows."""
    sweep: Path | None = None
    """YAML file with the grid: options capability, proxy, peft, prompt_init, objective, penalty, radius, seeds, steps,
    batch and learning_rate, each a value or a list; a list of such mappings is united. In the place of those here."""
    steps: int = 60
    """Steps of each fine-tune."""
    batch: int = 8
    """Rows of a step in each process, and as many of the proxy's with a penalty."""
    learning_rate: float | None = None
    """Default: the method's own."""
    beta: float = 0.1
    """DPO's beta."""
    start: Literal["sft", "none"] = "sft"
    """Aligned start: LoRA on the alignment source, merged, or the model as it is."""
    start_steps: int = 100
    """At most so many steps for the start and for the references; validation ends them earlier."""
    rows: int = 400
    """Rows of each source to train on, and for the predictions."""
    validation_rows: int = 48
    """Rows that decide when the start and the references stop."""
    test_rows: int = 96
    """Rows that gaps are measured on."""
    max_tokens: int = 128
    """Tokens of prompt and response; longer texts are cut and counted."""
    system_prompt: str = "You are a helpful assistant."
    """System message of every rendered row ("" for none)."""
    teacher_prompts: str = "alpaca"
    """Where system: sources take their prompts from."""
    teacher_tokens: int = 24
    """Length of the responses that system: sources are sampled to."""
    curvature: Literal["auto", "off", "quick", "full"] = "auto"
    """Case II's constants and the predicted cost of sharing; `auto`: quick where a radius is asked for."""
    data_dir: Path | None = None
    """Folder searched first for NAME.jsonl (.json, .csv, .parquet); default: $TRADEOFFBOUNDS_DATA."""
    stand_in: bool = True
    """Use the bundled stand-in, with an announcement, where a data set is neither on disk nor on the hub."""
    confidence: float = 0.95
    """Level of intervals and certificates."""
    seed: int = 0
    """Seed of the split into training and test rows, and of the predictions."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where models run."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Format of the frozen weights in training; gaps are measured in float32."""
    engine: Literal["local", "ray"] = "local"
    """`ray`: one task a run on a Ray cluster that shares --out and $TRADEOFFBOUNDS_CACHE."""
    address: str | None = None
    """Of the Ray cluster; `auto` for the one of this machine."""
    processes: int = 1
    """Processes of each training, started by accelerate: one for each GPU."""
    report_to: tuple[str, ...] = ()
    """Where fine-tunes report to while they run: transformers' own names, such as tensorboard or wandb, or `all`.
    TensorBoard's files are in --out/runs. A run that is finished is not repeated for it."""
    out: Path = Path("runs/validate")
    """Folder of the results: validate.json, report.html, figures/ and runs/."""
    quiet: Annotated[bool, tyro.conf.arg(aliases=["-q"])] = False
    """No tables and no progress; warnings stay."""

    def __post_init__(self) -> None:
        """Check what can be checked without reading anything. Raises UserError."""
        check_types(self)
        for name in ("out", "data_dir", "sweep"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, Path(getattr(self, name)))
        for name in ("proxy", "capability", "peft", "objective", "prompt_init", "seeds"):
            values = tuple(dict.fromkeys(getattr(self, name)))
            if not values:
                raise UserError(f"--{name.replace('_', '-')} needs at least one value")
            object.__setattr__(self, name, values)
        for name, known in (("peft", TUNED), ("objective", get_args(Objective))):
            if unknown := [value for value in getattr(self, name) if value not in known]:
                raise UserError(f"--{name} knows {', '.join(known)}; got {unknown[0]}")
        self._check_prompt_inits()
        for name, seeds in (("seeds", self.seeds), ("seed", (self.seed,))):
            for seed in seeds:
                if not 0 <= seed <= _MAX_SEED:
                    raise UserError(f"--{name} must be between 0 and {_MAX_SEED}, got {seed}")
        for name, least in (("penalty", "> 0"), ("radius", ">= 0")):
            values = tuple(sorted({float(value) for value in getattr(self, name)}))
            for value in values:
                if not math.isfinite(value) or value < 0 or (value == 0 and name == "penalty"):
                    raise UserError(f"--{name} must be finite and {least}, got {value:g}")
            object.__setattr__(self, name, values)
        for name in ("learning_rate", "beta"):
            if (value := getattr(self, name)) is not None:
                if not 0 < value < math.inf:
                    raise UserError(f"--{name.replace('_', '-')} must be finite and > 0, got {value:g}")
                object.__setattr__(self, name, float(value))
        counts = {"rows": FEWEST_ROWS, "test_rows": 2, "max_tokens": 16}  # of one test row there is no interval
        counts |= dict.fromkeys(("steps", "batch", "start_steps", "validation_rows", "teacher_tokens", "processes"), 1)
        for name, fewest in counts.items():
            if getattr(self, name) < fewest:
                raise UserError(f"--{name.replace('_', '-')} must be at least {fewest}, got {getattr(self, name)}")
        if not 0.5 <= self.confidence < 1:
            raise UserError(f"--confidence must be in [0.5, 1), got {self.confidence}")
        if self.address is not None and self.engine != "ray":
            raise UserError(f"--address {self.address} is that of a Ray cluster; give --engine ray with it")
        object.__setattr__(self, "report_to", tuple(dict.fromkeys(self.report_to)))
        if self.report_to and self.engine == "ray":
            raise UserError(
                f"--report-to {' '.join(self.report_to)} does not reach a Ray cluster's workers; set "
                f"TRADEOFFBOUNDS_REPORT_TO={','.join(self.report_to)} there instead"
            )
        for role in ("proxy", "capability"):
            names = [name_of(given)[0] for given in getattr(self, role)]
            if twice := [name for name in names if names.count(name) > 1]:
                raise UserError(f"--{role}: two sources are named {twice[0]}; give each a name of its own, NAME=SPEC")
        specs = [spec for _, spec in self.named.values()]
        teachers = [spec.startswith(TEACHER_PREFIX) for spec in specs]
        if any(teachers) and not all(teachers):
            raise UserError("either every source is a system: source or none is: gaps are exact only where all are")

    def _check_prompt_inits(self) -> None:
        for each in self.prompt_init:
            try:
                check_prompt_init(each)
            except UserError as error:
                raise UserError(f"--prompt-init: {error}") from error
        names = [short_prompt_init(each) for each in self.prompt_init]
        if twice := [name for name in names if names.count(name) > 1]:
            raise UserError(f"--prompt-init: two texts begin with {twice[0]}; tables could not tell them apart")
        # Of a sweep's file, its points say which method each is for.
        if self.sweep is None and CONCERNED not in self.peft and self.prompt_init != (VOCABULARY,):
            raise UserError(f"--prompt-init {self.prompt_init[0]}: {_NOT_CONCERNED}")

    @property
    def named(self) -> dict[str, tuple[str, str]]:
        """Label (``alignment``, ``proxy: NAME``, ``capability: NAME``) -> (name, what to load)."""
        found = {"alignment": name_of(self.alignment)}
        for role, specs in (("proxy", self.proxy), ("capability", self.capability)):
            found |= {f"{role}: {name}": (name, spec) for name, spec in map(name_of, specs)}
        return found

    @property
    def is_teacher(self) -> bool:
        """Whether the sources are the model itself under system prompts."""
        return name_of(self.alignment)[1].startswith(TEACHER_PREFIX)


def sweep_points(path: Path, config: ValidateConfig) -> list[ValidateConfig]:
    """The options with each point of a sweep's file in their place: one value of each that is a list, or none.

    Raises:
        UserError: the file is none (see `read_sweep`), or has an option or a value that cannot be.
    """
    left_out: dict[str, Any] = {name: getattr(config, name)[:1] for name in _LISTED} | {"penalty": (), "radius": ()}
    points = []
    listed = read_sweep(path)
    for options in listed:
        for name, value in options.items():
            if name not in _LISTED | _SINGLE:
                known = ", ".join((*_LISTED, *_SINGLE))
                raise UserError(f"{path}: unknown option {name!r}; expected one of {known}")
            expected, types = (_LISTED | _SINGLE)[name]
            if isinstance(value, bool) or not isinstance(value, types):
                raise UserError(f"{path}: option {name!r} has {value!r}; expected {expected}")
        chosen = {name: ((value,) if name in _LISTED else value) for name, value in options.items()}
        chosen |= {name: () for name in ("penalty", "radius") if options.get(name) is None}
        try:
            points.append(replace(config, **left_out | chosen))
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
    if any("prompt_init" in options for options in listed) and all(point.peft != (CONCERNED,) for point in points):
        raise UserError(f"{path}: option 'prompt_init': {_NOT_CONCERNED}")
    return points


def name_of(given: str) -> tuple[str, str]:
    """A source's name, and what to load: NAME=SPEC, or a spec that is its own name."""
    name, equals, spec = given.partition("=")
    if equals and name and " " not in name and "/" not in name and not name.startswith(TEACHER_PREFIX):
        return name, spec
    return given, given
