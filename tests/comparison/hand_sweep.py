"""A finished sweep without any training: jobs of a real plan, and the rows that each would have written."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np

from tradeoffbounds.comparison.assemble import Results
from tradeoffbounds.comparison.foretell import Foresight
from tradeoffbounds.finetune.gather import Gathered
from tradeoffbounds.finetune.material import Material
from tradeoffbounds.finetune.plan import Shared, plan
from tradeoffbounds.finetune.rows import Text
from tradeoffbounds.finetune.training import Training
from tradeoffbounds.sources import Row, Source, content_sha256

from .foretold import ball, penalty_row, predicted

TEST_ROWS = 6
#: Tokens of the held-out responses: as many for every source as its place here, and one more for each row.
LABELS = ("alignment", "proxy: near", "proxy: far", "capability: code")
REFERENCE = Training("lora", steps=20, every=5, patience=3)
SHARED = Shared("aligned:0123", "base", "base@1", "eeee", "cpu", "float32", 1)


def gathered(*, teacher=False, same=()):
    """Sources of six held-out rows; labels in ``same`` are the alignment's data."""
    material, addresses, sources = {}, {}, {}
    for place, label in enumerate(LABELS):
        test = tuple(Text((1, 2), (3,) * (place + row + 1)) for row in range(TEST_ROWS))
        material[label] = Material(label, test[:2], test[:1], test)
        addresses[label] = "a0" if label in same else f"a{place}"
        rows = (Row(f"prompt of {label}", "answer"),)
        sources[label] = Source(label, "model" if teacher else "local", rows, content_sha256(rows), {})
    scored = {("A", "A"): np.zeros(TEST_ROWS)} if teacher else {}
    return Gathered(sources, material, addresses, scored, dict.fromkeys(LABELS, "A") if teacher else {})


def history_of(training):
    """Validation is best halfway for seed 1, at the end for others; distance and safety gradient of a few looks."""
    steps, seed = training["steps"], training["seed"]
    found = [{"step": 0, "distance": 0.0, "safety_loss": 4.0, "safety_gradient": 1.0}]
    for step in (steps // 2, steps):
        if training["patience"]:
            found.append({"step": step, "eval_loss": 1.0 if seed == 1 and step < steps else 2.0 + seed - step / 100})
        found.append({"step": step, "loss": 3.0})
        found.append({"step": step, "distance": 0.01 * step, "safety_loss": 5.0, "safety_gradient": 2.0})
    return found


def rows_of(job):
    """Losses by address, out of the job's own address, so that any two jobs differ on every row."""
    rng = np.random.default_rng(int(job.id, 16))
    return {address: rng.uniform(5, 9, TEST_ROWS) for address in job.config["measure"]}


def finish(sweep, folder, *, teacher=False):
    """Write what the jobs would have written; job id -> folder."""
    folders = {}
    for job in sweep.jobs:
        folders[job.id] = folder / job.id
        folders[job.id].mkdir(parents=True, exist_ok=True)
        training = job.config["training"]
        rows = {address: each.tolist() for address, each in rows_of(job).items()}
        record = {
            "config": job.config, "history": [] if training is None else history_of(training),
            "losses": rows, "kls": {address: [value / 10 for value in each] for address, each in rows.items()}
            if teacher else {},
        }  # fmt: skip
        (folders[job.id] / "run.json").write_text(json.dumps(record))
    return folders


def results(runs, folder, *, teacher=False, same=()):
    """The sweep of these runs, finished."""
    found = gathered(teacher=teacher, same=same)
    sweep = plan(runs, found.addresses, SHARED, beta=0.2, reference=None if teacher else REFERENCE)
    return Results(sweep, finish(sweep, folder, teacher=teacher), found)


def foresight():
    """Case I at 1 and 2 of both proxies, Case II of LoRA in two balls with what sharing costs at 1."""
    pairs = [(proxy, "code") for proxy in ("near", "far")]
    case_one = {
        pair: SimpleNamespace(penalties=[(1.0, penalty_row()), (2.0, penalty_row(1.5))], predicted_totals=[])
        for pair in pairs
    }
    sharing = [SimpleNamespace(penalty=1.0, cost=predicted(0.125))]
    curved = SimpleNamespace(method="lora", radii=[ball(0.1), ball(0.3, drift=0.5)], sharing=sharing)
    return Foresight(case_one, {pair: SimpleNamespace(results=[curved]) for pair in pairs})
