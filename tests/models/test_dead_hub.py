"""A model of the hub while nobody answers there: told within seconds, or read from the hub's cache without asking."""

import pytest
import torch

from tradeoffbounds import hub_access
from tradeoffbounds.errors import UserError
from tradeoffbounds.models.load import check_model, load_model, load_tokenizer

from .refusals import ON_CPU


@pytest.fixture(autouse=True)
def dead_hub(monkeypatch):
    """Nobody answers; whoever looks for a host fails the test."""

    class Dead:
        def model_info(self, repository, timeout):
            raise ConnectionError("no route to host")

    asked = []
    monkeypatch.setattr("huggingface_hub.HfApi", Dead)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY", True)  # the client's own, once a process
    monkeypatch.setattr(hub_access._Reach, "lost", None)
    monkeypatch.setattr("socket.getaddrinfo", lambda *address, **_: asked.append(address))
    yield
    assert not asked


@pytest.mark.parametrize("call", [check_model, load_tokenizer, lambda spec: load_model(spec, ON_CPU)])
def test_a_dead_hub_is_told_at_once(call):
    with pytest.raises(UserError, match=r"^--model owner/name: no such folder, .* \(no route to host\); give `emb"):
        call("owner/name")


@pytest.mark.usefixtures("on_hub")
def test_what_the_hubs_cache_has_is_read_without_asking(tiny_model):
    check_model("owner/name")
    assert load_tokenizer("owner/name").chat_template
    assert torch.equal(load_model("owner/name", ON_CPU).lm_head.weight, tiny_model.lm_head.weight)
