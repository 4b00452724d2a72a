"""Processes that share the rows all know all losses, whatever the number of rows and of processes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tradeoffbounds.finetune import watch
from tradeoffbounds.finetune.gaps import row_losses
from tradeoffbounds.finetune.watch import losses_of

from .trainings import SAFETY, own_model, texts


@pytest.mark.parametrize("processes", [1, 2, 4, 7])
def test_every_process_has_the_losses_of_all_rows_in_their_order(processes, start, monkeypatch):
    model, rows = own_model(start).eval(), texts(start, SAFETY)
    whole = row_losses(model, rows)
    asked: list[int] = []
    monkeypatch.setattr(watch, "row_losses", lambda model, own: asked.append(len(own)) or row_losses(model, own))
    shares = [row_losses(model, rows[first::processes]) for first in range(processes)]
    monkeypatch.setattr("accelerate.utils.gather_object", lambda own: shares)
    for process in range(processes):
        found = losses_of(model, rows, SimpleNamespace(process_index=process, num_processes=processes))
        np.testing.assert_allclose(found, whole, rtol=1e-5)
    assert sum(asked) == len(rows) and max(asked) == -(-len(rows) // processes)
