"""The Hugging Face hub: whether it can be reached, and the first rows of a data set there.

A machine without a network must learn that in a few seconds and once, so every use starts with a probe
under a deadline, and a hub found out of reach stays so for the rest of the process.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from tradeoffbounds.errors import UserError, first_line
from tradeoffbounds.sources.columns import Record

REQUEST_SECONDS = 2.0
PROBE_SECONDS = 3.0  # a name server that never answers is outside the request's own timeout
STALL_SECONDS = 45.0  # without one more row; `datasets` itself tries again for minutes


class HubUnavailable(Exception):
    """The hub, or this data set on it, cannot be had; the message says why in a few words."""


class _Reach:
    """What this process has learned of the network so far."""

    lost: str | None = None


def stream(
    hub: str,
    *,
    config: str | None = None,
    file: str | None = None,
    split: str = "train",
    max_rows: int = 5000,
) -> list[Record]:
    """The first `max_rows` records of a split of the data set `hub`, streamed: nothing is stored.

    `file` names one .jsonl file of the repository to read instead of the data set's own layout. Never
    runs code from the hub: `datasets` refuses loading scripts and is not told otherwise.

    Raises:
        HubUnavailable: offline mode, no network, or the data set is missing, private or gated.
        UserError: the data set is there but cannot be read, for want of the split, say.
    """
    probe(hub)
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # the transport's base error

    where = f"hub data set {hub}"

    def rows() -> Iterator[Any]:
        if file is None:
            streamed = load_dataset(hub, config, split=split, streaming=True)
        else:
            streamed = load_dataset("json", data_files=f"hf://datasets/{hub}/{file}", split="train", streaming=True)
        # Else a column of pictures or sounds would be opened, at whatever path or address its rows name.
        yield from islice(streamed.decode(False), max_rows)

    try:
        return [Record(f"{where}, row {n}", row) for n, row in enumerate(_unstalled(rows()), start=1)]
    except (OSError, HTTPError) as error:
        raise HubUnavailable(first_line(error)) from error
    except (DatasetsError, ValueError, RuntimeError) as error:
        raise UserError(f"{where}: cannot be read: {first_line(error)}") from error


def probe(hub: str) -> None:
    """Ask the hub for the data set's entry, within `PROBE_SECONDS`.

    Raises:
        HubUnavailable: see `stream`.
    """
    if _Reach.lost is not None:
        raise HubUnavailable(_Reach.lost)
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError

    if constants.HF_HUB_OFFLINE:
        raise HubUnavailable("offline mode (HF_HUB_OFFLINE)")
    try:
        _within(PROBE_SECONDS, lambda: HfApi().dataset_info(hub, timeout=REQUEST_SECONDS))
    except HfHubHTTPError as error:  # the hub answered: this data set is missing, private or gated
        raise HubUnavailable(first_line(error)) from error
    except Exception as error:
        # The client's transport errors share no public class across its versions; none is ours to mend.
        _Reach.lost = f"the hub cannot be reached ({first_line(error)})"
        raise HubUnavailable(_Reach.lost) from error


def _unstalled(rows: Iterator[Any]) -> Iterator[Any]:
    """The same rows, read in a thread that is left behind when it brings none for `STALL_SECONDS`.

    Raises:
        HubUnavailable: it is.
    """
    brought: queue.Queue[tuple[str, Any]] = queue.Queue()

    def bring() -> None:
        try:
            for row in rows:
                brought.put(("row", row))
            brought.put(("end", None))
        except Exception as error:  # noqa: BLE001  # raised below, in the caller's thread
            brought.put(("error", error))

    threading.Thread(target=bring, daemon=True).start()
    while True:
        try:
            what, value = brought.get(timeout=STALL_SECONDS)
        except queue.Empty:
            raise HubUnavailable(f"the hub sent nothing for {STALL_SECONDS:g} s") from None
        if what == "end":
            return
        if what == "error":
            raise value
        yield value


def _within(seconds: float, call: Callable[[], Any]) -> None:
    """Run `call`, giving up after `seconds`; its thread is left behind rather than waited for."""
    failures: list[Exception] = []

    def run() -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001  # raised below, in the caller's thread
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(f"no answer in {seconds:g} s")
    if failures:
        raise failures[0]
