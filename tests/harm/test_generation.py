"""Answers of tiny models, in batches and resumed, against one forward a token and one prompt at a time."""

import json
import threading

import pytest
import torch
from filelock import FileLock

from tradeoffbounds.errors import UserError
from tradeoffbounds.harm import generation
from tradeoffbounds.harm.generation import AnswerFile, Respondent, complete
from tradeoffbounds.harm.prompts import HarmPrompt
from tradeoffbounds.models import hidden_states
from tradeoffbounds.sources import render

from ..models.test_response_logits import PEFT_METHODS, made
from ..tiny_models import chat_tokenizer

#: Of very different lengths, so that batches have much padding.
TEXTS = ["x", "Name a river in France.", "oui " * 30, "user", "What rhymes with river? " * 3, "deux", "Why?"]
PROMPTS = [HarmPrompt(f"p{i}", text, None) for i, text in enumerate(TEXTS)]
SYSTEM = "You are helpful"
LENGTH = 9


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("TRADEOFFBOUNDS_CACHE", str(folder))
    return folder


@pytest.fixture
def some_together(monkeypatch):
    monkeypatch.setattr(hidden_states, "TOKENS_PER_BATCH", 130)


@pytest.fixture
def base(tiny_model, tiny_tokenizer):
    return Respondent(tiny_model, tiny_tokenizer, "tiny")


def ask(respondent, prompts=PROMPTS, **changes):
    options = {"system_prompt": SYSTEM, "max_new_tokens": LENGTH, "warn": pytest.fail}
    return complete(respondent, prompts, **options | changes)


def alone(model, tokenizer, prompt):
    """One forward a token, nothing padded, no cache, virtual tokens as PEFT's own forward puts them."""
    ids = render(tokenizer, prompt, system_prompt=SYSTEM, max_tokens=1000).ids
    response = []
    with torch.no_grad():
        while len(response) < LENGTH and (not response or response[-1] != tokenizer.eos_token_id):
            response.append(int(model(input_ids=torch.tensor([[*ids, *response]])).logits[0, -1].argmax()))
    return tokenizer.decode(response, skip_special_tokens=True).strip()


def stop_at(monkeypatch, call):
    """Greedy generation that dies when it is called for the ``call``-th time; how many prompts each call was given."""
    sizes, greedy = [], generation.greedy_responses

    def counted(model, tokenizer, prefixes, **options):
        sizes.append(len(prefixes))
        if len(sizes) == call:
            raise KeyboardInterrupt
        return greedy(model, tokenizer, prefixes, **options)

    monkeypatch.setattr(generation, "greedy_responses", counted)
    return sizes


def only_file(cache):
    (path,) = (cache / "completions").glob("*.jsonl")
    return path


# What is said


@pytest.mark.parametrize("method", PEFT_METHODS)
def test_batches_say_what_prompts_say_alone_with_the_adapter_on_and_off(method, tiny_tokenizer, some_together):
    model, plain = made(method), made("none")
    on = ask(Respondent(model, tiny_tokenizer, "tiny", method))
    off = ask(Respondent(model, tiny_tokenizer, "tiny, off"))
    assert on == [alone(model, tiny_tokenizer, text) for text in TEXTS]
    assert off == ask(Respondent(plain, tiny_tokenizer, "tiny")) == [alone(plain, tiny_tokenizer, t) for t in TEXTS]
    assert all(changed != answer for changed, answer in zip(on, off, strict=True))
    # One at a time: each prompt a batch, and a file, of its own.
    assert on == [ask(Respondent(model, tiny_tokenizer, "tiny", method), [prompt])[0] for prompt in PROMPTS]


def test_the_adapter_is_on_again_after_the_base_was_asked(tiny_tokenizer):
    model = made("lora")
    on, off = Respondent(model, tiny_tokenizer, "tiny", "a"), Respondent(model, tiny_tokenizer, "tiny")
    with off.speaking():
        pass
    assert ask(on) == [alone(model, tiny_tokenizer, text) for text in TEXTS]


def test_an_answer_has_no_control_tokens_and_no_outer_blanks(base, monkeypatch):
    written = base.tokenizer("<|im_start|> \n La Loire <|im_end|>", add_special_tokens=False)["input_ids"]
    monkeypatch.setattr(generation, "greedy_responses", lambda model, tokenizer, prefixes, **options: [written])
    assert ask(base, PROMPTS[:1]) == ["La Loire"]


