"""Values that are odd in the ways in which files and options are."""

from __future__ import annotations

import json

from hypothesis import strategies as st

#: Any text that a file can hold, and more often what has gone wrong before.
TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from([
        "", " ", "\0", "\n", "\r", "\r\n", "a\rb", "\u2028", "\x85", "\ufeff", "NA", "nan", "null", "1e999", "[red]",
        "[/x]", ":100:", "\x1b[31m", "$\\foo$", "\u202e", "😀" * 3, "e\u0301", '"', '""', ",", "'", "\\", "%s", "{0}",
        "x" * 3000, "~nobody", "../../x", "<|im_end|>",
    ]),
)  # fmt: skip
HALVES = st.sampled_from(["\ud800", "a\udfffb", "\udc80"])
NUMBERS = st.one_of(
    st.integers(), st.sampled_from([2**31, 2**63, 10**30, 10**400, -1, 0]), st.floats(),
    st.sampled_from([5e-324, 1e308, 1 - 2**-53, 0.5]),
)  # fmt: skip
SCALARS = st.one_of(TEXT, HALVES, NUMBERS, st.booleans(), st.none())


def nested(keys: st.SearchStrategy[str]) -> st.SearchStrategy[object]:
    """JSON of any shape, its keys drawn from ``keys`` or anything."""
    return st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys | TEXT, inner, max_size=4),
        max_leaves=8,
    )


def dumped(value: object) -> str:
    """As JSON, except for what JSON cannot say, which some files hold all the same (NaN, 1e999)."""
    return json.dumps(value, ensure_ascii=True)


#: Pieces that break a file of text.
PIECES = st.sampled_from([
    b"", b"\xff", b"\x00", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\\ud800", b"\\", b'"', b"{", b"}", b"[" * 1500,
    b'{"a":' * 1500,
    b"9" * 5000, b"-", b"1e999", b"NaN", b"Infinity", b"null", b"\r", b"\n", b"\n\n", b"\xc2\x85", b"\xe2\x80\xa8",
    b",", b"\t",
    b'"prompt": "again",', b'{"prompt": 1, "response": null}\n',
])  # fmt: skip


@st.composite
def spoilt(draw, whole: bytes) -> bytes:
    """A file of which pieces are cut out, put in or doubled, or whose encoding was changed."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(whole)))
        end = min(len(whole), start + draw(st.sampled_from([0, 0, 1, 7, 100, 10**6])))
        whole = whole[:start] + draw(PIECES | st.binary(max_size=4)) + whole[end:]
    change = draw(st.sampled_from([None] * 12 + ["utf-16", "utf-32", "latin", "bom", "cr", "crlf"]))
    if change in ("utf-16", "utf-32"):
        return whole.decode("latin-1").encode(change)
    if change == "latin":
        return whole + "é".encode("latin-1")
    if change == "bom":
        return b"\xef\xbb\xbf" + whole
    return whole.replace(b"\n", {"cr": b"\r", "crlf": b"\r\n"}.get(change, b"\n"))
