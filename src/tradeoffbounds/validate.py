"""Door 2, with a fine-tune: ``python -m tradeoffbounds.validate --proxy alpaca-gpt4``."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradeoffbounds.config import TEACHER_PREFIX
from tradeoffbounds.door import make_callable, run_command, with_data_dir
from tradeoffbounds.errors import UserError
from tradeoffbounds.models.load import Placement, check_model, model_id, place
from tradeoffbounds.page import write_page
from tradeoffbounds.report.progress import Reporter
from tradeoffbounds.report.record import plain_options
from tradeoffbounds.runs import environment, open_run_folder, write_json
from tradeoffbounds.sources import Source, load_preferences, load_source
from tradeoffbounds.validate_config import FEWEST_ROWS, ValidateConfig, name_of, sweep_points

if TYPE_CHECKING:
    from tradeoffbounds.comparison.foretell import Foresight
    from tradeoffbounds.curvature.methods import Settings
    from tradeoffbounds.finetune.gather import Gathered
    from tradeoffbounds.finetune.plan import Plan, Run
    from tradeoffbounds.finetune.training import Training
    from tradeoffbounds.overlap.features import Reader

SCHEMA = "tradeoffbounds/validate/1"


@dataclass(frozen=True)
class Validation:
    """What `validate` returns: the record that was written, and where."""

    record: dict[str, Any]
    folder: Path


def validate(config: ValidateConfig, reporter: Reporter | None = None) -> Validation:
    """Fine-tune, measure, compare; writes validate.json, report.html, figures/ and runs/ into ``config.out``.

    Raises:
        UserError: something in the call cannot work; raised before any training wherever it can be.
    """
    from tradeoffbounds.comparison.assemble import Results, comparison_parts, foretold_parts, start_record
    from tradeoffbounds.finetune.perform import start_spec
    from tradeoffbounds.finetune.reporting import checked, reporting
    from tradeoffbounds.overlap.features import Reader
    from tradeoffbounds.report.validate_figures import draw_validate_figures
    from tradeoffbounds.report.validate_verdict import validate_verdict
    from tradeoffbounds.sweeps import run_jobs

    say = reporter or Reporter(quiet=True)
    config = with_data_dir(config)
    folder = open_run_folder(config.out)
    check_model(config.model)
    config = replace(config, report_to=checked(config.report_to))
    config, runs = _grid(config)
    placement = place(config.device, config.dtype)
    _check_processes(config, placement)
    curvature = _curvature(config, runs)
    reader = Reader(
        config.model, placement, config.system_prompt or None, config.max_tokens, full=config.is_teacher,
        progress=say.advance,
    )  # fmt: skip
    reader.template  # noqa: B018  a model without a chat template is refused here, before its weights are read
    gathered, prompts = _gather(config, runs, reader, say)
    start = _start(config, gathered, placement, say)
    curvature = curvature and replace(curvature, model=start_spec(start))
    sweep = _plan(config, runs, gathered, start, placement)
    foresight = _foresee(config, sweep, gathered, reader, curvature, say)
    reader.release()
    say.step("fine-tuning")
    with reporting(config.report_to):
        finished = run_jobs(
            sweep.jobs, folder / "runs", engine=config.engine, address=config.address, progress=say.advance
        )
    results = Results(sweep, finished, gathered)
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "config": plain_options(asdict(config)),
        "environment": environment(placement.device, placement.dtype) | {"template_sha256": reader.template},
        "mode": "teacher" if gathered.is_teacher else "dataset",
        "sources": gathered.describe() | ({} if prompts is None else {"prompts": prompts.describe()}),
        "start": start_record(results, config.start, config.confidence),
        **foretold_parts(foresight),
        **comparison_parts(results, foresight, config.confidence),
    }
    record["verdict"] = validate_verdict(record)
    say.step("drawing figures")
    draw_validate_figures(record, folder / "figures")
    write_json(folder / "validate.json", record)
    write_page(record, folder)
    say.done()
    return Validation(record, folder)


def _grid(config: ValidateConfig) -> tuple[ValidateConfig, list[Run]]:
    """The grid of the options; or that of the sweep's file, with the sources that it names."""
    from tradeoffbounds.finetune.plan import Run, grid
    from tradeoffbounds.models.prompt_init import CONCERNED, VOCABULARY, prompt_inits_of

    shared = {"steps": config.steps, "batch": config.batch, "learning_rate": config.learning_rate}
    if config.sweep is None:
        proxies, capabilities = ([name_of(each)[0] for each in given] for given in (config.proxy, config.capability))
        return config, grid(
            proxies, capabilities, config.peft, config.objective, config.penalty, config.radius, config.seeds,
            config.prompt_init, **shared,
        )  # fmt: skip
    points = sweep_points(config.sweep, config)
    prompt_inits = tuple(dict.fromkeys(point.prompt_init[0] for point in points if point.peft == (CONCERNED,)))
    runs = [
        Run(
            name_of(point.proxy[0])[0], name_of(point.capability[0])[0], point.peft[0], point.objective[0],
            next(iter(point.penalty), None), next(iter(point.radius), None), point.seeds[0],
            point.steps, point.batch, point.learning_rate,
            point.prompt_init[0] if any(prompt_inits_of(point.peft[0], prompt_inits)) else None,
        )
        for point in points
    ]  # fmt: skip
    listed = ("proxy", "capability", "peft", "objective", "penalty", "radius", "seeds")
    united: dict[str, Any] = {name: sum((getattr(point, name) for point in points), ()) for name in listed}
    united["prompt_init"] = prompt_inits or (VOCABULARY,)
    return replace(config, **united), list(dict.fromkeys(runs))


