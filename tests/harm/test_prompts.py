"""HEx-PHI in its own layout, lists of prompts, and what is said of files that are neither. No network."""

import csv
import json
from collections import Counter

import huggingface_hub
import pytest
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RemoteEntryNotFoundError

from tradeoffbounds.errors import UserError
from tradeoffbounds.harm.prompts import HEX_PHI_CATEGORIES, WITHDRAWN, HarmSet, load_harm_set
from tradeoffbounds.hub_access import HubUnreachable

RELEASED = [number for number in HEX_PHI_CATEGORIES if number != WITHDRAWN]


def hex_phi(folder, *, rows=3, numbers=RELEASED):
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        with (folder / f"category_{number}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([f"Question {i}, of kind {number}: knit a scarf"] for i in range(rows))
    return folder


def listed(path, *records):
    path.write_text("\n".join(map(json.dumps, records)), "utf-8")
    return path


def refused(spec, **options):
    with pytest.raises(UserError) as caught:
        load_harm_set(spec, **({"allow_hub": False} | options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


# HEx-PHI in a folder


def test_the_public_release_has_ten_categories_and_says_that_one_is_not_supplied(tmp_path):
    hex_phi(tmp_path / "hex-phi")
    (tmp_path / "hex-phi" / "README.md").write_text("licence")
    found = load_harm_set("hex-phi", data_dir=tmp_path)
    assert (found.name, found.origin, len(found.prompts)) == ("hex-phi", "local", 30)
    assert found.not_supplied == ("Child Abuse Content",)
    assert found.categories == tuple(HEX_PHI_CATEGORIES[number] for number in RELEASED)  # 10 after 9, not after 1
    assert Counter(each.category for each in found.prompts) == dict.fromkeys(found.categories, 3)
    assert found.prompts[0].prompt == "Question 0, of kind 1: knit a scarf"  # no header: the first line counts


@pytest.mark.parametrize("spec", ["hex-phi", "LLM-Tuning-Safety/HEx-PHI"])
def test_the_folder_may_bear_the_name_of_the_repository(tmp_path, spec):
    hex_phi(tmp_path / "HEx-PHI")
    assert len(load_harm_set(spec, data_dir=tmp_path, allow_hub=False).prompts) == 30


def test_any_folder_in_this_layout_will_do(tmp_path):
    assert load_harm_set(hex_phi(tmp_path / "mine")) == load_harm_set(str(tmp_path / "mine"))


def test_a_missing_file_and_an_empty_one_are_not_supplied(tmp_path):
    folder = hex_phi(tmp_path, numbers=[1, 3, 4])
    (folder / "category_4.csv").write_text("\n  \n")
    found = load_harm_set(folder)
    assert found.categories == ("Illegal Activity", "Hate/Harass/Violence")
    assert len(found.not_supplied) == 9 and {"Malware", "Child Abuse Content"} < set(found.not_supplied)


@pytest.mark.parametrize("name", ["category_12.csv", "Category_4.csv", "category_04.csv", "malware.csv", "all.jsonl"])
def test_a_misnamed_file_is_named_with_the_names_expected(tmp_path, name):
    folder = hex_phi(tmp_path, numbers=[1])
    (folder / name).write_text("Knit a scarf\n")
    said = refused(folder)
    assert f"{name}: not a file of HEx-PHI" in said and "expected: category_1.csv, category_3.csv" in said
    assert "category_11.csv" in said and "category_2.csv" not in said


def test_a_folder_without_its_files_is_an_error(tmp_path):
    assert "no prompts of HEx-PHI; expected: category_1.csv" in refused(tmp_path)


def test_the_withdrawn_category_is_not_evaluated_even_where_it_is_at_hand(tmp_path):
    hex_phi(tmp_path, numbers=list(HEX_PHI_CATEGORIES))
    assert "category_2.csv: its authors withdrew the category 'Child Abuse Content'" in refused(tmp_path)
    (tmp_path / "category_2.csv").write_text("")
    assert load_harm_set(tmp_path).not_supplied == ("Child Abuse Content",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"Knit a scarf\nKnit, purl, repeat\n", "category_3.csv:2: has 3 fields; expected one prompt a line"),
        (b'"Knit" a scarf\n', "category_3.csv:1: not valid CSV"),
        (b"Knit a \xff\n", "category_3.csv: not UTF-8 (byte 7)"),
        (b"prompt\nKnit a scarf\n", "category_3.csv:1: looks like a header ('prompt')"),
    ],
)
def test_a_file_that_is_no_list_of_prompts_is_refused_by_its_line(tmp_path, content, said):
    folder = hex_phi(tmp_path, numbers=[1])
    (folder / "category_3.csv").write_bytes(content)
    assert said in refused(folder)


def test_quotes_byte_marks_and_line_breaks_inside_a_prompt_are_read(tmp_path):
    content = '\ufeff"Say ""hello"", twice"\r\nKnit a scarf,\r\n"Two\nlines"\r\n'
    (tmp_path / "category_1.csv").write_text(content, "utf-8", newline="")
    assert [each.prompt for each in load_harm_set(tmp_path).prompts] == [
        'Say "hello", twice', "Knit a scarf", "Two\nlines",
    ]  # fmt: skip


# HEx-PHI on the hub


@pytest.fixture
def network(monkeypatch, tmp_path):
    """The hub as the loader sees it: files of a folder, or a failure."""

    class Network:
        def __init__(self):
            self.folder = tmp_path / "remote"
            self.failure = None
            self.asked = []

        def download(self, repository, name, repo_type):
            assert (repository, repo_type) == ("LLM-Tuning-Safety/HEx-PHI", "dataset")
            self.asked.append(name)
            if self.failure is not None:
                raise self.failure
            if not (self.folder / name).exists():
                raise http_error(RemoteEntryNotFoundError, "Entry not found")
            return str(self.folder / name)

    fake = Network()
    monkeypatch.setattr("tradeoffbounds.harm.prompts.probe", lambda repository, kind: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fake.download)
    return fake


def http_error(kind, message):
    return kind.__new__(kind, message)  # its own constructor wants a whole HTTP response


def test_the_hub_gives_the_same_prompts_as_the_folder(network, tmp_path):
    hex_phi(network.folder)
    (network.folder / "category_7.csv").unlink()
    found = load_harm_set("hex-phi", data_dir=tmp_path)
    local = load_harm_set(network.folder)
    assert (found.origin, local.origin) == ("hub", "local")
    assert (found.prompts, found.sha256, found.not_supplied) == (local.prompts, local.sha256, local.not_supplied)
    assert found.not_supplied == ("Child Abuse Content", "Fraud/Deception")
    assert network.asked == [f"category_{number}.csv" for number in RELEASED]  # the withdrawn one is not asked for


@pytest.mark.parametrize(
    "failure",
    [http_error(GatedRepoError, "Access is restricted\nmore"), LocalEntryNotFoundError("Connection lost"), OSError(28)],
)
def test_a_gated_or_lost_hub_is_an_error_and_not_a_set_without_prompts(network, failure):
    network.failure = failure
    said = refused("hex-phi", allow_hub=True)
    assert "hex-phi is not to be had: no data folder was given" in said and "set HF_TOKEN" in said
    assert str(failure).split("\n")[0] in said


def test_an_unreachable_hub_is_an_error(monkeypatch, tmp_path):
    def probe(repository, kind):
        raise HubUnreachable("no route to host")

    monkeypatch.setattr("tradeoffbounds.harm.prompts.probe", probe)
    assert f"data folder {tmp_path} has no folder hex-phi; no route to host" in refused(
        "hex-phi", data_dir=tmp_path, allow_hub=True
    )


def test_a_repository_without_its_files_is_an_error(network):
    assert "has none of the files category_*.csv" in refused("hex-phi", allow_hub=True)


def test_the_hub_may_be_ruled_out(network):
    assert "the hub is not allowed" in refused("hex-phi")
    assert not network.asked


# Lists of prompts


def test_advbench_is_a_file_of_the_data_folder(tmp_path):
    listed(tmp_path / "advbench.jsonl", {"prompt": " Knit a scarf "}, {"prompt": "Bake a cake"})
    found = load_harm_set("advbench", data_dir=tmp_path, allow_hub=False)
    assert (found.name, found.origin, found.categories, found.not_supplied) == ("advbench", "local", (), ())
    assert [(each.prompt, each.category) for each in found.prompts] == [("Knit a scarf", None), ("Bake a cake", None)]


def test_advbench_is_read_under_its_own_column_too(tmp_path):
    (tmp_path / "harmful_behaviors.csv").write_text('goal,target\n"Knit, please",Sure\n')
    assert load_harm_set(tmp_path / "harmful_behaviors.csv").prompts[0].prompt == "Knit, please"


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".parquet"])
def test_every_kind_of_file_with_a_category_column(tmp_path, suffix):
    records = [{"prompt": "Knit a scarf", "category": "wool"}, {"prompt": "Bake a cake", "category": "dough"}]
    path = tmp_path / f"mine{suffix}"
    if suffix == ".jsonl":
        listed(path, *records)
    elif suffix == ".json":
        path.write_text(json.dumps(records))
    else:
        import datasets

        table = datasets.Dataset.from_list(records)
        (table.to_csv if suffix == ".csv" else table.to_parquet)(path)
    found = load_harm_set(path)
    assert found.categories == ("wool", "dough") and found.not_supplied == ()
    assert found.prompts == load_harm_set("mine", data_dir=tmp_path).prompts


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([{"text": "Knit"}], "no column 'prompt'; found: text"),
        ([{"prompt": 3}], "mine.jsonl:1: 'prompt' must be text; got int"),
        ([{"prompt": "\ud83d"}], "mine.jsonl:1: 'prompt' holds half of a surrogate pair"),
        ([{"prompt": "a", "category": "x"}, {"prompt": "b"}], "mine.jsonl:2: has no category"),
        ([{"prompt": "a", "category": " "}], "mine.jsonl:1: has no category"),
        ([{"prompt": "a", "category": 1}], "'category' must be text; got int"),
        ([{"prompt": " "}, {"prompt": None}], "mine: has no prompt"),
    ],
)
def test_a_list_that_cannot_be_read_is_refused(tmp_path, records, said):
    listed(tmp_path / "mine.jsonl", *records)
    assert said in refused("mine", data_dir=tmp_path)


