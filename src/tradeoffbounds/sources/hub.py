"""The first rows of a data set on the Hugging Face hub."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from itertools import islice
from typing import Any

from tradeoffbounds.errors import UserError, first_line
from tradeoffbounds.hub_access import HubUnavailable, probe
from tradeoffbounds.sources.columns import Record

STALL_SECONDS = 45.0  # without one more row; `datasets` itself tries again for minutes


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
    probe(hub, "dataset")
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
