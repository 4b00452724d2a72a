"""Door 1, before a fine-tune: ``python -m tradeoffbounds.estimate --proxy alpaca-gpt4``."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradeoffbounds.config import TEACHER_PREFIX, EstimateConfig
from tradeoffbounds.door import make_callable, run_command, with_data_dir
from tradeoffbounds.errors import UserError
from tradeoffbounds.models.load import check_model, place
from tradeoffbounds.page import write_page
from tradeoffbounds.report.progress import Reporter
from tradeoffbounds.runs import environment, open_run_folder, write_json
from tradeoffbounds.sources import Source, load_source

if TYPE_CHECKING:
    from tradeoffbounds.curvature.methods import Methods, Settings
    from tradeoffbounds.overlap.case_one import CaseOne
    from tradeoffbounds.overlap.features import Reader
    from tradeoffbounds.overlap.likelihood_ratios import Likelihoods

SCHEMA = "tradeoffbounds/estimate/1"


@dataclass(frozen=True)
class Estimate:
    """What `estimate` returns: the record that was written, and the fits behind it for further questions."""

    record: dict[str, Any]
    case_one: CaseOne
    case_two: Methods | None
    folder: Path


def estimate(config: EstimateConfig, reporter: Reporter | None = None) -> Estimate:
    """Bounds and predictions of both cases; writes estimate.json, report.html and figures/ into ``config.out``.

    Raises:
        UserError: something in the call cannot work; raised before any weight is loaded wherever it can be.
    """
    # Imported where they compute, here and below, so that `--help` and a wrong call answer at once.
    from tradeoffbounds.overlap.case_one import case_one
    from tradeoffbounds.overlap.features import Reader
    from tradeoffbounds.report.advice import advice
    from tradeoffbounds.report.figures import draw_figures
    from tradeoffbounds.report.record import case_one_record, plain_options
    from tradeoffbounds.report.verdict import penalty_for_gap, verdict

    say = reporter or Reporter(quiet=True)
    config = with_data_dir(config)
    folder = open_run_folder(config.out)
    check_model(config.model)
    loaded = None if config.is_teacher else _load_sources(config)
    if config.pilot and loaded is not None and loaded["alignment"].sha256 == loaded["proxy"].sha256:
        raise UserError("--pilot: alignment and proxy are the same data, so KL(mu|mu_hat) is 0; name another proxy")
    prompts = _load(config, config.teacher_prompts, "capability") if config.is_teacher else None
    placement = place(config.device, config.dtype)
    reader = Reader(
        config.model, placement, config.system_prompt or None, config.max_tokens,
        full=config.views == "full" or (config.views == "auto" and config.is_teacher), progress=say.advance,
    )  # fmt: skip
    reader.template  # noqa: B018  a model without a chat template is refused here, before its weights are read
    if config.curvature != "off":
        _check_case_two(config)
    likelihoods: Likelihoods | None = None
    if loaded is None:
        loaded, likelihoods = _teach(config, reader, prompts)  # type: ignore[arg-type]
    for warning in _warnings(loaded | ({} if prompts is None else {"prompts": prompts})):
        say.warn(warning)
    (alignment, proxy, capability), truncated = reader.read(list(loaded.values()))
    same_source = loaded["alignment"].sha256 == loaded["proxy"].sha256
    result = case_one(
        alignment, proxy, capability, config.penalty, same_source=same_source, likelihoods=likelihoods,
        confidence=config.confidence, seed=config.seed, progress=say.step,
    )  # fmt: skip
    pilot = _pilot(config, loaded, reader, result, say) if config.pilot else None
    methods = None if config.curvature == "off" else _case_two(config, loaded, reader, result, say)
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "config": plain_options(asdict(config)),
        "environment": environment(placement.device, placement.dtype) | {"template_sha256": reader.template},
        "sources": {
            role: source.describe() | {"truncated": cut}
            for (role, source), cut in zip(loaded.items(), truncated, strict=True)
        }
        # What a system: source asks may itself be a stand-in.
        | ({} if prompts is None else {"prompts": prompts.describe() | {"truncated": 0}}),
        **case_one_record(result),
        **_case_two_record(methods),
        "pilot": pilot,
    }
    if config.max_safety_gap is not None:
        record["max_safety_gap"] = penalty_for_gap(result, config.max_safety_gap) | {
            "radius_up_to": None if methods is None else methods.results[0].largest_radius(config.max_safety_gap)
        }
    record["verdict"] = verdict(record)
    record["advice"] = advice(record) if config.advise else None
    say.step("drawing figures")
    draw_figures(record, folder / "figures")
    write_json(folder / "estimate.json", record)
    write_page(record, folder)
    say.done()
    return Estimate(record, result, methods, folder)


def _load_sources(config: EstimateConfig) -> dict[str, Source]:
    return {role: _load(config, spec, role) for role, spec in config.sources.items()}


def _load(config: EstimateConfig, spec: str, role: str) -> Source:
    from tradeoffbounds.overlap.learning_curve import MIN_PROMPTS

    source = load_source(spec, role=role, data_dir=config.data_dir, allow_stand_in=config.stand_in)  # type: ignore[arg-type]
    source = source.sample(config.samples, config.seed)
    distinct = len({row.prompt for row in source.rows})
    if distinct < MIN_PROMPTS:
        raise UserError(
            f"{role}: {source.name} has only {distinct} distinct prompts in {len(source.rows)} rows; "
            f"classifiers that never see a prompt twice need {MIN_PROMPTS}"
        )
    return source


def _teach(config: EstimateConfig, reader: Reader, prompts: Source) -> tuple[dict[str, Source], Likelihoods]:
    from tradeoffbounds.overlap.teacher import teach

    system_prompts = {role: spec.removeprefix(TEACHER_PREFIX).strip() for role, spec in config.sources.items()}
    return teach(reader, system_prompts, prompts, tokens=config.teacher_tokens, seed=config.seed)


def _pilot(
    config: EstimateConfig, sources: dict[str, Source], reader: Reader, result: CaseOne, say: Reporter
) -> dict[str, Any]:
    """The pilot's divergence, and Theorem 1, refined, with it at every penalty."""
    from tradeoffbounds.finetune.pilot import pilot

    reader.release()
    found = pilot(
        reader, sources["alignment"], sources["proxy"], reader.placement, confidence=config.confidence,
        seed=config.seed, progress=say.step,
    )  # fmt: skip
    return {
        "response_kl": found.response_kl.to_json(),
        "theorem1_refined": [
            {"penalty": penalty, "bound": found.refined(prompt_cost).to_json()}
            for penalty, prompt_cost in result.safety_prompt_costs
        ],
    }


