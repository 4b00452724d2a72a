"""How fast are Hessian-vector products, against gradients and against PyTorch? Ratios, taken in one run.

    python benchmarks/hvp_speed.py

The embedded model, LoRA of rank 8 on queries and values, 4 rows of 128 tokens, float32. The peers are PyTorch's
double backward, and the forward-over-reverse of torch.func that curvlinops 3 uses. All compute the same products,
which are compared first. The two sides run in processes of their own, in turns: in one process the threads of each
slow the other down. A ratio is one of medians over all turns. Writes benchmarks/hvp_speed.json.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
import tyro
from torch_peer import TorchPeer

from tradeoffbounds.curvature.adapted import Adapted, adapt, import_params
from tradeoffbounds.curvature.products import ChunkedLoss, Programs
from tradeoffbounds.curvature.response_loss import Shape, flat, response_loss
from tradeoffbounds.models.adapter_config import preset
from tradeoffbounds.models.decoder import Decoder
from tradeoffbounds.models.decoder_config import DecoderConfig
from tradeoffbounds.models.decoder_weights import adapter_from_peft, adapter_to_peft
from tradeoffbounds.models.fresh_adapter import fresh_adapter
from tradeoffbounds.models.load import Placement, load_model
from tradeoffbounds.models.weights import model_settings, read_weights
from tradeoffbounds.runs import environment, write_json
from tradeoffbounds.sources.chat import Rendered

DEPTHS = (6, 30)
RESULT = Path(__file__).with_suffix(".json")


@dataclass(frozen=True)
class Options:
    model: str = "embedded"
    rows: int = 4
    tokens: int = 128
    vectors: int = 8
    rounds: int = 3
    """Timings a turn."""
    turns: int = 2
    side: Literal["both", "jax", "torch"] = "both"
    """One side alone writes its timings and products to ``out``, a folder."""
    out: Path = RESULT


def main(options: Options) -> None:
    if options.side == "both":
        _both(options)
    else:
        _side(options)


def _both(options: Options) -> None:
    seconds: dict[str, list[float]] = {}
    products, facts = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.turns):
            for side in ("jax", "torch"):
                command = [sys.executable, __file__, *sys.argv[1:], "--side", side, "--out", folder]
                subprocess.run(command, check=True)
                found = json.loads((Path(folder) / f"{side}.json").read_text("utf-8"))
                for name, each in found.pop("seconds").items():
                    seconds.setdefault(name, []).extend(each)
                facts |= found
                products[side] = np.load(Path(folder) / f"{side}.npy")
    medians = {name: float(np.median(each)) for name, each in seconds.items()}
    apart = np.linalg.norm(products["jax"] - products["torch"], axis=1) / np.linalg.norm(products["torch"], axis=1)
    compiled = facts["compile_seconds_of_hvp_by_layers"]
    record = {
        "schema": "tradeoffbounds/benchmark/1",
        "command": "python benchmarks/hvp_speed.py",
        "environment": environment("cpu", "float32"),
        "shape": {"rows": options.rows, "tokens": options.tokens, "vectors": options.vectors},
        "timings_of_each": options.rounds * options.turns,
        "seconds_per_product": medians,
        "ratios": {
            "hvp / gradient": medians["hvp"] / medians["gradient"],
            "one of the hvps after one linearisation / gradient": medians["hvps"] / medians["gradient"],
            "torch double backward / one of the hvps": medians["torch double backward"] / medians["hvps"],
            "torch forward over reverse / hvp": medians["torch forward over reverse"] / medians["hvp"],
            "compiling 30 layers / 6 layers": compiled["30"] / compiled["6"],
        },
        "largest_relative_difference_from_torch": float(apart.max()),
        **facts,
    }
    write_json(options.out, record)
    for name, value in record.items():
        print(f"{name}: {value}")


def _side(options: Options) -> None:
    """One library's timings, and its products for the other to be compared with."""
    model = load_model(options.model, Placement("cpu", "float32"))
    model.set_attn_implementation("eager")  # the fused one has no second derivative
    config = DecoderConfig.from_transformers(model_settings(model))
    lora = preset("lora", config.hidden_size)
    tensors = _away_from_zero(fresh_adapter(model, lora, seed=0))
    ids = np.random.default_rng(0).integers(0, config.vocab_size, (options.rows, options.tokens))
    theta, unravel = flat(adapter_from_peft(config, lora, tensors))
    vectors = jax.random.normal(jax.random.key(0), (options.vectors, theta.size))
    facts: dict[str, Any] = {}
    if options.side == "jax":
        devices = jax.devices("cpu")[:1]
        adapted = adapt(
            config, lora, import_params(config, read_weights(model), "float32", devices), tensors,
            Shape(options.rows, options.tokens, options.tokens - 1), devices=devices, fresh=False,
        )  # fmt: skip
        loss = adapted.loss([Rendered(row.tolist(), (0, 1), (1, options.tokens), truncated=False) for row in ids])
        seconds = _timed(_jax_jobs(loss, theta, vectors), options.rounds)
        products = np.asarray(loss.hvps(theta, vectors))
        facts = {
            "parameters": int(theta.size),
            "temporary_gigabytes": {name: each / 1e9 for name, each in adapted.programs.temporary_bytes().items()},
            "compile_seconds_of_hvp_by_layers": _compile_seconds(adapted, loss, unravel(theta)),
        }
    else:
        peer = TorchPeer(model, lora, tensors, ids)
        split = [peer.split(adapter_to_peft(lora, unravel(vector))) for vector in vectors]
        seconds = _timed(_torch_jobs(peer, split), options.rounds)
        found = [adapter_from_peft(config, lora, peer.joined(product)) for product in peer.double_backward(split)]
        products = np.stack([np.asarray(flat(each)[0]) for each in found])
    np.save(options.out / f"{options.side}.npy", products)
    write_json(options.out / f"{options.side}.json", {"seconds": seconds, **facts})


