"""Whether the Hugging Face hub can be reached, and has what is asked for.

A machine without a network must learn that in a few seconds and once, so every use starts with a probe under a
deadline, and a hub found out of reach stays so for the rest of the process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Literal

from tradeoffbounds.errors import first_line

REQUEST_SECONDS = 2.0
PROBE_SECONDS = 3.0  # a name server that never answers is outside the request's own timeout


class HubUnavailable(Exception):
    """The hub, or this repository on it, cannot be had; the message says why in a few words."""


class HubUnreachable(HubUnavailable):
    """The hub itself: offline mode, or nobody answers."""


class _Reach:
    """What this process has learned of the network so far."""

    lost: str | None = None


def probe(repository: str, kind: Literal["dataset", "model"]) -> None:
    """Ask the hub for the repository's entry, within `PROBE_SECONDS`.

    Raises:
        HubUnreachable: offline mode, or no network.
        HubUnavailable: no repository has such a name, or the hub answers that it is missing, private or gated.
    """
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # public, by its documentation

    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise HubUnavailable(first_line(error)) from error
    if _Reach.lost is not None:
        raise HubUnreachable(_Reach.lost)
    if constants.HF_HUB_OFFLINE:
        raise HubUnreachable("offline mode (HF_HUB_OFFLINE)")
    ask: Callable[..., Any] = HfApi().dataset_info if kind == "dataset" else HfApi().model_info
    try:
        _within(PROBE_SECONDS, lambda: ask(repository, timeout=REQUEST_SECONDS))
    except HfHubHTTPError as error:
        raise HubUnavailable(first_line(error)) from error
    except Exception as error:
        # The client's transport errors share no public class across its versions; none is ours to mend.
        _Reach.lost = f"the hub cannot be reached ({first_line(error)})"
        raise HubUnreachable(_Reach.lost) from error


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
