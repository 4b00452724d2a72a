"""Rows as trainers take them: nothing of the response is lost, nothing of the prompt is learned."""

import numpy as np
import pytest

from tradeoffbounds.finetune.rows import IGNORED, Pair, Text, batch_at, collate, dpo_rows, sft_rows

from .lessons import texts


def test_the_response_alone_is_learned():
    assert sft_rows([Text((5, 6), (7, 0))]) == [
        {"input_ids": [5, 6, 7, 0], "labels": [IGNORED, IGNORED, 7, 0]},
    ]


def test_padding_is_on_the_right_ignored_and_masked_and_token_0_is_not():
    batch = collate(sft_rows([Text((5, 0), (0,)), Text((3,), (0, 8, 0, 0))]))
    assert batch["input_ids"].tolist() == [[5, 0, 0, 0, 0], [3, 0, 8, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert batch["labels"].tolist() == [[IGNORED, IGNORED, 0, IGNORED, IGNORED], [IGNORED, 0, 8, 0, 0]]


def test_every_label_is_the_token_at_its_place():
    rows = texts(20, seed=0)
    batch = collate(sft_rows(rows))
    learned = batch["labels"] != IGNORED
    assert learned.sum(dim=1).tolist() == [len(row.response) for row in rows]
    assert (batch["labels"][learned] == batch["input_ids"][learned]).all()
    assert batch["attention_mask"].sum(dim=1).tolist() == [len(row.prefix) + len(row.response) for row in rows]


def test_pairs_have_the_columns_of_tokenised_preferences():
    (row,) = dpo_rows([Pair((1, 2), (3, 0), (4,))])
    assert row == {"prompt_ids": [1, 2], "chosen_ids": [3, 0], "rejected_ids": [4]}


# The stream of batches


@pytest.mark.parametrize(("rows", "batch"), [(5, 2), (4, 4), (3, 8), (1, 3)])
def test_every_epoch_has_every_row_once(rows, batch):
    stream = np.concatenate([batch_at(step, rows=rows, batch=batch, seed=7) for step in range(3 * rows)])
    epochs = stream.reshape(-1, rows)
    assert len(epochs) == 3 * batch
    assert (np.sort(epochs, axis=1) == np.arange(rows)).all()


def test_a_step_has_the_same_rows_whatever_was_asked_before():
    asked = {step: batch_at(step, rows=9, batch=4, seed=3) for step in (5, 0, 2)}
    assert asked == {step: batch_at(step, rows=9, batch=4, seed=3) for step in (0, 2, 5)}
    assert all(isinstance(i, int) for i in asked[0])


def test_epochs_and_seeds_differ_in_their_order():
    orders = {tuple(batch_at(step, rows=8, batch=8, seed=seed)) for step in range(3) for seed in range(3)}
    assert len(orders) == 9
