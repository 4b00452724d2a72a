"""Which layers carried the safety drift of a real fine-tune, and would curvature at its start have said so?

    python experiments/tuned_methods.py --data-dir DATA       # first, if it was not run on this machine
    python experiments/safety_layers.py

Open question 2 of arXiv:2511.00382. Of the unconstrained LoRA fine-tune on gsm8k, on held-out safety rows: the safety
gap with the adapter of one layer alone, and what it falls by when that layer alone is left out, at a quarter of the
step and at all of it. Beside it what gradient and Hessian at the start say of the very step that was taken, on the
same rows and on training rows, and what `estimate --layers` would have said before any step.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from safety_layers_figure import safety_layers_figure
from safety_layers_record import Prediction, at_scale, rounded

from tradeoffbounds.curvature.adapted import Adapted, adapt, import_params
from tradeoffbounds.curvature.layers import LayerDrift, interactions, layer_drift
from tradeoffbounds.curvature.response_loss import common_shape
from tradeoffbounds.curvature.start import start_of
from tradeoffbounds.errors import UserError
from tradeoffbounds.finetune.gaps import row_losses
from tradeoffbounds.finetune.material import Material
from tradeoffbounds.finetune.perform import start_spec, with_adapter
from tradeoffbounds.finetune.rows import Text
from tradeoffbounds.finetune.training import Training
from tradeoffbounds.models.import_model import import_model
from tradeoffbounds.models.load import load_settings
from tradeoffbounds.models.peft_folder import read_adapter
from tradeoffbounds.report.progress import Reporter
from tradeoffbounds.runs import environment, write_json
from tradeoffbounds.sources.chat import Rendered

ROOT = Path(__file__).parents[1]
NAME = "safety_layers"
_DPI = 90
Array = np.ndarray
Tensors = dict[str, Array]


@dataclass(frozen=True)
class Options:
    runs: Path = ROOT / "runs" / "tuned_methods"
    """Folder of the finished `validate`."""
    method: Literal["lora", "ia3"] = "lora"
    """Of the fine-tune."""
    penalty: float | None = None
    """Of the fine-tune; None: unconstrained."""
    rows: int = 32
    """Held-out safety rows that are measured, and training rows of each source that are predicted from."""
    scales: tuple[float, ...] = (0.25, 1.0)
    """Parts of the way from the start to the trained adapter that are looked at."""
    chunk: int = 4
    """Rows in memory at once, of what is predicted."""
    results: Path = ROOT / "experiments" / NAME
    figures: Path = ROOT / "figures"


@dataclass(frozen=True)
class Job:
    """One finished fine-tune: where it started, how far it went, and the rows of both sources."""

    start: str
    distance: float
    adapter: Path
    training: Training
    safety: Material
    capability: Material


def main(options: Options) -> None:
    if not (options.runs / "validate.json").is_file():
        raise UserError(f"{options.runs} has no validate.json; run experiments/tuned_methods.py first")
    record = json.loads((options.runs / "validate.json").read_text("utf-8"))
    job = _job(options, record)
    with Reporter(quiet=False) as say:
        say.step("reading start and adapter")
        tensors, ours, step = _parameters(job, options)
        _check(job, float(jnp.linalg.norm(step)))
        held_out = job.safety.test[: options.rows]
        predictions, forecast = _predictions(job, ours, step, held_out, options, say)
        losses = dict(_measured(job, tensors, held_out, options.scales, say))
        say.done()
    found = {
        "schema": "tradeoffbounds/experiment/1",
        "command": f"python experiments/{NAME}.py{_said(options)}",
        "environment": environment("cpu", "float32"),
        "sources": {role: each for role, each in record["sources"].items() if not role.startswith("proxy")},
        "fine_tune": {
            "method": options.method,
            "penalty": options.penalty,
            "steps": job.training.steps,
            "distance": float(jnp.linalg.norm(step)),
        },
        "rows": len(held_out),
        "forecast_agreement_of_halves": None
        if forecast.noise is None
        else forecast.noise.agreement(float(jnp.linalg.norm(step))),
        "scales": [at_scale(scale, losses, predictions, forecast, _sizes(ours, step)) for scale in options.scales],
    }
    write_json(options.results / "results.json", rounded(found))
    options.figures.mkdir(parents=True, exist_ok=True)
    safety_layers_figure(found).savefig(options.figures / f"{NAME}.png", dpi=_DPI)
    for at in found["scales"]:
        for observed, by_prediction in at["rank_correlation"].items():
            listed = ", ".join(f"{name} {_said_correlation(each)}" for name, each in by_prediction.items())
            print(f"scale {at['scale']:g}, {observed}: {listed}")


def _job(options: Options, record: dict[str, Any]) -> Job:
    for run in record["runs"]:
        config = run["config"]
        if (config["method"], config["penalty"], config["radius"]) == (options.method, options.penalty, None):
            folder = options.runs / "runs" / str(run["id"])
            job = json.loads((folder / "job.json").read_text("utf-8"))["config"]
            safety, capability = Material.load(job["measure"][0]), Material.load(job["rows"])
            history = json.loads((folder / "run.json").read_text("utf-8"))["history"]
            distance = [entry["distance"] for entry in history if "distance" in entry][-1]
            training = Training(**job["training"])
            return Job(start_spec(job["start"]), distance, folder / "adapter", training, safety, capability)
    raise UserError(f"{options.runs} has no run of {options.method} with penalty {options.penalty}")


def _check(job: Job, distance: float) -> None:
    """The start is made anew from the seed: it is the one of the training if the step is as long as it was there."""
    if not math.isclose(distance, job.distance, rel_tol=1e-3):
        raise UserError(
            f"the step is {distance:g} long, but its training ended {job.distance:g} from its start: other versions of "
            "torch or PEFT make another start; run the fine-tune again on this machine"
        )


def _parameters(job: Job, options: Options) -> tuple[tuple[Tensors, Tensors], Adapted, jax.Array]:
    """The adapter's tensors at the start and trained, the loss at the start, and the step in its coordinates."""
    devices = jax.devices("cpu")[:1]
    imported = import_model(job.start, "float32", [options.method], seed=job.training.seed)
    (config, fresh), (_, trained) = (
        imported.adapters[0], read_adapter(job.adapter, model=job.start, settings=load_settings(job.start)),
    )  # fmt: skip
    params = import_params(imported.config, imported.state, "float32", devices)
    texts = [_rendered(rows) for rows in (job.safety.test, job.safety.train, job.capability.train)]
    shape = common_shape([rows[: options.rows] for rows in texts], options.chunk)
    ours, there = (
        adapt(imported.config, config, params, each, shape, devices=devices, fresh=which == 0)
        for which, each in enumerate((fresh, trained))
    )
    return (fresh, trained), ours, there.theta - ours.theta