def _check_processes(config: ValidateConfig, placement: Placement) -> None:
    if config.processes == 1 or placement.device != "cuda" or config.engine != "local":
        return
    import torch

    if config.processes > torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise UserError(f"--processes {config.processes}: torch sees {found} CUDA devices here; give at most as many")


def _gather(config: ValidateConfig, runs: list[Run], reader: Reader, say: Reporter) -> tuple[Gathered, Source | None]:
    """The sources; and where they are models, what their prompts were taken from."""
    from tradeoffbounds.finetune.gather import Sizes, from_data, from_system_prompts

    sizes = Sizes(config.rows, config.validation_rows, config.test_rows)
    load = partial(_load, config)
    if config.is_teacher:
        prompts = load(load_source, "capability", config.teacher_prompts)
        _warn(say, [prompts])
        _check_rows(len(prompts.rows) - sizes.validation - sizes.test, prompts)
        authors = {label: spec.removeprefix(TEACHER_PREFIX).strip() for label, (_, spec) in config.named.items()}
        exact = replace(reader, placement=replace(reader.placement, dtype="float32"))
        gathered = from_system_prompts(authors, prompts, reader, exact, sizes, config.teacher_tokens, config.seed)
        return gathered, prompts
    sources: dict[str, Source] = {}
    rejected = {}
    compared = {f"capability: {run.capability}" for run in runs if run.objective == "dpo"}
    for label, (_, spec) in config.named.items():
        role = label.partition(":")[0]
        if label in compared:
            sources[label], rejected[label] = load(load_preferences, role, spec)
        else:
            sources[label] = load(load_source, role, spec)
    _warn(say, sources.values())
    gathered = from_data(sources, reader, sizes, config.seed, rejected)
    for label, source in sources.items():
        _check_rows(len(gathered.material[label].train), source)
    return gathered, None


def _check_rows(left: int, source: Source) -> None:
    if left < FEWEST_ROWS:
        raise UserError(
            f"{source.name}: of {len(source.rows)} rows {max(left, 0)} are left to train on, at least {FEWEST_ROWS} "
            "are needed; ask for fewer --test-rows or --validation-rows"
        )


def _load(config: ValidateConfig, loader: Any, role: str, spec: str) -> Any:
    return loader(spec, role=role, data_dir=config.data_dir, allow_stand_in=config.stand_in)


def _warn(say: Reporter, sources: Any) -> None:
    for source in sources:
        if source.stand_in_for:
            say.warn(
                f"{source.stand_in_for} is neither in the data folder nor on a reachable hub; "
                f"using the bundled stand-in {source.name}"
            )


