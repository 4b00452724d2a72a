"""Alignment, proxy and capability data: finding it, reading it, and writing it as a chat.

`load_source` turns what a user typed into a `Source` of prompts and responses; `render_all` turns its
rows into token ids with a model's own chat template. `load_preferences` keeps the rejected response of
every row beside them. Importing this package loads no model library.
"""

from tradeoffbounds.sources.chat import (
    Rendered,
    check_chat_template,
    render,
    render_all,
    template_sha256,
)
from tradeoffbounds.sources.load import Role, load_source
from tradeoffbounds.sources.preferences import load_preferences
from tradeoffbounds.sources.registry import BUNDLED, REGISTRY, Registered, source_names, suggest
from tradeoffbounds.sources.source import Row, Source, content_sha256, deduplicate

__all__ = [
    "BUNDLED",
    "REGISTRY",
    "Registered",
    "Rendered",
    "Role",
    "Row",
    "Source",
    "check_chat_template",
    "content_sha256",
    "deduplicate",
    "load_preferences",
    "load_source",
    "render",
    "render_all",
    "source_names",
    "suggest",
    "template_sha256",
]
