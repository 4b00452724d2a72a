"""A pilot: KL(μ‖μ̂) from two quickly tuned adapters, where classifiers saturate near log n."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tradeoffbounds.bounds import theorem1
from tradeoffbounds.bounds.bound import Bound
from tradeoffbounds.bounds.confidence import bootstrap_means, percentile_interval
from tradeoffbounds.finetune.gaps import row_losses
from tradeoffbounds.finetune.material import split_rows
from tradeoffbounds.finetune.rows import Text, texts_of
from tradeoffbounds.finetune.train import Lesson, train
from tradeoffbounds.finetune.training import Training
from tradeoffbounds.models.load import Placement
from tradeoffbounds.overlap.features import Reader
from tradeoffbounds.sources import Source

STEPS = 60
_RESAMPLES = 1000
_STATUS = (
    "from two adapters tuned for {steps} steps on {rows} rows: each model's own distance from its source is in it with "
    "opposite signs, so this bounds nothing"
)


@dataclass(frozen=True)
class Pilot:
    """What two adapters say of the alignment source's responses under the proxy's.

    Attributes:
        response_kl: E_{x~D} KL(μ(x)‖μ̂(x)), estimated on held-out alignment rows.
    """

    response_kl: Bound

    def refined(self, prompt_cost: Bound) -> Bound:
        """Theorem 1, refined, with this in the place of the classifiers' divergence."""
        return theorem1.refined(self.response_kl, prompt_cost).as_estimate(self.response_kl.status)


def pilot(
    reader: Reader, alignment: Source, proxy: Source, placement: Placement, *, confidence: float, seed: int,
    steps: int | None = None, progress: Callable[[str], None] = lambda step: None,
) -> Pilot:  # fmt: skip
    """Tune LoRA on three quarters of the alignment rows, and LoRA on the proxy rows; compare on the other quarter.

    Args:
        steps: of each; None for :data:`STEPS`.
    """
    steps = steps or STEPS
    held_out, train_rows = split_rows(alignment, (len(alignment.rows) // 4, len(alignment.rows)), seed)
    test = _read(reader, held_out)
    losses = []
    for name, source in (("alignment", train_rows), ("proxy", proxy)):
        progress(f"pilot: tuning on the {name}")
        training = Training(steps=steps, seed=seed, every=steps)
        with tempfile.TemporaryDirectory() as work:
            trained = train(reader.spec, training, Lesson(_read(reader, source)), Path(work), placement)
        losses.append(row_losses(trained.model.float(), test))
    differences = losses[1] - losses[0]
    ends = percentile_interval(bootstrap_means(differences[:, None], resamples=_RESAMPLES, seed=seed), confidence)
    value, low, high = (max(float(each), 0.0) for each in (differences.mean(), *(end[0] for end in ends)))
    status = _STATUS.format(steps=steps, rows=min(len(train_rows.rows), len(proxy.rows)))
    return Pilot(
        Bound(
            value, "estimated", interval=(min(low, value), max(high, value)), confidence=confidence, status=status,
            method=f"log-likelihood ratio of two adapters over {len(test)} held-out rows, bootstrap",
            assumptions=("iid",), theorem="E_D KL(mu|mu_hat), pilot",
        )
    )  # fmt: skip


def _read(reader: Reader, source: Source) -> tuple[Text, ...]:
    return texts_of(reader.tokenizer, source, system_prompt=reader.system_prompt, max_tokens=reader.max_tokens)
