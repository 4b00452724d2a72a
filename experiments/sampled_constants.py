"""How often do points of the ball exceed the *estimates* of L_s and S_s? 10,000 points around a tiny transformer.

    python experiments/sampled_constants.py

A random Llama of two layers over bytes; four rows of the bundled safety data and four of arithmetic; LoRA and prompt
tuning. `explore` gives the constants of G_s for four radii with the searches of --curvature quick and full. Then half
of the points are random directions, evenly many between each radius and the next smaller one, and half lie along
fine-tunes: gradient descent and Adam on G_f, on G_s and on G_f + λ G_s, with two of the four rows a step, kept inside a
ball of each radius. At every point G_s, which theorem 3 bounds by those estimates, ‖∇G_s‖, and of ‖∇²G_s‖ the largest
Ritz value of a few Lanczos steps, a lower bound that 48 dense Hessians are set beside: shares above an estimate of
curvature are counted too low rather than too high. Writes experiments/sampled_constants/results.json.
"""

from __future__ import annotations

import itertools
import json
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro
from matfree.decomp import tridiag_sym

from tradeoffbounds.bounds import theorem3
from tradeoffbounds.bounds.bound import PER_UNIT, Bound, exact
from tradeoffbounds.curvature.adapted import Adapted, adapt, import_params
from tradeoffbounds.curvature.case_two import BUDGETS
from tradeoffbounds.curvature.response_loss import common_shape
from tradeoffbounds.curvature.spectrum import spectrum
from tradeoffbounds.curvature.suprema import Suprema, Visit, exceeded, explore
from tradeoffbounds.models.adapter_config import AdapterConfig
from tradeoffbounds.models.decoder_config import DecoderConfig
from tradeoffbounds.models.fresh_adapter import fresh_adapter
from tradeoffbounds.models.weights import model_settings, read_weights
from tradeoffbounds.runs import environment, write_json
from tradeoffbounds.sources.chat import Rendered

RESULTS = Path(__file__).with_suffix("")
RADII = (0.1, 0.3, 1.0, 3.0)
METHODS = (
    AdapterConfig("lora", targets=("q_proj", "v_proj"), rank=2, alpha=4.0, scale=2.0),
    AdapterConfig("prompt-tuning", virtual_tokens=4),
)
ROWS, PROMPT, RESPONSE = 4, 12, 12
#: Weights of (G_f, G_s) in what is trained on.
OBJECTIVES = {"G_f": (1.0, 0.0), "G_s": (0.0, 1.0), "G_f + G_s": (1.0, 1.0)}
OPTIMISERS = {"descent": (optax.sgd, (0.01, 0.1, 1.0)), "Adam": (optax.adam, (1e-3, 1e-2, 1e-1))}
SEEDS = (0, 1)
STEPS = 70
#: Every how many steps a point is kept.
EVERY = 2
LANCZOS = 5
DENSE = 48


@dataclass(frozen=True)
class Options:
    points: int = 10_000
    """Points for each method; about half of them, the 5,040 of the fine-tunes, do not depend on it."""
    out: Path = RESULTS


def main(options: Options) -> None:
    started = time.monotonic()
    found = {config.method: _method(config, options.points) for config in METHODS}
    write_json(
        options.out / "results.json",
        {
            "schema": "tradeoffbounds/experiment/1",
            "command": "python experiments/sampled_constants.py",
            "environment": environment("cpu", "float32"),
            "seconds": round(time.monotonic() - started),
            "settings": {
                "rows": ROWS, "tokens": PROMPT + RESPONSE, "lanczos_steps": LANCZOS, "steps": STEPS, "seeds": SEEDS,
                "objectives": list(OBJECTIVES), "learning_rates": {name: each[1] for name, each in OPTIMISERS.items()},
            },
            "methods": found,
        },
    )  # fmt: skip


