"""Calls that are to be refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tradeoffbounds.errors import UserError
from tradeoffbounds.models.load import Placement, load_model

ON_CPU = Placement("cpu", "float32")


def refused(call: Callable[..., Any], *arguments: Any) -> str:
    """The one line that a call is refused with."""
    with pytest.raises(UserError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def loaded(folder: Any) -> Any:
    """The model in a folder."""
    return load_model(str(folder), ON_CPU)