def _start(config: ValidateConfig, gathered: Gathered, placement: Placement, say: Reporter) -> str:
    """The aligned start, as runs name it: made once for the same model, rows and settings."""
    from tradeoffbounds.finetune.perform import ALIGNED_PREFIX, aligned_folder, job_config
    from tradeoffbounds.finetune.plan import ALIGN
    from tradeoffbounds.finetune.reporting import reporting
    from tradeoffbounds.sweeps import Job, run_jobs

    if config.start == "none":
        return config.model
    say.step("aligned start")
    job = Job(
        ALIGN,
        job_config(
            base=config.model, identity=model_id(config.model), rows=gathered.addresses["alignment"],
            training=_early_stopped(config, "lora-all-linear"), device=placement.device, dtype=placement.dtype,
        ),
    )  # fmt: skip
    with reporting(config.report_to):
        run_jobs([job], aligned_folder())
    return f"{ALIGNED_PREFIX}{job.id}"


def _early_stopped(config: ValidateConfig, method: Any) -> Training:
    from tradeoffbounds.finetune.plan import PATIENCE
    from tradeoffbounds.finetune.training import Training

    return Training(
        method, steps=config.start_steps, batch=config.batch, every=max(1, config.start_steps // 10), patience=PATIENCE
    )


def _curvature(config: ValidateConfig, runs: list[Run]) -> Settings | None:
    """How Case II is computed, if at all; refused here where it cannot be, by a start like the model. None: not."""
    from tradeoffbounds.comparison.foretell import covered

    radii = sorted({run.radius for run in runs if run.radius})
    methods = covered(run.method for run in runs)
    if config.curvature == "off" or not methods or (config.curvature == "auto" and not radii):
        return None
    from tradeoffbounds.curvature.methods import Settings, check

    settings = Settings(
        model=config.model, peft=methods, adapter=None, radius=tuple(radii) or (1.0,),
        curvature="quick" if config.curvature == "auto" else config.curvature, chunk=4, max_tokens=config.max_tokens,
        system_prompt=config.system_prompt or None, device=config.device, dtype=config.dtype,
        confidence=config.confidence, seed=config.seeds[0],
    )  # fmt: skip
    check(settings)
    return settings


def _plan(config: ValidateConfig, runs: list[Run], gathered: Gathered, start: str, placement: Placement) -> Plan:
    from tradeoffbounds.comparison.foretell import probe_rows
    from tradeoffbounds.finetune.plan import Shared, plan

    probe = probe_rows(gathered, "full" if config.curvature == "full" else "quick", config.max_tokens)
    shared = Shared(
        start=start, base=config.model, identity=model_id(config.model), probe=probe.store(),
        device=placement.device, dtype=placement.dtype, processes=config.processes,
    )  # fmt: skip
    return plan(
        runs, gathered.addresses, shared, beta=config.beta,
        reference=None if gathered.is_teacher else _early_stopped(config, "lora"),
    )  # fmt: skip


def _foresee(
    config: ValidateConfig, sweep: Plan, gathered: Gathered, reader: Reader, curvature: Settings | None, say: Reporter
) -> Foresight:
    from tradeoffbounds.comparison.foretell import Foresight, foresee_balls, foresee_penalties

    runs = list(sweep.runs)
    case_one = foresee_penalties(runs, gathered, reader, confidence=config.confidence, seed=config.seed, say=say)
    reader.release()
    if curvature is None:
        return Foresight(case_one, {})
    return foresee_balls(runs, gathered, case_one, curvature, say)


def main(arguments: list[str] | None = None) -> int:
    """The command. Returns 0, or 2 for a wrong call (one line on stderr)."""
    return run_command("tradeoffbounds.validate", ValidateConfig, validate, _show, arguments)


def _show(result: Validation) -> None:
    from tradeoffbounds.report.validate_tables import print_validate

    print_validate(result.record, result.folder)


make_callable(__name__, validate)

if __name__ == "__main__":
    sys.exit(main())
