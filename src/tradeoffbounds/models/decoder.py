"""One Flax decoder for Llama, Mistral, Qwen2 and Gemma, with adapters as variables of their own.

Layers are scanned, so that a model compiles in the time of one layer, and rematerialised, so that a backward
pass keeps little of each. Base weights are the collection ``params``; the
adapter is the collection ``adapter``, in which alone a loss is differentiated. Texts are padded on the right:
behind a causal mask no token sees a pad, so there is no padding mask.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from tradeoffbounds.models.adapter_config import AdapterConfig
from tradeoffbounds.models.decoder_config import DecoderConfig
from tradeoffbounds.models.rotary import angles, rotate

_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "silu": jax.nn.silu,
    "gelu": partial(jax.nn.gelu, approximate=False),
    "gelu_pytorch_tanh": partial(jax.nn.gelu, approximate=True),
}


class Linear(nn.Module):
    """y = W x (+ b), with LoRA or IA3 where the adapter has variables for it."""

    features: int
    use_bias: bool
    lora_scale: float

    @nn.compact
    def __call__(self, x: Array) -> Array:
        weight = self.param("weight", nn.initializers.normal(0.02), (self.features, x.shape[-1]))
        if self.has_variable("adapter", "ia3_input"):
            x = x * self._adapter("ia3_input", x)
        y = jnp.einsum("...i,oi->...o", x, weight)
        if self.use_bias:
            y = y + self.param("bias", nn.initializers.zeros, (self.features,))
        if self.has_variable("adapter", "lora_A"):
            inner = jnp.einsum("...i,ri->...r", x, self._adapter("lora_A", x))
            y = y + self.lora_scale * jnp.einsum("...r,or->...o", inner, self._adapter("lora_B", x))
        if self.has_variable("adapter", "ia3_output"):
            y = y * self._adapter("ia3_output", x)
        return y

    def _adapter(self, name: str, x: Array) -> Array:
        """An adapter's parameter; kept in float32, computed with in the type of the states."""
        return self.get_variable("adapter", name).astype(x.dtype)


class RMSNorm(nn.Module):
    """Root-mean-square norm (Zhang and Sennrich, arXiv:1910.07467), in float32."""

    config: DecoderConfig

    @nn.compact
    def __call__(self, x: Array) -> Array:
        weight = self.param("weight", nn.initializers.ones, (self.config.hidden_size,))
        wide = x.astype(jnp.float32)
        wide = wide * jax.lax.rsqrt(jnp.mean(wide * wide, axis=-1, keepdims=True) + self.config.norm_eps)
        if self.config.gemma:
            return (wide * (1.0 + weight.astype(jnp.float32))).astype(x.dtype)
        return weight * wide.astype(x.dtype)


class Attention(nn.Module):
    """Causal self-attention with grouped keys and values and rotary positions."""

    config: DecoderConfig
    lora_scale: float

    @nn.compact
    def __call__(self, x: Array, rope: tuple[Array, Array]) -> Array:
        config = self.config

        def heads(name: str, count: int) -> Array:
            states = Linear(count * config.head_dim, config.qkv_bias, self.lora_scale, name=name)(x)
            return states.reshape(*x.shape[:-1], count, config.head_dim)

        query, key = (rotate(heads(n, h), *rope) for n, h in (("q_proj", config.heads), ("k_proj", config.kv_heads)))
        mixed = jax.nn.dot_product_attention(
            query, key, heads("v_proj", config.kv_heads), is_causal=True,
            local_window_size=None if config.sliding_window is None else (config.sliding_window - 1, 0),
            implementation="xla",  # the one that can be differentiated twice
        )  # fmt: skip
        mixed = mixed.reshape(*x.shape[:-1], config.heads * config.head_dim)
        return Linear(config.hidden_size, config.output_bias, self.lora_scale, name="o_proj")(mixed)


class FeedForward(nn.Module):
    """Gated feed-forward layer (Shazeer, arXiv:2002.05202)."""

    config: DecoderConfig
    lora_scale: float

    @nn.compact
    def __call__(self, x: Array) -> Array:
        config = self.config
        linear = partial(Linear, use_bias=config.mlp_bias, lora_scale=self.lora_scale)
        gate = _ACTIVATIONS[config.activation](linear(config.intermediate_size, name="gate_proj")(x))
        up = linear(config.intermediate_size, name="up_proj")(x)
        return linear(config.hidden_size, name="down_proj")(gate * up)