def test_an_adapter_that_is_not_there_cannot_be_asked(tiny_model, tiny_tokenizer):
    with pytest.raises(ValueError, match="no adapter"):
        Respondent(tiny_model, tiny_tokenizer, "tiny", "0123")


# What is kept


def test_the_same_is_not_asked_twice(base, cache, monkeypatch, some_together):
    first = ask(base)
    sizes, done = stop_at(monkeypatch, 1), []
    assert ask(base, on_batch=done.append) == first
    assert sizes == [] and sum(done) == len(PROMPTS) and len(done) > 2
    records = [json.loads(line) for line in only_file(cache).read_text().splitlines()[1:]]
    assert {each["id"]: each["answer"] for each in records} == dict(
        zip([each.id for each in PROMPTS], first, strict=True)
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"system_prompt": "Another one."},
        {"max_new_tokens": 4},
        {"prompts": PROMPTS[:-1]},
        {"prompts": [*PROMPTS[:-1], HarmPrompt(PROMPTS[-1].id, "Why not?", None)]},
        {"prompts": PROMPTS[::-1]},
    ],
    ids=["system prompt", "length", "fewer prompts", "another prompt", "another order"],
)
def test_other_questions_have_a_file_of_their_own(base, cache, changes):
    ask(base)
    ask(base, **changes)
    assert len(list((cache / "completions").glob("*.jsonl"))) == 2


def test_every_model_and_adapter_has_a_file_of_its_own(tiny_tokenizer, cache):
    model = made("ia3")
    asked = [Respondent(model, tiny_tokenizer, *who) for who in (("a",), ("b",), ("a", "0123"), ("a", "4567"))]
    asked.append(Respondent(made("none").bfloat16(), tiny_tokenizer, "a"))
    asked.append(Respondent(model, chat_tokenizer(tiny_tokenizer.chat_template + " ", eos_token="<|im_end|>"), "a"))
    for respondent in asked:
        ask(respondent, PROMPTS[:1], max_new_tokens=1)
    assert len(list((cache / "completions").glob("*.jsonl"))) == len(asked)


# A run that was killed


def test_a_killed_run_goes_on_where_it_was(base, cache, monkeypatch, some_together):
    whole = ask(base)
    path = only_file(cache)
    written = path.read_bytes()
    path.unlink()
    with monkeypatch.context() as patched:
        before = stop_at(patched, 3)
        with pytest.raises(KeyboardInterrupt):
            ask(base)
    kept = path.read_bytes()
    assert written.startswith(kept) and kept.count(b"\n") == 1 + sum(before[:2]) < 1 + len(PROMPTS)
    after = stop_at(monkeypatch, None)
    assert ask(base) == whole
    assert sum(after) == len(PROMPTS) - sum(before[:2]) and path.read_bytes() == written


def test_answers_are_on_the_disk_before_the_next_batch_is_asked(base, cache, monkeypatch, some_together):
    seen, greedy = [], generation.greedy_responses

    def looked(*args, **options):
        seen.append(only_file(cache).read_bytes().count(b"\n") - 1)
        return greedy(*args, **options)

    monkeypatch.setattr(generation, "greedy_responses", looked)
    ask(base)
    assert seen[0] == 0 < seen[1] < seen[-1] < len(PROMPTS)


@pytest.mark.parametrize("cut", [1, 2, 25], ids=["without line feed", "without brace", "half"])
def test_a_half_written_answer_is_dropped_announced_and_asked_again(base, cache, monkeypatch, some_together, cut):
    whole = ask(base)
    path = only_file(cache)
    written = path.read_bytes()
    lines = written.splitlines(keepends=True)
    sizes = stop_at(monkeypatch, None)
    path.write_bytes(b"".join(lines[:-2]) + lines[-2][:-cut])
    told = []
    assert ask(base, warn=told.append) == whole
    assert len(told) == 1 and "half written" in told[0] and not any(answer in told[0] for answer in whole)
    assert path.read_bytes() == written and sum(sizes) >= 2
    assert ask(base) == whole  # with nothing to announce any more


