"""Rendering against `apply_chat_template` itself, on templates of three families and a small tokenizer."""

import pytest
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from tradeoffbounds.errors import UserError
from tradeoffbounds.sources import Row, check_chat_template, render, render_all, template_sha256

from ..tiny_models import CHATML, TEXTS, chat_tokenizer

LLAMA2 = (
    "{% if messages[0]['role'] == 'system' %}{% set sys = '<<SYS>>\n' + messages[0]['content'] + '\n<</SYS>>\n\n' %}"
    "{% set messages = messages[1:] %}{% else %}{% set sys = '' %}{% endif %}"
    "{% for m in messages %}{% if m['role'] == 'user' %}<s>[INST] {{ (sys + m['content']).strip() }} [/INST]"
    "{% else %} {{ m['content'].strip() }} </s>{% endif %}{% endfor %}"
)
GEMMA = (
    "<s>{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}<|im_start|>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
    "{{ m['content'] | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>model\n{% endif %}"
)
TEMPLATES = {"chatml": CHATML, "llama2": LLAMA2, "gemma": GEMMA}


@pytest.fixture
def make():
    return chat_tokenizer


def part(tokenizer, rendered, span):
    return tokenizer.decode(rendered.ids[slice(*span)])


@pytest.mark.parametrize("family", TEMPLATES)
@pytest.mark.parametrize(("prompt", "response"), TEXTS)
def test_ids_equal_the_template_and_spans_mark_the_words(make, family, prompt, response):
    tokenizer = make(TEMPLATES[family])
    messages = [
        {"role": "user", "content": prompt.strip()},
        {"role": "assistant", "content": response.strip()},
    ]
    rendered = render(tokenizer, prompt, response, max_tokens=500)
    assert tokenizer.decode(rendered.ids) == tokenizer.apply_chat_template(messages, tokenize=False)
    assert part(tokenizer, rendered, rendered.prompt_span).strip() == prompt.strip()
    completion = part(tokenizer, rendered, rendered.response_span).strip()
    assert completion in (f"{response.strip()}<|im_end|>", f"{response.strip()} </s>")
    assert rendered.response_span[1] == len(rendered.ids)
    assert not rendered.truncated