def _predictions(
    job: Job, ours: Adapted, step: jax.Array, held_out: Sequence[Text], options: Options, say: Reporter
) -> tuple[dict[str, Prediction], LayerDrift]:
    """Along the step taken, on the rows that are measured and on training rows; and along -∇G_f before any step."""
    blocks = ours.blocks
    assert blocks is not None
    losses = {
        "same rows": ours.loss(_rendered(held_out)),
        "training rows": ours.loss(_rendered(job.safety.train)[: options.rows]),
    }
    found = {}
    for name, loss in losses.items():
        say.step(f"Hessian along the step taken, {name}")
        gradient = loss.value_and_gradient(ours.theta)[1]
        found[name] = Prediction(blocks.sums(gradient * step), interactions(loss, ours.theta, step, blocks))
    say.step("forecast along the capability gradient")
    capability = ours.loss(_rendered(job.capability.train)[: options.rows])
    starts = tuple(
        start_of(loss, ours.theta, name)
        for name, loss in (("safety", losses["training rows"]), ("capability", capability))
    )
    forecast = layer_drift(
        losses["training rows"], ours.theta, blocks, (starts[0], starts[1]), seed=job.training.seed, progress=say.step
    )
    assert forecast is not None
    return found, forecast


def _measured(
    job: Job, tensors: tuple[Tensors, Tensors], held_out: Sequence[Text], scales: Sequence[float], say: Reporter
) -> Iterator[tuple[str, Array]]:
    """Losses of the rows at the start, and for each scale with all layers, each one alone, and all but each one."""
    from peft import set_peft_model_state_dict
    from torch import from_numpy

    start, trained = tensors
    model = with_adapter(job.start, job.adapter, "cpu")
    layers = 1 + max(_layer(name) for name in start)

    def losses(scale: float, kept: set[int]) -> Array:
        state = {
            name: from_numpy(value + scale * (trained[name] - value) if _layer(name) in kept else value)
            for name, value in start.items()
        }
        set_peft_model_state_dict(model, state)
        return row_losses(model, held_out)

    every = set(range(layers))
    yield "start", losses(0.0, set())
    for scale in scales:
        yield f"{scale:g} whole", losses(scale, every)
        for layer in range(layers):
            say.step(f"measuring at scale {scale:g}, layer {layer} of {layers}")
            yield f"{scale:g} only {layer}", losses(scale, {layer})
            yield f"{scale:g} without {layer}", losses(scale, every - {layer})


def _sizes(ours: Adapted, step: jax.Array) -> dict[str, Array]:
    """What ranks layers without any safety data: how far each one moved."""
    assert ours.blocks is not None
    return {"step": np.sqrt(ours.blocks.sums(jnp.square(step)))}


def _rendered(rows: Sequence[Text]) -> list[Rendered]:
    return [
        Rendered([*row.prefix, *row.response], (0, len(row.prefix)),
                 (len(row.prefix), len(row.prefix) + len(row.response)), truncated=False)
        for row in rows
    ]  # fmt: skip


def _layer(name: str) -> int:
    return int(name.split(".layers.")[1].split(".")[0])


def _said(options: Options) -> str:
    """The options that were given, but for folders."""
    said = ""
    for name in ("method", "penalty", "rows", "scales", "chunk"):
        value = getattr(options, name)
        if value != getattr(Options(), name):
            said += f" --{name} {' '.join(map(str, value)) if isinstance(value, tuple) else value}"
    return said


def _said_correlation(each: dict[str, Any] | None) -> str:
    return "none" if each is None else f"{each['value']:.2f} ({each['interval'][0]:.2f} to {each['interval'][1]:.2f})"


if __name__ == "__main__":
    main(tyro.cli(Options))
