"""Where trainings report to while they run, such as TensorBoard or W&B: transformers' own integrations, by name.

The names travel in the environment, not in a run's configuration: what is only looked at changes no run, and no
run's address.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tradeoffbounds.errors import UserError

VARIABLE = "TRADEOFFBOUNDS_REPORT_TO"
ALL, NONE = "all", "none"
#: In a run's folder, what TensorBoard reads; elsewhere it would go with the checkpoints when the run is finished.
REPORTS = "reports"
_TENSORBOARD = "TENSORBOARD_LOGGING_DIR"


def checked(names: Sequence[str]) -> tuple[str, ...]:
    """The integrations that are meant: ``all`` is those that are installed, ``none`` is none.

    Raises:
        UserError: transformers has no such integration, or its package is missing here.
    """
    if not names or tuple(names) == (NONE,):
        return ()
    from transformers.integrations import integration_utils

    here = list(integration_utils.get_available_reporting_integrations())
    here += [name for name, package in (("flyte", "flytekit"), ("azure_ml", "azureml")) if _installed(package)]
    if tuple(names) == (ALL,):
        return tuple(dict.fromkeys(here))
    for name in names:
        if name not in integration_utils.INTEGRATION_TO_CALLBACK:
            known = ", ".join((*sorted(integration_utils.INTEGRATION_TO_CALLBACK), f"{ALL} and {NONE}, each alone"))
            raise UserError(f"cannot report to {name!r}; expected {known}")
        if name not in here:
            raise UserError(f"cannot report to {name}: its package is missing here; install it, or leave it out")
    return tuple(dict.fromkeys(names))


@contextmanager
def reporting(names: Sequence[str]) -> Iterator[None]:
    """Trainings inside, of this process and of those that it starts, report to these; without names, as before."""
    before = os.environ.get(VARIABLE)
    if names:
        os.environ[VARIABLE] = ",".join(names)
    try:
        yield
    finally:
        _put_back(VARIABLE, before)


def asked_for() -> list[str]:
    """What trainings of this process report to.

    Raises:
        UserError: as `checked`: the variable may have been set by hand, as on the workers of a cluster.
    """
    return list(checked([name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()]))


@contextmanager
def written_into(work: Path) -> Iterator[None]:
    """Trainers made inside write for TensorBoard into the run's folder, unless the user has named another."""
    before = os.environ.get(_TENSORBOARD)
    os.environ[_TENSORBOARD] = before or str(work / REPORTS)
    try:
        yield
    finally:
        _put_back(_TENSORBOARD, before)


def _put_back(variable: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(variable, None)
    else:
        os.environ[variable] = value


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