def test_what_is_nowhere_to_be_had_is_an_error_that_says_what_to_do(tmp_path):
    said = refused("advbench")
    assert "unknown prompts 'advbench': no data folder was given; put advbench.jsonl" in said and "--data-dir" in said
    assert f"data folder {tmp_path} has no file of this name" in refused("advbench", data_dir=tmp_path)
    assert refused(tmp_path / "gone.jsonl").endswith("no such file")
    assert refused("hex-phi", data_dir=tmp_path / "gone") == f"data folder {tmp_path / 'gone'}: no such folder"


# Sets


def test_duplicates_are_dropped_within_a_category_and_counted():
    asked = [("a", "Knit a scarf"), ("a", " Knit  a\nscarf"), ("b", "Knit a scarf"), ("b", "  ")]
    found = HarmSet.of("mine", "local", asked)
    assert [each.category for each in found.prompts] == ["a", "b"]
    assert found.dropped == {"duplicates": 1, "empty": 1}
    assert found.describe() == {
        "name": "mine", "origin": "local", "prompts": 2, "sha256": found.sha256,
        "dropped": {"duplicates": 1, "empty": 1},
    }  # fmt: skip


def test_ids_depend_on_category_and_words_alone():
    first = HarmSet.of("one", "local", [("a", "Knit a scarf"), ("b", "Knit a scarf"), ("b", "Bake a cake")])
    other = HarmSet.of("other", "hub", [("b", "Bake  a cake "), ("a", "Knit a scarf")])
    ids = {(each.category, each.prompt.split()[0]): each.id for each in first.prompts}
    assert len(set(ids.values())) == 3
    assert [each.id for each in other.prompts] == [ids["b", "Bake"], ids["a", "Knit"]]
    assert other.sha256 != first.sha256


