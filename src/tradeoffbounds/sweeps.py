"""Sweeps: many jobs, each done once, whatever is killed meanwhile and however many processes share the work."""

from __future__ import annotations

import copy
import importlib
import json
import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from filelock import FileLock, Timeout

from tradeoffbounds.errors import UserError
from tradeoffbounds.runs import content_hash, full_disk, open_run_folder, remove_partial, write_json

Engine = Literal["local", "ray"]

#: What a job is, in its work folder and in its finished one. The name is not the job function's to use.
JOB_FILE = "job.json"
#: Lock files stay there: to delete one is to let a process lock the deleted file while another makes a new one.
_LOCKS = ".locks"
#: Between two looks at jobs that other processes hold.
_LOOK_AGAIN_SECONDS = 0.5
_KNOCK_SECONDS = 10
_FUNCTION = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
_JSON_HINT = "give text, finite numbers, true, false, null, and lists and mappings of them"


@dataclass(frozen=True)
class Job:
    """One call ``function(config, work)``, to which its content is its address.

    ``config`` is kept as JSON reads it back, keys in order of the alphabet, so that what the function is given depends
    on the address alone: tuples are lists, and the order of keys is nobody's to rely on.

    Raises:
        UserError: ``function`` is no ``package.module:function``, or ``config`` no JSON.
    """

    function: str
    config: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not _FUNCTION.fullmatch(self.function):
            raise UserError(f"job function {self.function!r}: expected package.module:function")
        try:
            text = json.dumps(self.config, sort_keys=True, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise UserError(f"config of {self.function} is not JSON: {error}; {_JSON_HINT}") from error
        object.__setattr__(self, "config", json.loads(text))

    @property
    def id(self) -> str:
        """16 hexadecimal digits of the hash of function and config."""
        return content_hash(self.function, self.config)[:16]


def run_jobs(
    jobs: Sequence[Job],
    folder: Path,
    *,
    engine: Engine = "local",
    address: str | None = None,
    progress: Callable[[str, int, int], None] = lambda what, more, total: None,
) -> dict[str, Path]:
    """Finish every job, and return its folder ``folder/<id>`` by its id, in the order of ``jobs``.

    The function of a job writes into its work folder ``folder/.work-<id>``, which becomes ``folder/<id>`` in one step
    when the function returns; `JOB_FILE` in it says what the job was. A finished job is never done again, and equal
    jobs are done once. A work folder outlives a failure or a kill, even one just before the function returns, and the
    next call hands it to the function again as it is: what the function keeps there is what it can resume from.
    Several processes, on several machines too, may work on one folder: a job that another process holds is left for
    the end, and taken over should that process die.

    Across machines, with engine ``ray`` on a cluster above all, ``folder`` must be at the same path on a file system
    that all of them share and whose locks (flock) hold between machines; the functions must be installed on all.

    Args:
        engine: ``local``, one job after the other in this process, or ``ray``, one Ray task a job, with a GPU each
            where the cluster has any.
        address: of a Ray cluster that is running (``auto``: the one of this machine); None starts one here, for as
            long as the sweep lasts. A connection that is open already is used instead, and left open.
        progress: called with a label, how many more jobs are over and how many there are.

    Raises:
        UserError: a wrong call, or jobs that failed, all by a `UserError`.
        RuntimeError: jobs failed otherwise. Either is raised when all other jobs are finished, names every job that
            failed, and has as its cause the first error, of those that are no `UserError` if there is one.
    """
    if engine not in get_args(Engine):
        raise UserError(f"engine {engine!r} is unknown; expected {' or '.join(get_args(Engine))}")
    if engine == "local" and address is not None:
        raise UserError(f"address {address!r} is of no use to engine local; give engine ray with it")
    unique = {job.id: job for job in jobs}
    for function in dict.fromkeys(job.function for job in unique.values()):
        _resolve(function)  # before anything costly has begun
    open_run_folder(open_run_folder(folder) / _LOCKS)
    for job in unique.values():
        for place in (folder / job.id, _work_folder(folder, job)):
            if place.exists() and not place.is_dir():
                raise UserError(
                    f"{place}: a file is where a job's folder is to be; remove it, or choose another folder"
                )

    pending = [job for job in unique.values() if not (folder / job.id).is_dir()]
    progress("jobs", len(unique) - len(pending), len(unique))
    errors: dict[str, Exception] = {}
    # Nothing pending needs no cluster.
    with _ray(address) if engine == "ray" and pending else nullcontext(_one_by_one) as attempt_each:
        while pending:
            held = []
            for job, outcome in attempt_each(pending, folder.absolute()):
                if outcome is False:
                    held.append(job)
                    continue
                if isinstance(outcome, Exception):
                    errors[job.id] = outcome
                progress("jobs", 1, len(unique))
            if len(held) == len(pending):
                time.sleep(_LOOK_AGAIN_SECONDS)
            pending = held
    if errors:
        raise _failure({id: errors[id] for id in unique if id in errors}, len(unique))
    return {id: folder / id for id in unique}


def _attempt(job: Job, folder: Path) -> bool:
    """Finish the job, or leave it (False) to the process that holds it. Every engine calls this one."""
    finished, work = folder / job.id, _work_folder(folder, job)
    # Held by this process, not by a file: the lock of a process that dies is free.
    lock = FileLock(folder / _LOCKS / f"{job.id}.lock")
    try:
        held = lock.acquire(blocking=False)
    except Timeout:
        return False
    with held:
        if not finished.is_dir():  # the process that held the lock before may have finished the job
            try:
                work.mkdir(exist_ok=True)
                remove_partial(work)  # of a process that was killed
                write_json(work / JOB_FILE, {"function": job.function, "config": job.config, "id": job.id})
                _resolve(job.function)(copy.deepcopy(job.config), work)
            except Exception as error:
                if isinstance(error, UserError) or (reason := full_disk(error)) is None:
                    raise
                raise UserError(f"{reason}: free some space, then call again; what is finished is kept") from error
            work.rename(finished)
    return True


def _work_folder(folder: Path, job: Job) -> Path:
    return folder / f".work-{job.id}"


def _resolve(function: str) -> Callable[[Mapping[str, Any], Path], None]:
    name, _, attribute = function.partition(":")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # the module is there, something that it imports is not
        raise UserError(f"job function {function!r}: there is no module {error.name}") from error
    found = getattr(module, attribute, None)
    if not callable(found):
        raise UserError(f"job function {function!r}: {name} has no function {attribute}")
    return found


# Engines: each yields the jobs as they are over, with what `_attempt` returned or the error that it raised.

_Outcomes = Iterator[tuple[Job, bool | Exception]]


def _one_by_one(jobs: Iterable[Job], folder: Path) -> _Outcomes:
    for job in jobs:
        outcome: bool | Exception
        try:
            outcome = _attempt(job, folder)
        except Exception as error:  # noqa: BLE001  # raised when the other jobs are finished
            outcome = error
        yield job, outcome


@contextmanager
def _ray(address: str | None) -> Iterator[Callable[[Iterable[Job], Path], _Outcomes]]:
    try:
        ray = importlib.import_module("ray")
    except ModuleNotFoundError as error:
        raise UserError("engine ray needs Ray: pip install 'tradeoffbounds[distributed]'") from error
    start = not ray.is_initialized()
    if start:
        try:
            if address is not None:
                _knock(address)
            # "local" because Ray would take None for whichever cluster it finds.
            ray.init(address="local" if address is None else address)
        except (OSError, ValueError, OverflowError) as error:
            raise UserError(
                f"no Ray cluster answers at {address!r} ({_reason(error)}); start one with ray start --head, and set "
                "RAY_AUTH_MODE=token if it asks for its token"
            ) from error
    # A task that finds no job to do, since another process holds it, gives its GPU back at once.
    attempt = ray.remote(num_gpus=min(1, int(ray.cluster_resources().get("GPU", 0))))(_attempt)

    def attempt_each(jobs: Iterable[Job], folder: Path) -> _Outcomes:
        tasks = {attempt.remote(job, folder): job for job in jobs}
        while tasks:
            (task,), _ = ray.wait(list(tasks), num_returns=1)
            outcome: bool | Exception
            try:
                outcome = ray.get(task)
            except ray.exceptions.RayTaskError as error:
                error.cause.add_note(str(error))  # the traceback, which an error leaves behind with its worker
                outcome = error.cause
            except ray.exceptions.RayError as error:
                outcome = error
            yield tasks.pop(task), outcome

    try:
        yield attempt_each
    finally:
        if start:
            ray.shutdown()


def _knock(address: str) -> None:
    """Prove that something listens at ``host:port``: Ray itself tries for a quarter of an hour."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_SECONDS).close()


def _failure(errors: Mapping[str, Exception], total: int) -> Exception:
    """One error for all that failed, the first as its cause; a defect comes before a wrong call."""
    first = next((error for error in errors.values() if not isinstance(error, UserError)), None)
    ids: dict[str, list[str]] = {}
    for id, error in errors.items():
        ids.setdefault(_reason(error), []).append(id)
    reasons = "; ".join(f"{', '.join(failed)}: {reason}" for reason, failed in ids.items())
    text = f"{len(errors)} of {total} jobs failed, the others are finished; {reasons}"
    failure = UserError(text) if first is None else RuntimeError(text)
    failure.__cause__ = first or next(iter(errors.values()))
    return failure


def _reason(error: Exception) -> str:
    """The first line of the message, after the error's type unless the message is for the user."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return line if isinstance(error, UserError) else f"{type(error).__name__}: {line}"