@pytest.mark.parametrize("family", TEMPLATES)
def test_the_prompt_alone_is_the_prefix_of_the_conversation(make, family):
    tokenizer = make(TEMPLATES[family])
    alone = render(tokenizer, "Name a river", max_tokens=500)
    full = render(tokenizer, "Name a river", "The Loire", max_tokens=500)
    messages = [{"role": "user", "content": "Name a river"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert tokenizer.decode(alone.ids) == text
    assert full.ids[: len(alone.ids)] == alone.ids
    assert alone.prompt_span == full.prompt_span
    assert alone.response_span == (len(alone.ids), len(alone.ids))
    assert full.response_span[0] == len(alone.ids)


@pytest.mark.parametrize("family", ["chatml", "llama2"])
def test_a_system_prompt_is_written_and_kept_out_of_the_span(make, family):
    tokenizer = make(TEMPLATES[family])
    rendered = render(tokenizer, "river", "Loire", system_prompt="Say river, river.", max_tokens=500)
    assert "Say river, river." in tokenizer.decode(rendered.ids[: rendered.prompt_span[0]])
    assert part(tokenizer, rendered, rendered.prompt_span).strip() == "river"
    assert "You are helpful" not in tokenizer.decode(rendered.ids)


def test_without_a_system_prompt_the_template_may_write_its_own(make):
    assert "You are helpful" in (tokenizer := make(CHATML)).decode(render(tokenizer, "x", max_tokens=99).ids)


@pytest.mark.parametrize("family", TEMPLATES)
@pytest.mark.parametrize("max_tokens", [60, 90, 120, 150, 200, 290])
def test_truncation_keeps_the_template_whole_and_the_spans_right(make, family, max_tokens):
    tokenizer = make(TEMPLATES[family])
    prompt, response = "Name a river in France. " * 20, "The Loire is the longest one. " * 20
    full = render(tokenizer, prompt, response, max_tokens=10_000)
    cut = render(tokenizer, prompt, response, max_tokens=max_tokens)
    assert cut.truncated and len(cut.ids) == max_tokens
    (p0, p1), (r0, r1) = cut.prompt_span, cut.response_span
    assert cut.ids[:p1] == full.ids[:p1]
    assert cut.ids[p1:r0] == full.ids[full.prompt_span[1] : full.response_span[0]]
    assert cut.ids[r0:r1] == full.ids[full.response_span[0] :][: r1 - r0]
    assert p0 < p1 and r1 == len(cut.ids) and r1 - r0 >= max_tokens // 2


def test_the_response_is_cut_before_the_prompt(make):
    tokenizer = make(CHATML)
    full = render(tokenizer, "Name a river", "The Loire " * 50, max_tokens=10_000)
    cut = render(tokenizer, "Name a river", "The Loire " * 50, max_tokens=len(full.ids) - 1)
    assert cut.ids == full.ids[:-1] and cut.truncated
    assert cut.prompt_span == full.prompt_span


def test_a_short_response_stays_whole_beside_a_long_prompt(make):
    tokenizer = make(CHATML)
    cut = render(tokenizer, "Name a river in France. " * 50, "Loire", max_tokens=100)
    assert part(tokenizer, cut, cut.response_span) == "Loire<|im_end|>\n"
    assert len(cut.ids) == 100 and cut.truncated


def test_exactly_enough_room_is_no_truncation(make):
    tokenizer = make(CHATML)
    full = render(tokenizer, "x", "y", max_tokens=500)
    assert render(tokenizer, "x", "y", max_tokens=len(full.ids)) == full


def test_no_room_for_the_template_is_an_error(make):
    with pytest.raises(UserError, match=r"max_tokens = 8 is too small: the chat template of tiny takes \d+ tokens"):
        render(make(CHATML), "x", "y", max_tokens=8)
    with pytest.raises(UserError, match="max_tokens must be at least 1; got 0"):
        render(make(CHATML), "x", max_tokens=0)


def test_render_all_is_render_row_by_row(make):
    tokenizer = make(CHATML)
    rows = [Row(*text) for text in TEXTS]
    each = [render(tokenizer, row.prompt, row.response, system_prompt="s", max_tokens=40) for row in rows]
    assert render_all(tokenizer, rows, system_prompt="s", max_tokens=40) == each


def test_a_token_across_the_border_is_split_there():
    """A template without a break before the response, and a tokenizer that merges over it."""
    base = Tokenizer(models.BPE(vocab={"a": 0, "b": 1, "ab": 2, "q": 3}, merges=[("a", "b")]))
    template = "{% for m in messages %}{{ m['content'] }}{% if m['role'] == 'user' %}a{% endif %}{% endfor %}"
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=base, chat_template=template)
    rendered = render(tokenizer, "q", "b", max_tokens=9)
    assert tokenizer("qab")["input_ids"] == [3, 2]
    assert rendered.ids == [3, 0, 1] and rendered.response_span == (2, 3)


@pytest.mark.parametrize(
    ("template", "system", "message"),
    [
        (None, None, "model tiny has no chat template; use an instruct model"),
        (GEMMA, "Be brief.", r"refuses a system prompt, so call without one \(System role not supported\)"),
        ("{{ raise_exception('no') }}", None, r"cannot be rendered \(no\)"),
        ("{{ messages[-1]['content'] }}", "Be brief.", "leaves out the system prompt"),
        ("hello", None, "does not write the user's message exactly once"),
        (CHATML.replace("m['content']", "m['content'] | upper"), None, "does not write the user's message"),
        (CHATML.replace("m['content']", "m['content'].replace('r', 'l')"), None, "does not write the user's"),
        (
            CHATML.replace("m['content']", "m['content'].split('iv')[0]"),
            None,
            "alters the user's message 'river'",
        ),
        (CHATML.replace("<|im_start|>assistant", "<|im_start|>think"), None, "own generation prompt"),
        (CHATML.replace("m['content']", "m['content'].split('Lo')[-1]"), None, "alters the response 'Loire'"),
    ],
)
def test_an_unfit_template_is_refused(make, template, system, message):
    with pytest.raises(UserError, match=message):
        render(make(template), "river", "Loire", system_prompt=system, max_tokens=99)


def test_a_blank_prompt_is_refused(make):
    with pytest.raises(UserError, match="the prompt is blank"):
        render(make(CHATML), " \n", "y", max_tokens=99)


def test_check_chat_template_accepts_one(make):
    check_chat_template(make(CHATML))


def test_the_template_hash_tells_templates_and_system_prompts_apart(make):
    hashes = [template_sha256(make(t), s) for t in TEMPLATES.values() for s in (None, "", "Be brief.")]
    assert len(set(hashes)) == 9
    assert template_sha256(make(CHATML)) == hashes[0]
    with pytest.raises(UserError, match="no chat template"):
        template_sha256(make(None))
