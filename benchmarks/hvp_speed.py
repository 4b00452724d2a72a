"""How fast are Hessian-vector products, against gradients and against PyTorch? Ratios, taken in one run.

    python benchmarks/hvp_speed.py

The embedded model, LoRA of rank 8 on queries and values, 4 rows of 128 tokens, float32. The peers are PyTorch's
double backward, and the forward-over-reverse of torch.func that curvlinops 3 uses. All compute the same products,
which are compared first. Rounds are interleaved, so that a machine that is slow for a while is slow for all; a
ratio is the median over rounds. Writes benchmarks/hvp_speed.json.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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
    rounds: int = 5
    out: Path = RESULT


def main(options: Options) -> None:
    model = load_model(options.model, Placement("cpu", "float32"))
    model.set_attn_implementation("eager")  # the fused one has no second derivative
    config = DecoderConfig.from_transformers(model_settings(model))
    lora = preset("lora", config.hidden_size)
    tensors = _away_from_zero(fresh_adapter(model, lora, seed=0))
    ids = np.random.default_rng(0).integers(0, config.vocab_size, (options.rows, options.tokens))
    devices = jax.devices("cpu")[:1]
    adapted = adapt(
        config, lora, import_params(config, read_weights(model), "float32", devices), tensors,
        Shape(options.rows, options.tokens, options.tokens - 1), devices=devices, fresh=False,
    )  # fmt: skip
    loss = adapted.loss([Rendered(row.tolist(), (0, 1), (1, options.tokens), truncated=False) for row in ids])
    vectors = jax.random.normal(jax.random.key(0), (options.vectors, adapted.theta.size))
    _, unravel = flat(adapter_from_peft(config, lora, tensors))
    peer = TorchPeer(model, lora, tensors, ids)
    split = [peer.split(adapter_to_peft(lora, unravel(vector))) for vector in vectors]

    def from_torch(product: Any) -> np.ndarray:
        return np.asarray(flat(adapter_from_peft(config, lora, peer.joined(product)))[0])

    ours = np.asarray(loss.hvps(adapted.theta, vectors))
    theirs = [from_torch(product) for product in peer.double_backward(split)]
    apart = max(float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in zip(ours, theirs, strict=True))
    seconds = _timed(_jobs(adapted, loss, vectors, peer, split), options.rounds)
    compiled = _compile_seconds(adapted, loss, unravel(adapted.theta))

    def ratio(over: str, under: str) -> float:
        return float(np.median(np.array(seconds[over]) / np.array(seconds[under])))

    record = {
        "schema": "tradeoffbounds/benchmark/1",
        "command": "python benchmarks/hvp_speed.py",
        "environment": environment("cpu", "float32"),
        "shape": {"rows": options.rows, "tokens": options.tokens, "vectors": options.vectors},
        "parameters": int(adapted.theta.size),
        "rounds": options.rounds,
        "seconds_per_product": {name: float(np.median(each)) for name, each in seconds.items()},
        "ratios": {
            "hvp / gradient": ratio("hvp", "gradient"),
            "one of the hvps after one linearisation / gradient": ratio("hvps", "gradient"),
            "torch double backward / one of the hvps": ratio("torch double backward", "hvps"),
            "torch forward over reverse / hvp": ratio("torch forward over reverse", "hvp"),
            "compiling 30 layers / 6 layers": compiled["30"] / compiled["6"],
        },
        "largest_relative_difference_from_torch": apart,
        "temporary_gigabytes": {name: each / 1e9 for name, each in adapted.programs.temporary_bytes().items()},
        "compile_seconds_of_hvp_by_layers": compiled,
    }
    write_json(options.out, record)
    for name, value in record.items():
        print(f"{name}: {value}")


def _away_from_zero(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """LoRA's B starts at zero, where part of the Hessian vanishes: no place to compare products."""
    rng = np.random.default_rng(1)
    return {name: each + 0.02 * rng.standard_normal(each.shape, dtype=np.float32) for name, each in tensors.items()}


def _jobs(
    adapted: Adapted, loss: ChunkedLoss, vectors: jax.Array, peer: TorchPeer, split: list[Any]
) -> dict[str, tuple[Callable[[], Any], int]]:
    """What is timed, and how many products it makes."""
    theta = adapted.theta
    return {
        "gradient": (lambda: jax.block_until_ready(loss.value_and_gradient(theta)), 1),
        "hvp": (lambda: jax.block_until_ready(loss.hvp(theta, vectors[0])), 1),
        "hvps": (lambda: jax.block_until_ready(loss.hvps(theta, vectors)), len(vectors)),
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