@pytest.fixture
def uneven():
    return HarmSet.of("mine", "local", [(name, f"{name} {i}") for name in "abc" for i in range({"b": 2}.get(name, 20))])


def test_a_sample_takes_as_many_of_each_category_as_there_are(uneven):
    sampled = uneven.sample(12, seed=0)
    assert Counter(each.category for each in sampled.prompts) == {"a": 5, "b": 2, "c": 5}
    places = [uneven.prompts.index(each) for each in sampled.prompts]
    assert places == sorted(places) and sampled.sha256 != uneven.sha256
    assert sampled == uneven.sample(12, seed=0) != uneven.sample(12, seed=1)
    assert uneven.sample(42, seed=0) is uneven


def test_every_prompt_of_a_category_is_as_likely_to_be_drawn(uneven):
    drawn = Counter(each.id for seed in range(600) for each in uneven.sample(12, seed).prompts if each.category == "a")
    assert len(drawn) == 20 and max(drawn.values()) < 200 and min(drawn.values()) > 105  # 150 each, 4 standard errors


def test_a_sample_that_would_lose_a_category_is_refused(uneven):
    assert uneven.sample(3, seed=5).categories == ("a", "b", "c")
    with pytest.raises(UserError, match="cannot sample 2 prompts of mine: ask for at least 3"):
        uneven.sample(2, seed=0)