class Block(nn.Module):
    """One layer, in the form that `nn.scan` takes: states go through, nothing is collected."""

    config: DecoderConfig
    lora_scale: float

    @nn.compact
    def __call__(self, x: Array, rope: tuple[Array, Array]) -> tuple[Array, None]:
        normed = RMSNorm(self.config, name="input_layernorm")(x)
        x = x + Attention(self.config, self.lora_scale, name="self_attn")(normed, rope)
        normed = RMSNorm(self.config, name="post_attention_layernorm")(x)
        return x + FeedForward(self.config, self.lora_scale, name="mlp")(normed), None


class VirtualTokens(nn.Module):
    """Rows put before the prompt: themselves the parameters (prompt tuning), or behind an encoder (P-tuning)."""

    @nn.compact
    def __call__(self) -> Float[Array, " v h"]:
        rows: Array = self.get_variable("adapter", "embedding")
        layer = 0
        while self.has_variable("adapter", f"weight_{layer}"):
            rows = jax.nn.relu(rows) if layer else rows
            rows = rows @ self.get_variable("adapter", f"weight_{layer}").T
            rows = rows + self.get_variable("adapter", f"bias_{layer}")
            layer += 1
        return rows


class Decoder(nn.Module):
    """The language model. Its computations run in the type of the base weights.

    Attributes:
        adapter: what the collection ``adapter`` holds; None for the bare model.
        keep: what of a layer is kept for the backward pass, the rest being computed again: its input alone
            (``states``), also the results of its matrix products (``products``, four fifths of the time for
            more than twice the memory), or ``everything``.
    """

    config: DecoderConfig
    adapter: AdapterConfig | None = None
    keep: Literal["states", "products", "everything"] = "products"

    def setup(self) -> None:
        config = self.config
        init = nn.initializers.normal(0.02)
        self.embed_tokens = self.param("embed_tokens", init, (config.vocab_size, config.hidden_size))
        if not config.tied_head:
            self.lm_head = self.param("lm_head", init, (config.vocab_size, config.hidden_size))
        block = Block
        if self.keep != "everything":
            policy = jax.checkpoint_policies.dots_with_no_batch_dims_saveable if self.keep == "products" else None
            block = nn.remat(Block, prevent_cse=False, policy=policy)  # prevent_cse is needed only outside a scan
        self.layers = nn.scan(
            block, variable_axes={"params": 0, "adapter": 0}, split_rngs={"params": True}, in_axes=nn.broadcast,
            length=config.layers,
        )(config, self.adapter.scale if self.adapter else 0.0)  # fmt: skip
        self.norm = RMSNorm(config)
        self.prompt = VirtualTokens()

    def states(self, tokens: Int[Array, " b t"]) -> Float[Array, " b t h"]:
        """Final hidden states of the text's own tokens, after the norm; virtual tokens are read first and dropped."""
        x = self.embed_tokens[tokens]
        if self.config.gemma:
            x = x * jnp.asarray(math.sqrt(self.config.hidden_size), x.dtype)
        virtual = self.adapter.virtual_tokens if self.adapter else 0
        if virtual:
            prompt = jnp.broadcast_to(self.prompt().astype(x.dtype), (len(tokens), virtual, x.shape[-1]))
            x = jnp.concatenate([prompt, x], axis=1)
        x, _ = self.layers(x, angles(self.config.rope, x.shape[1], self.config.head_dim))
        return self.norm(x)[:, virtual:]

    def logits(self, states: Float[Array, " ... h"]) -> Float[Array, " ... v"]:
        """Scores of the next token."""
        head = self.embed_tokens if self.config.tied_head else self.lm_head
        logits = jnp.einsum("...h,vh->...v", states, head)
        if self.has_variable("adapter", "head"):
            logits = logits + jnp.einsum(
                "...h,vh->...v", states, self.get_variable("adapter", "head").astype(states.dtype)
            )
        return logits

    def __call__(self, tokens: Int[Array, " b t"]) -> Float[Array, " b t v"]:
        """Scores of the token after each of ``tokens``."""
        return self.logits(self.states(tokens))


def variables(params: Any, adapter: Any | None = None) -> dict[str, Any]:
    """What `Decoder.apply` takes: base weights and, where there is one, the adapter."""
    return {"params": params} | ({} if adapter is None else {"adapter": adapter})