def _away_from_zero(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """LoRA's B starts at zero, where part of the Hessian vanishes: no place to compare products."""
    rng = np.random.default_rng(1)
    return {name: each + 0.02 * rng.standard_normal(each.shape, dtype=np.float32) for name, each in tensors.items()}


def _jax_jobs(loss: ChunkedLoss, theta: jax.Array, vectors: jax.Array) -> dict[str, tuple[Callable[[], Any], int]]:
    """What is timed, and how many products it makes."""
    return {
        "gradient": (lambda: jax.block_until_ready(loss.value_and_gradient(theta)), 1),
        "hvp": (lambda: jax.block_until_ready(loss.hvp(theta, vectors[0])), 1),
        "hvps": (lambda: jax.block_until_ready(loss.hvps(theta, vectors)), len(vectors)),
    }


def _torch_jobs(peer: TorchPeer, split: list[Any]) -> dict[str, tuple[Callable[[], Any], int]]:
    return {
        "torch gradient": (peer.gradient, 1),
        "torch double backward": (lambda: peer.double_backward(split), len(split)),
        "torch forward over reverse": (lambda: peer.forward_over_reverse(split[:1]), 1),
    }


def _timed(jobs: dict[str, tuple[Callable[[], Any], int]], rounds: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for job, _ in jobs.values():
        job()  # compiles, and warms up
    for _ in range(rounds):
        for name, (job, products) in jobs.items():
            begin = time.perf_counter()
            job()
            seconds[name].append((time.perf_counter() - begin) / products)
    return seconds


def _compile_seconds(adapted: Adapted, loss: ChunkedLoss, adapter: Any) -> dict[str, float]:
    """Seconds to compile the Hessian-vector product of the model's first 6 and 30 layers; medians of 3."""
    seconds: dict[str, list[float]] = {}
    for _ in range(3):
        for layers in DEPTHS:
            cut = [
                {"layers": jax.tree.map(lambda each, n=layers: each[:n], tree["layers"])}
                for tree in (adapter, loss.frozen)
            ]
            theta, unravel = flat(cut[0])
            decoder = Decoder(replace(adapted.decoder.config, layers=layers), adapted.config)
            shallow = ChunkedLoss(response_loss(decoder, unravel), loss.frozen | cut[1], loss.chunks, Programs())
            begin = time.perf_counter()
            shallow.compile_hvp(theta)
            seconds.setdefault(str(layers), []).append(time.perf_counter() - begin)
    return {layers: float(np.median(each)) for layers, each in seconds.items()}


if __name__ == "__main__":
    main(tyro.cli(Options))