def _method(config: AdapterConfig, points: int) -> dict[str, Any]:
    ours, safety, capability = _tiny(config)
    paths = _training_points(ours, safety, capability)
    offsets = {"random": _random_points(ours.theta.size, points - len(paths)), "training": paths}
    visits = {kind: _visits(ours, safety, each) for kind, each in offsets.items()}
    ratios = _against_dense(ours, safety, np.concatenate(list(offsets.values())))
    print(
        f"{config.method}: {sum(map(len, visits.values()))} points, Ritz / ‖H‖ at least {ratios.min():.3f}", flush=True
    )
    record: dict[str, Any] = {
        "parameters": int(ours.theta.size),
        "ritz_of_norm": {"points": DENSE, "smallest": _round(ratios.min()), "mean": _round(ratios.mean())},
        "searches": {},
    }
    for name in ("quick", "full"):
        suprema = _suprema(ours, safety, name)
        record["searches"][name] = [_compare(suprema, radius, visits) for radius in RADII]
        for row in record["searches"][name]:
            print(f"  {name} radius {row['radius']:g}: {json.dumps(row, ensure_ascii=False)}", flush=True)
    return record


def _tiny(config: AdapterConfig) -> tuple[Adapted, list[Rendered], list[Rendered]]:
    """The model with a fresh adapter, and both sources' rows."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=128, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, initializer_range=0.15, pad_token_id=None,
        )
    ).eval()  # fmt: skip
    decoder = DecoderConfig.from_transformers(model_settings(model))
    devices = jax.devices("cpu")[:1]
    params = import_params(decoder, read_weights(model), "float32", devices)
    safety, capability = _rows("safety"), _rows("arithmetic")
    shape = common_shape([safety, capability], ROWS)
    tensors = fresh_adapter(model, config, seed=0)
    return adapt(decoder, config, params, tensors, shape, devices=devices, fresh=True), safety, capability


def _rows(name: str) -> list[Rendered]:
    lines = resources.files("tradeoffbounds.sources.bundled").joinpath(f"{name}.jsonl").read_text("utf-8").splitlines()
    rows = (json.loads(line) for line in lines[:ROWS])
    parts = [[row["prompt"].encode("ascii", "replace"), row["response"].encode("ascii", "replace")] for row in rows]
    both = PROMPT, PROMPT + RESPONSE
    return [
        Rendered([*prompt[:PROMPT], *response[:RESPONSE]], (0, PROMPT), both, truncated=True)
        for prompt, response in parts
    ]


def _suprema(ours: Adapted, safety: list[Rendered], budget: str) -> Suprema:
    """As `case_two` finds them."""
    search, loss = BUDGETS[budget].search, ours.loss(safety)
    gradient = loss.value_and_gradient(ours.theta)[1]
    at_centre = spectrum(loss, ours.theta, gradient, search.lanczos)
    return explore(loss, ours.theta, gradient, at_centre, RADII, search, seed=0)


def _random_points(size: int, count: int) -> np.ndarray:
    """Offsets in random directions, evenly many at distances between each radius and the one before."""
    rng = np.random.default_rng(1)
    directions = rng.standard_normal((count, size)).astype(np.float32)
    which = np.arange(count) % len(RADII)
    distances = rng.uniform(np.asarray([0.0, *RADII[:-1]])[which], np.asarray(RADII)[which])
    return directions * (distances / np.linalg.norm(directions, axis=1)).astype(np.float32)[:, None]


def _training_points(ours: Adapted, safety: list[Rendered], capability: list[Rendered]) -> np.ndarray:
    """Offsets along every fine-tune."""
    chunks = [jax.tree.map(lambda array: array[0], ours.loss(rows).chunks) for rows in (capability, safety)]
    found = []
    for make, rates in OPTIMISERS.values():

        def fine_tune(rate: Any, radius: Any, weights: Any, seed: Any, make: Any = make) -> Any:
            optimiser = make(rate)

            def loss(theta: Any, keys: Any) -> Any:
                total = 0.0
                for chunk, weight, key in zip(chunks, weights, keys, strict=True):
                    # Two of the four rows, which count twice.
                    drawn = 2.0 * (jax.random.permutation(key, ROWS) < ROWS // 2)
                    total += weight * (drawn * ours.rows(theta, ours.params, chunk)).sum()
                return total

            def step(state: Any, key: Any) -> Any:
                theta, inner = state
                gradient = jax.grad(loss)(theta, jax.random.split(key))
                updates, inner = optimiser.update(gradient, inner)
                offset = theta + updates - ours.theta
                offset *= jnp.minimum(1.0, radius / jnp.maximum(jnp.linalg.norm(offset), 1e-30))
                return (ours.theta + offset, inner), offset

            keys = jax.random.split(jax.random.key(seed), STEPS)
            return jax.lax.scan(step, (ours.theta, optimiser.init(ours.theta)), keys)[1][EVERY - 1 :: EVERY]

        runs = [*itertools.product(rates, RADII, OBJECTIVES.values(), SEEDS)]
        columns = [jnp.asarray(column) for column in zip(*runs, strict=True)]
        found.append(np.asarray(jax.jit(jax.vmap(fine_tune))(*columns)))
    return np.concatenate([each.reshape(-1, ours.theta.size) for each in found])


@dataclass(frozen=True)
class Point(Visit):
    """What was measured at a point of the ball.

    Attributes:
        change: G_s less G_s at the start.
    """

    change: float = 0.0


def _visits(ours: Adapted, safety: list[Rendered], offsets: np.ndarray) -> list[Point]:
    """Change, gradient norm and largest Ritz value at every point."""
    chunk = jax.tree.map(lambda array: array[0], ours.loss(safety).chunks)

    def loss(theta: Any) -> Any:
        return ours.rows(theta, ours.params, chunk).sum()

    gradient = jax.grad(loss)

    def look(offset: Any) -> Any:
        at = ours.theta + offset
        value, start = jax.value_and_grad(loss)(at)
        _, matrix, _, _ = tridiag_sym(LANCZOS, custom_vjp=False)(lambda v: jax.jvp(gradient, (at,), (v,))[1], start)
        return jnp.linalg.norm(start), jnp.abs(jnp.linalg.eigvalsh(matrix)).max(), value - loss(ours.theta)

    norms, curvatures, changes = jax.jit(lambda every: jax.lax.map(look, every, batch_size=20))(jnp.asarray(offsets))
    columns = np.linalg.norm(offsets, axis=1), norms, curvatures, np.zeros(len(offsets)), changes
    return [Point(*map(float, each)) for each in zip(*columns, strict=True)]


def _against_dense(ours: Adapted, safety: list[Rendered], offsets: np.ndarray) -> np.ndarray:
    """Largest Ritz value over ‖H‖ at points drawn from all."""
    drawn = offsets[np.random.default_rng(2).choice(len(offsets), DENSE, replace=False)]
    loss = ours.loss(safety)
    dense = [np.asarray(loss.hvps(ours.theta + offset, jnp.eye(ours.theta.size))) for offset in drawn]
    norms = [np.abs(np.linalg.eigvalsh((each + each.T) / 2)).max() for each in dense]
    return np.asarray([visit.curvature for visit in _visits(ours, safety, drawn)]) / norms


def _compare(suprema: Suprema, radius: float, visits: dict[str, list[Point]]) -> dict[str, Any]:
    """Constants of one ball, and the shares of the points inside that exceed the estimates and theorem 3."""
    constants = {"gradient": suprema.lipschitz(radius), "curvature": suprema.smoothness(radius)}
    start = exact(0.0)  # both methods are compared with their own start
    norm = Bound(suprema.visits[0].gradient_norm, "measured", unit=PER_UNIT)
    bounds = {
        "paper": theorem3.paper(start, constants["gradient"]["estimate"], radius).value,
        "refined": theorem3.refined(start, norm, constants["curvature"]["estimate"], radius).value,
    }
    row: dict[str, Any] = {"radius": radius, "theorem3": {name: _round(bound) for name, bound in bounds.items()}}
    for name, pair in constants.items():
        row[name] = {kind: _round(bound.value) for kind, bound in pair.items()}
    for kind, every in visits.items():
        inside = [visit for visit in every if visit.distance <= radius * (1 + 1e-5)]
        shares = exceeded(suprema, radius, inside)
        row[kind] = {"points": len(inside)}
        for name, pair in constants.items():
            largest = max(visit.gradient_norm if name == "gradient" else visit.curvature for visit in inside)
            row[kind][name] = {
                "largest": _round(largest),
                "share_above_estimate": _round(shares[name]),
                "largest_of_estimate": _round(largest / pair["estimate"].value),
            }
        for name, bound in bounds.items():
            row[kind][f"share_above_{name}"] = _round(np.mean([visit.change > bound for visit in inside]))
            row[kind][f"largest_of_{name}"] = _round(max(visit.change for visit in inside) / bound)
    return row


def _round(value: float) -> float:
    return float(f"{value:.4g}")


if __name__ == "__main__":
    main(tyro.cli(Options))
