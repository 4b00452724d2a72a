"""Reading what a sweep wrote."""

from __future__ import annotations

from .conftest import read_json


def runs_of(result, **config):
    return [run for run in result.record["runs"] if config.items() <= run["config"].items()]


def value(quantity):
    return quantity["value"]


def run_files(result):
    """Job id -> what it wrote."""
    return {path.parent.name: read_json(path) for path in (result.out / "runs").glob("*/run.json")}
