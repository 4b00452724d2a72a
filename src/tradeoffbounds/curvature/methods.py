"""Case II for every adapter method asked for, from a model's name and three sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from tradeoffbounds.bounds.bound import Bound
from tradeoffbounds.curvature.adapted import adapt, import_params
from tradeoffbounds.curvature.case_two import BUDGETS, CaseTwo, case_two
from tradeoffbounds.curvature.response_loss import common_shape
from tradeoffbounds.errors import UserError
from tradeoffbounds.models.adapter_config import Method
from tradeoffbounds.models.import_model import check_import, import_model
from tradeoffbounds.models.prompt_init import VOCABULARY
from tradeoffbounds.sources import Source, render_all
from tradeoffbounds.sources.chat import Rendered


@dataclass(frozen=True)
class Settings:
    """How Case II is computed; the names are those of the command line.

    Attributes:
        curvature: ``quick`` or ``full``, a key of `case_two.BUDGETS`.
        chunk: rows that are in memory at once.
        adapter: a PEFT folder that the fine-tune starts from, in the place of fresh adapters.
        prompt_init: how the virtual tokens of prompt tuning start.
        layers: which of them carry the predicted drift is asked for.
    """

    model: str
    peft: tuple[Method, ...]
    adapter: Path | None
    radius: tuple[float, ...]
    curvature: str
    chunk: int
    max_tokens: int
    system_prompt: str | None
    device: str
    dtype: str
    confidence: float
    seed: int
    prompt_init: str = VOCABULARY
    layers: bool = False


@dataclass(frozen=True)
class Methods:
    """Case II of each method, in the order asked for, and what all of them were computed on."""

    results: list[CaseTwo]
    settings: Settings
    max_tokens: int
    truncated: dict[str, int]
    device: str
    dtype: str


def check(settings: Settings) -> None:
    """Refuse what cannot work before any weight is read. Raises UserError."""
    devices_for(settings.device)
    check_import(settings.model, settings.adapter)


def devices_for(device: str) -> list[Any]:
    """The JAX devices that ``--device`` means.

    Raises:
        UserError: JAX sees no CUDA device.
    """
    if device == "auto":
        return list(jax.devices())
    try:
        return list(jax.devices({"cuda": "gpu"}.get(device, device)))
    except RuntimeError as error:
        raise UserError("--device cuda: JAX sees no CUDA device; install jax[cuda12], or use --device cpu") from error


def rows_read(settings: Settings) -> tuple[int, int]:
    """How many rows of each source Case II looks at, and the most tokens of each."""
    budget = BUDGETS[settings.curvature]
    return max(budget.rows, budget.offset_rows), min(budget.tokens, settings.max_tokens)


def texts_of(sources: Mapping[str, Source], tokenizer: Any, settings: Settings) -> dict[str, list[Rendered]]:
    """The rows that Case II looks at, by role."""
    rows, length = rows_read(settings)
    return {role: _rendered(source, tokenizer, rows, length, settings) for role, source in sources.items()}


def run_methods(
    texts: Mapping[str, Sequence[Rendered]],
    information: Sequence[tuple[float, Bound]],
    settings: Settings,
    *,
    same_source: bool,
    progress: Callable[[str], None] = lambda step: None,
) -> Methods:
    """Import the model once, then Case II of every method on the same rows.

    Args:
        texts: by role (alignment, proxy, capability), in random order; see :func:`rows_read`.
        same_source: alignment and proxy are the same data.
        information: λ and Case I's prediction of the least G_f + λ Ĝ_s.

    Raises:
        UserError: see `case_two`, `import_model` and `devices_for`.
    """
    budget = BUDGETS[settings.curvature]
    devices = devices_for(settings.device)
    platform = devices[0].platform
    # On a CPU, XLA multiplies bfloat16 more slowly than float32, and less exactly.
    dtype = ("float32" if platform == "cpu" else "bfloat16") if settings.dtype == "auto" else settings.dtype
    progress("reading the model's weights")
    imported = import_model(
        settings.model, dtype, settings.peft, adapter=settings.adapter, seed=settings.seed,
        prompt_init=settings.prompt_init,
    )  # fmt: skip
    params = import_params(imported.config, imported.state, dtype, devices)
    imported.state.clear()  # a second copy of the weights
    shape = common_shape(list(texts.values()), min(settings.chunk, budget.rows))
    results = [
        case_two(
            adapt(imported.config, config, params, tensors, shape, devices=devices, fresh=settings.adapter is None),
            texts, information, radii=settings.radius, budget=budget,
            same_source=same_source,
            confidence=settings.confidence, seed=settings.seed, layers=settings.layers, progress=progress,
        )
        for config, tensors in imported.adapters
    ]  # fmt: skip
    truncated = {role: sum(text.truncated for text in rows[: budget.rows]) for role, rows in texts.items()}
    return Methods(results, settings, rows_read(settings)[1], truncated, platform, dtype)


def _rendered(source: Source, tokenizer: Any, rows: int, length: int, settings: Settings) -> list[Rendered]:
    # In random order: files are often sorted, and the first rows carry the curvature.
    order = np.random.default_rng(settings.seed).permutation(len(source.rows))[:rows]
    return render_all(
        tokenizer, [source.rows[i] for i in order], system_prompt=settings.system_prompt, max_tokens=length
    )
