"""Classifiers of random weights against their own softmax; no network."""

import math

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, LlamaConfig, LlamaForSequenceClassification

from tradeoffbounds.errors import UserError
from tradeoffbounds.harm.classifier_judge import ClassifierJudge
from tradeoffbounds.harm.judges import make_judge
from tradeoffbounds.models.load import Placement

from ..tiny_models import chat_tokenizer, trained_tokenizer

CPU = Placement("cpu", "float32")
PROMPTS = ["Name a river in France.", "x", "river"]
RESPONSES = ["The Loire is the longest one.", "", "oui"]


def bert(labels=("harmless", "toxic"), *, length=128, **options):
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=trained_tokenizer().get_vocab_size(), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=length, initializer_range=0.5, pad_token_id=0,
        id2label=dict(enumerate(labels)), label2id={label: i for i, label in enumerate(labels)}, **options,
    )  # fmt: skip
    return BertForSequenceClassification(config).eval()


def pair_tokenizer():
    from tokenizers.processors import TemplateProcessing

    tokenizer = chat_tokenizer(None, sep_token="</s>", cls_token="<s>")
    ids = [(token, tokenizer.convert_tokens_to_ids(token)) for token in ("<s>", "</s>")]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B:1 </s>:1", special_tokens=ids
    )
    return tokenizer


@pytest.fixture
def folder(tmp_path):
    bert().save_pretrained(tmp_path / "tox")
    pair_tokenizer().save_pretrained(tmp_path / "tox")
    return tmp_path / "tox"


def refused(call, *arguments):
    with pytest.raises(UserError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def logits_of(model, tokenizer, *texts):
    with torch.no_grad():
        return model(**tokenizer(*texts, return_tensors="pt")).logits[0].double()


def test_a_folder_becomes_a_judge_of_pairs(folder):
    judge = make_judge(f"classifier:{folder}:toxic", CPU)
    assert (judge.name, judge.weak, judge.calibration) == ("classifier:tox:toxic", False, None)
    assert judge.covers("Malware") and judge.covers(None)
    found = judge.judge(PROMPTS, RESPONSES)
    expected = [
        logits_of(bert(), pair_tokenizer(), *pair).softmax(dim=-1)[1].item()
        for pair in zip(PROMPTS, RESPONSES, strict=True)
    ]
    assert [each.probability for each in found] == pytest.approx(expected, abs=1e-6)
    assert [each.verdict for each in found] == ["harmful" if each > 0.5 else "safe" for each in expected]
    assert judge.judge([], []) == []


def test_the_other_label_gives_the_other_verdict():
    model, tokenizer = bert(), pair_tokenizer()
    one, other = (ClassifierJudge(model, tokenizer, label, "tox").judge(PROMPTS, RESPONSES) for label in
                  ("toxic", "harmless"))  # fmt: skip
    for first, second in zip(one, other, strict=True):
        assert {first.verdict, second.verdict} == {"harmful", "safe"}
        assert first.probability + second.probability == pytest.approx(1)


def test_among_three_labels_the_likeliest_decides_even_below_a_half():
    model = bert(("fine", "rude", "toxic"))
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.copy_(torch.tensor([0.0, 0.1, 0.2]))
    found = ClassifierJudge(model, pair_tokenizer(), "toxic", "tox").judge(PROMPTS, RESPONSES)
    assert {each.verdict for each in found} == {"harmful"} and found[0].probability < 0.5
    rude = ClassifierJudge(model, pair_tokenizer(), "rude", "tox").judge(PROMPTS, RESPONSES)
    assert {each.verdict for each in rude} == {"safe"}


@pytest.mark.parametrize(("bias", "verdict"), [(0.3, "harmful"), (-0.3, "safe")])
def test_labels_that_are_not_exclusive_are_judged_one_by_one(bias, verdict):
    model = bert(("rude", "toxic"), problem_type="multi_label_classification")
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.copy_(torch.tensor([5.0, bias]))
    found = ClassifierJudge(model, pair_tokenizer(), "toxic", "tox").judge(PROMPTS[:1], RESPONSES[:1])[0]
    assert found.verdict == verdict and found.probability == pytest.approx(1 / (1 + math.exp(-bias)))


def test_without_a_separator_the_texts_are_joined():
    torch.manual_seed(0)
    model = LlamaForSequenceClassification(
        LlamaConfig(
            vocab_size=trained_tokenizer().get_vocab_size(), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=2, initializer_range=0.5, id2label={0: "fine", 1: "toxic"},
            label2id={"fine": 0, "toxic": 1}, pad_token_id=None,
        )
    ).eval()  # fmt: skip
    tokenizer = chat_tokenizer(None)
    found = ClassifierJudge(model, tokenizer, "toxic", "tox").judge(PROMPTS, RESPONSES)
    expected = logits_of(model, tokenizer, f"{PROMPTS[0]}\n{RESPONSES[0]}").softmax(dim=-1)[1].item()
    assert found[0].probability == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("tokenizer", [pair_tokenizer, lambda: chat_tokenizer(None)], ids=["pair", "joined"])
def test_a_long_answer_is_read_from_its_start_and_the_judgement_says_so(tokenizer):
    judge = ClassifierJudge(bert(length=40), tokenizer(), "toxic", "tox")
    short, cut, longer = judge.judge(["x"] * 3, ["zq", "zq" * 30, "zq" * 50])
    assert short.remark is None and cut.remark == longer.remark == "the end of the answer is cut off"
    assert cut.probability == longer.probability != short.probability


def test_a_prompt_too_long_is_unparsed_and_never_safe():
    judge = ClassifierJudge(bert(length=40), pair_tokenizer(), "toxic", "tox")
    found = judge.judge(["zq" * 50, "x"], ["yes", "yes"])
    assert (found[0].verdict, found[0].probability) == ("unparsed", None) and "too long" in found[0].remark
    assert found[1].verdict != "unparsed"


def test_scores_that_are_not_numbers_are_no_verdict():
    model = bert()
    with torch.no_grad():
        model.classifier.bias.fill_(math.nan)
    found = ClassifierJudge(model, pair_tokenizer(), "toxic", "tox").judge(PROMPTS, RESPONSES)
    assert {each.verdict for each in found} == {"unparsed"}


# Wrong calls


def test_an_unknown_label_is_refused_with_those_there_are_before_the_weights_are_read(folder):
    (folder / "model.safetensors").unlink()
    said = refused(make_judge, f"classifier:{folder}:TOXIC", CPU)
    assert said == "judge classifier: the classifier has no label 'TOXIC'; its labels: harmless, toxic"


def test_a_classifier_without_weights_is_refused(folder):
    (folder / "model.safetensors").unlink()
    said = refused(make_judge, f"classifier:{folder}:toxic", CPU)
    assert said.startswith(f"judge classifier: {folder}: ") and "give a folder or a reachable hub id" in said


def test_one_label_alone_is_a_score_and_no_verdict(tmp_path):
    bert(("toxic",)).save_pretrained(tmp_path)
    assert "has one label alone, 'toxic'" in refused(make_judge, f"classifier:{tmp_path}:toxic", CPU)


def test_a_language_model_is_not_given_a_head_of_random_weights(tiny_folder):
    said = refused(make_judge, f"classifier:{tiny_folder}:LABEL_1", CPU)
    assert "is a LlamaForCausalLM, expected a model ...ForSequenceClassification" in said


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    said = refused(make_judge, f"classifier:{tmp_path / 'gone'}:toxic", CPU)
    assert said.startswith("judge classifier: ") and "--model" not in said
