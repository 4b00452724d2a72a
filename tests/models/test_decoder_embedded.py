"""A real model: the embedded one, where it is installed, with the same logits in the decoder and in transformers."""

import jax
import numpy as np
import pytest
import torch

from tradeoffbounds.curvature.adapted import adapt, import_params
from tradeoffbounds.curvature.response_loss import chunked, common_shape
from tradeoffbounds.errors import UserError
from tradeoffbounds.models.adapter_config import preset
from tradeoffbounds.models.decoder import Decoder, variables
from tradeoffbounds.models.decoder_config import DecoderConfig
from tradeoffbounds.models.embedded import check_installed
from tradeoffbounds.models.fresh_adapter import fresh_adapter
from tradeoffbounds.models.load import EMBEDDED, Placement, load_model, load_tokenizer
from tradeoffbounds.models.sampling import log_likelihoods
from tradeoffbounds.models.weights import model_settings, read_weights
from tradeoffbounds.sources import render

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("offline")]
CPU = jax.devices("cpu")[:1]
CONVERSATIONS = [
    ("What is the capital of France?", "The capital of France is Paris."),
    ("How do I boil an egg?", "Put it into boiling water, wait for eight minutes, and cool it under the tap."),
    ("Say hi.", "Hi!"),
]


def test_the_embedded_model_has_the_same_logits_and_losses():
    try:
        check_installed()
    except UserError as error:
        pytest.skip(str(error))
    model, tokenizer = load_model(EMBEDDED, Placement("cpu", "float32")), load_tokenizer(EMBEDDED)
    texts = [render(tokenizer, *each, system_prompt="Be brief.", max_tokens=96) for each in CONVERSATIONS]
    shape = common_shape([texts], chunk=2)
    tokens = chunked(texts, shape).tokens.reshape(-1, shape.length)
    config = DecoderConfig.from_transformers(model_settings(model))
    assert config.tied_head and (config.heads, config.kv_heads, config.layers) == (9, 3, 30)

    params = import_params(config, read_weights(model), "float32", CPU)
    logits = np.asarray(jax.jit(Decoder(config).apply)(variables(params), tokens))
    for row, text in zip(logits, texts, strict=False):
        with torch.inference_mode():
            theirs = model(input_ids=torch.tensor([text.ids])).logits[0].numpy()
        assert theirs.std() > 2
        np.testing.assert_allclose(row[: len(text.ids)], theirs, rtol=0, atol=5e-4)

    lora = preset("lora", config.hidden_size)
    ours = adapt(config, lora, params, fresh_adapter(model, lora, seed=0), shape, devices=CPU, fresh=True)
    spans = [text.response_span for text in texts]
    likelihoods = log_likelihoods(
        model,
        [text.ids[:first] for text, (first, _) in zip(texts, spans, strict=True)],
        [text.ids[first:last] for text, (first, last) in zip(texts, spans, strict=True)],
    )
    for losses in (ours.row_losses(texts), ours.base_row_losses(texts)):
        np.testing.assert_allclose(losses, -np.asarray(likelihoods), rtol=1e-4)