def test_a_batch_that_lacks_an_answer_is_asked_again_but_not_written_twice(base, cache, monkeypatch):
    """So that answers come from the same batches as those of a run that was not killed."""
    whole = ask(base)
    path = only_file(cache)
    written = path.read_bytes()
    path.write_bytes(b"".join(written.splitlines(keepends=True)[:-2]))
    sizes = stop_at(monkeypatch, None)
    assert ask(base) == whole
    assert sizes == [len(PROMPTS)] and path.read_bytes() == written


def test_a_file_of_other_settings_is_refused(tmp_path):
    path = tmp_path / "answers.jsonl"
    AnswerFile(path, {"model": "a", "n": 1}, pytest.fail).close()
    with pytest.raises(UserError, match=r"answers\.jsonl: holds no answers of these settings; remove it"):
        AnswerFile(path, {"model": "a", "n": 2}, pytest.fail)
    path.write_bytes(b"")
    with pytest.raises(UserError, match="holds no answers of these settings"):
        AnswerFile(path, {"model": "a", "n": 1}, pytest.fail)


@pytest.mark.parametrize("damage", ["", "{", "[1]", '{"id": "p1"}', "\0\0\0"])
def test_a_damaged_line_elsewhere_is_named_and_nothing_is_lost(tmp_path, damage):
    path = tmp_path / "answers.jsonl"
    with AnswerFile.locked(path, {}, pytest.fail) as kept:
        for i in range(3):
            kept.add(f"p{i}", f"answer {i}")
    lines = path.read_text().splitlines()
    lines[2] = damage
    path.write_text("\n".join(lines) + "\n")
    broken = path.read_bytes()
    with pytest.raises(UserError, match=r"answers\.jsonl:3: this line is damaged; remove the line"):
        AnswerFile(path, {}, pytest.fail)
    assert path.read_bytes() == broken
    path.write_text("\n".join(lines[:2] + lines[3:]) + "\n")
    with AnswerFile.locked(path, {}, pytest.fail) as kept:
        assert "p0" in kept and "p1" not in kept and kept["p2"] == "answer 2"


def test_any_text_survives_the_file(tmp_path):
    texts = ["", "two\nlines\r\n", "\u2028 \u0085 é 😀 \0", '"{}"', "\ud800"]
    with AnswerFile.locked(tmp_path / "a.jsonl", {"é": 1}, pytest.fail) as kept:
        for i, text in enumerate(texts):
            kept.add(str(i), text)
    with AnswerFile.locked(tmp_path / "a.jsonl", {"é": 1}, pytest.fail) as kept:
        assert [kept[str(i)] for i in range(len(texts))] == texts


def test_a_second_process_waits_for_the_first_one_s_answers(base, cache, monkeypatch):
    whole = ask(base)
    waiting, found = threading.Event(), []
    stop_at(monkeypatch, 1)
    with FileLock(only_file(cache).with_suffix(".lock")):
        other = threading.Thread(target=lambda: found.append(ask(base, warn=lambda told: waiting.set())))
        other.start()
        assert waiting.wait(20) and not found
    other.join(20)
    assert found == [whole]


# Wrong calls


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x " * 1100, r"prompt bad: longer than the 1015 tokens that the model can read; shorten it"),
        (" \n", "prompt bad: the prompt is blank"),
    ],
)
def test_a_prompt_that_cannot_be_asked_is_named_before_anything_is(base, cache, monkeypatch, text, message):
    sizes = stop_at(monkeypatch, None)
    with pytest.raises(UserError, match=message):
        ask(base, [*PROMPTS, HarmPrompt("bad", text, None)])
    assert sizes == [] and not cache.exists()


def test_virtual_tokens_take_room(tiny_tokenizer):
    model = made("prompt-tuning")
    on, off = Respondent(model, tiny_tokenizer, "tiny", "a"), Respondent(model, tiny_tokenizer, "tiny")
    for respondent, room in ((on, 1024 - 20 - 9), (off, 1024 - 9)):
        with respondent.speaking():
            assert respondent.room(9) == room
            with pytest.raises(UserError, match="more than tiny can write"):
                respondent.room(1024)


def test_two_prompts_of_one_id_are_refused(base):
    with pytest.raises(ValueError, match="same id"):
        ask(base, [PROMPTS[0], PROMPTS[0]])


def test_a_tokenizer_without_a_chat_template_is_refused(tiny_model):
    with pytest.raises(UserError, match="no chat template"):
        ask(Respondent(tiny_model, chat_tokenizer(None, eos_token="<|im_end|>"), "tiny"))
