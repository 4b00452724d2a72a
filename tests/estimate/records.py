"""Small sources on disk, and how to walk a record of `estimate`."""

from __future__ import annotations

import json
import math

import numpy as np

SAFETY = "refuse harm calm kind doctor police advice listen careful protect warn gentle"
CODE = "python function return loop array compile index variable class import lambda sort"
COMMON = "the a what how is in of to for and"
PENALTIES = (1e-6, 0.5, 1.0, 1e6)
Q = {"value", "unit", "kind", "side", "interval", "confidence", "method", "assumptions", "theorem"}
KINDS = {"certified", "estimated", "predicted", "measured"}


def write_rows(path, words, seed, n=40):
    rng = np.random.default_rng(seed)
    known = f"{words} {COMMON}".split()
    rows = [{"prompt": " ".join(rng.choice(known, 8)), "response": " ".join(rng.choice(known, 12))} for _ in range(n)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def quantities(node, path=""):
    """Every Q below, with its place."""
    if isinstance(node, dict):
        if "kind" in node:
            yield path, node
        else:
            for name, item in node.items():
                yield from quantities(item, f"{path}/{name}")
    elif isinstance(node, list):
        for i, item in enumerate(node):
            yield from quantities(item, f"{path}[{i}]")


def row_at(record, penalty):
    (row,) = (row for row in record["loss_constraint"] if row["penalty"] == penalty)
    return row


def trivial_total(penalty):
    """(1+λ) times the entropy, in nats, of a coin that shows heads once in 1+λ."""
    return math.log1p(penalty) + penalty * math.log1p(1 / penalty)


def without_out(record):
    """A record but for the folder it was written to."""
    return record | {"config": {name: value for name, value in record["config"].items() if name != "out"}}