def _check_case_two(config: EstimateConfig) -> None:
    from tradeoffbounds.curvature.methods import check

    check(_settings(config))


def _case_two(
    config: EstimateConfig, sources: dict[str, Source], reader: Reader, result: CaseOne, say: Reporter
) -> Methods:
    from tradeoffbounds.curvature.methods import run_methods, texts_of

    reader.release()  # Case II has weights of its own
    settings = _settings(config)
    return run_methods(
        texts_of(sources, reader.tokenizer, settings), result.predicted_totals, settings,
        same_source=result.same_source, progress=say.step,
    )  # fmt: skip


def _settings(config: EstimateConfig) -> Settings:
    from tradeoffbounds.curvature.methods import Settings

    shared = {field.name: getattr(config, field.name) for field in fields(Settings)}
    return Settings(**shared | {"system_prompt": config.system_prompt or None})


def _case_two_record(methods: Methods | None) -> dict[str, Any]:
    if methods is None:
        return {"parameter_constraint": None, "other_methods": [], "method_comparison": None}
    from tradeoffbounds.report.case_two_record import case_two_record

    return case_two_record(methods)


def _warnings(sources: dict[str, Source]) -> list[str]:
    found = [
        f"{role}: {source.stand_in_for} is neither in the data folder nor on a reachable hub; "
        f"using the bundled stand-in {source.name} ({len(source.rows)} rows written for this project)"
        for role, source in sources.items()
        if source.stand_in_for
    ]
    if sources["proxy"].sha256 == sources["capability"].sha256:
        found.append("proxy and capability are the same data: there is nothing to trade off between them")
    return found


def main(arguments: list[str] | None = None) -> int:
    """The command. Returns 0, or 2 for a wrong call (one line on stderr)."""
    return run_command("tradeoffbounds.estimate", EstimateConfig, estimate, _show, arguments)


def _show(result: Estimate) -> None:
    from tradeoffbounds.report.tables import print_estimate

    print_estimate(result.record, result.folder)


make_callable(__name__, estimate)

if __name__ == "__main__":
    sys.exit(main())
