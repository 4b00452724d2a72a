"""Where a name leads: the data folder, the hub, the stand-in; no test here touches the network."""

import json
import threading

import datasets
import huggingface_hub
import pytest

from tradeoffbounds import hub_access
from tradeoffbounds.errors import UserError
from tradeoffbounds.sources import load as loading
from tradeoffbounds.sources import load_source


@pytest.fixture(autouse=True)
def bundle(tmp_path_factory, monkeypatch):
    """A bundle of our own, so that these tests do not depend on the wording of the real one."""
    folder = tmp_path_factory.mktemp("bundle")
    for name in ("safety", "proxy-terse", "proxy-rich", "code", "arithmetic"):
        write(folder / f"{name}.jsonl", name, 30)
    monkeypatch.setattr(loading, "_BUNDLE", folder)


class Stream:
    """Rows of a data set that is streamed, to be had once no picture in them would be opened."""

    def __init__(self, rows):
        self.rows, self.decoding = rows, True

    def decode(self, enable):
        self.decoding = enable
        return self

    def __iter__(self):
        assert not self.decoding
        return iter(self.rows)


@pytest.fixture(autouse=True)
def network(monkeypatch):
    """The hub as the loader sees it: every call is recorded; `rows` or `failure` decides the answer."""

    class Network:
        def __init__(self):
            self.rows = None
            self.failure = ConnectionError("no route to host\nsecond line")
            self.asked = []
            self.loaded = []

        def dataset_info(self, repo, timeout):
            assert timeout == hub_access.REQUEST_SECONDS
            self.asked.append(repo)
            if self.rows is None:
                raise self.failure

        def load_dataset(self, *args, **options):
            assert options["streaming"] is True and "trust_remote_code" not in options
            self.loaded.append((args, options))
            return Stream(self.rows)

    fake = Network()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: fake)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets, "load_dataset", fake.load_dataset)
    monkeypatch.setattr(hub_access._Reach, "lost", None)
    return fake


def write(path, word, n, columns=("prompt", "response")):
    rows = [{columns[0]: f"{word} prompt {i}", columns[1]: f"{word} response {i}"} for i in range(n)]
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return path


def hub_rows(n, *columns):
    return [{column: f"{column} {i}" for column in columns} for i in range(n)]


# The folder


def test_a_registered_name_comes_from_the_folder_by_its_published_columns(tmp_path, network):
    write(tmp_path / "gsm8k.jsonl", "own", 25, ("question", "answer"))
    source = load_source("gsm8k", role="capability", data_dir=tmp_path)
    assert (source.name, source.origin, len(source.rows)) == ("gsm8k", "local", 25)
    assert source.stand_in_for is None and not network.asked


def test_jsonl_is_preferred_to_the_other_kinds(tmp_path):
    (tmp_path / "alpaca.json").write_text("broken")
    write(tmp_path / "alpaca.jsonl", "own", 20)
    assert load_source("alpaca", role="proxy", data_dir=tmp_path).origin == "local"


def test_a_folder_without_the_file_is_an_error_that_lists_what_it_has(tmp_path, network):
    write(tmp_path / "alpaca.jsonl", "own", 20)
    (tmp_path / "gsm8k.csv").write_text("question,answer\n")
    (tmp_path / "hex-phi.csv").write_text("x\n")
    with pytest.raises(UserError, match=r"has no dolly \(dolly.jsonl, .*registered names it has: alpaca, gsm8k$"):
        load_source("dolly", role="proxy", data_dir=tmp_path)
    assert not network.asked


@pytest.mark.parametrize("spec", ["alpaca", "bundled:code", "mine.jsonl", "owner/name"])
def test_a_folder_that_is_not_there_is_an_error_whatever_is_asked_for(tmp_path, spec):
    with pytest.raises(UserError, match="no such folder"):
        load_source(spec, role="proxy", data_dir=tmp_path / "gone")


def test_an_unregistered_name_may_be_a_file_of_the_folder(tmp_path):
    write(tmp_path / "preferences.jsonl", "own", 20, ("prompt", "chosen"))
    source = load_source("preferences", role="proxy", data_dir=tmp_path)
    assert (source.name, source.origin) == ("preferences", "local")


# Paths


@pytest.mark.parametrize("as_type", [str, lambda path: path])
def test_a_path_is_read_and_named_after_its_file(tmp_path, as_type):
    path = write(tmp_path / "mine.jsonl", "own", 20)
    source = load_source(as_type(path), role="proxy")
    assert (source.name, source.origin) == ("mine.jsonl", "local")


def test_a_path_that_is_not_there_is_no_unknown_name():
    with pytest.raises(UserError, match=r"^proxy source: gone.jsonl: no such file$"):
        load_source("gone.jsonl", role="proxy")


def test_too_few_rows_names_the_counts(tmp_path):
    path = write(tmp_path / "mine.jsonl", "own", 19)
    path.write_text(path.read_text() + "\n" + json.dumps({"prompt": "own prompt 0", "response": "own response 0"}))
    message = r"mine.jsonl has 19 usable rows \(dropped: 1 duplicates, 0 empty prompt, .*at least 20 are needed"
    with pytest.raises(UserError, match=message):
        load_source(path, role="alignment")
    assert len(load_source(path, role="alignment", min_rows=19).rows) == 19


# The hub


def test_the_hub_gives_the_first_rows_of_the_registered_split(network):
    network.rows = hub_rows(40, "question", "answer")
    source = load_source("gsm8k", role="capability", max_rows=30)
    assert (source.name, source.origin, len(source.rows)) == ("gsm8k", "hub", 30)
    assert source.rows[0].prompt == "question 0"
    assert network.loaded == [(("openai/gsm8k", "main"), {"split": "train", "streaming": True})]


def test_a_data_set_with_a_loading_script_is_read_from_its_file(network):
    network.rows = hub_rows(20, "subject", "old_contents", "new_contents")
    assert load_source("commitpackft", role="capability").origin == "hub"
    (args, options), *_ = network.loaded
    assert args == ("json",)
    assert options["data_files"] == "hf://datasets/bigcode/commitpackft/data/python/data.jsonl"


def test_a_hub_id_is_read_by_the_general_rules(network):
    network.rows = hub_rows(20, "instruction", "output")
    source = load_source("owner/name", role="proxy")
    assert (source.name, source.origin) == ("owner/name", "hub")


def test_the_hub_id_of_a_registered_data_set_brings_its_columns_and_split(network):
    network.rows = hub_rows(20, "prompt", "chosen")
    assert load_source("HuggingFaceH4/ultrafeedback_binarized", role="proxy").origin == "hub"
    assert network.loaded[0][1]["split"] == "train_prefs"


def test_wrong_columns_on_the_hub_are_an_error_and_no_stand_in(network):
    network.rows = hub_rows(20, "text")
    with pytest.raises(UserError, match="hub data set alpaca: no prompt and response columns; found: text"):
        load_source("alpaca", role="proxy")


def test_a_data_set_that_cannot_be_read_is_an_error_and_no_stand_in(network, monkeypatch):
    def refuse(*_, **__):
        raise ValueError("Unknown split \"train\". Should be one of ['test'].")

    network.rows = []
    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(UserError, match="hub data set tatsu-lab/alpaca: cannot be read: Unknown split"):
        load_source("alpaca", role="proxy")


def test_a_connection_lost_while_reading_falls_back(network, monkeypatch):
    def broken():
        yield {"instruction": "p", "output": "r"}
        raise ConnectionError("reset by peer")

    network.rows = []
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: Stream(broken()))
    assert load_source("alpaca", role="proxy").origin == "bundled"


# The stand-in


@pytest.mark.parametrize(
    ("name", "stand_in"),
    [("orca", "safety"), ("dolly", "proxy-terse"), ("alpaca-gpt4", "proxy-rich"), ("gsm8k", "arithmetic")],
)
def test_without_a_network_the_stand_in_is_used_and_says_so(name, stand_in):
    source = load_source(name, role="proxy")
    assert (source.name, source.origin, source.stand_in_for) == (f"bundled:{stand_in}", "bundled", name)


def test_an_unreachable_hub_is_asked_only_once(network):
    load_source("alpaca", role="proxy")
    load_source("gsm8k", role="capability")
    assert network.asked == ["tatsu-lab/alpaca"]


def test_a_gated_data_set_falls_back_and_the_next_one_is_still_asked_for(network):
    gated = huggingface_hub.errors.GatedRepoError
    network.failure = gated.__new__(gated, "gated")  # its own constructor wants a whole HTTP response
    load_source("alpaca", role="proxy")
    load_source("gsm8k", role="capability")
    assert network.asked == ["tatsu-lab/alpaca", "openai/gsm8k"]


def test_offline_mode_is_honoured(network, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert load_source("alpaca", role="proxy").origin == "bundled"
    with pytest.raises(UserError, match="HF_HUB_OFFLINE"):
        load_source("owner/name", role="proxy")
    assert not network.asked


def test_the_hub_may_be_ruled_out(network):
    assert load_source("alpaca", role="proxy", allow_hub=False).origin == "bundled"
    assert not network.asked


def test_a_hub_that_never_answers_is_given_up(network, monkeypatch):
    forever = threading.Event()
    monkeypatch.setattr(network, "dataset_info", lambda *_, **__: forever.wait())
    monkeypatch.setattr(hub_access, "PROBE_SECONDS", 0.05)
    with pytest.raises(hub_access.HubUnreachable, match=r"no answer in 0\.05 s"):
        hub_access.probe("owner/name", "dataset")
    forever.set()


def test_a_name_that_no_repository_can_have_is_not_taken_for_a_lost_hub(network):
    with pytest.raises(hub_access.HubUnavailable) as caught:
        hub_access.probe("owner/two--hyphens", "dataset")
    assert not isinstance(caught.value, hub_access.HubUnreachable)
    assert hub_access._Reach.lost is None and not network.asked


def test_without_stand_ins_the_error_says_what_was_tried():
    message = "orca is not to be had: no data folder was given; the hub cannot be reached .no route to host.; stand-ins"
    with pytest.raises(UserError, match=message):
        load_source("orca", role="alignment", allow_stand_in=False)
    with pytest.raises(UserError, match=r"safety-tuned is not to be had: .* it is not on the hub"):
        load_source("safety-tuned", role="alignment", allow_stand_in=False)


def test_a_hub_id_has_no_stand_in():
    with pytest.raises(UserError, match="hub data set tatsu-lab/alpaca: the hub cannot be reached"):
        load_source("tatsu-lab/alpaca", role="proxy")


def test_a_stand_in_can_be_asked_for_by_name():
    source = load_source("bundled:code", role="capability")
    assert (source.name, source.origin, source.stand_in_for) == ("bundled:code", "bundled", None)


# Wrong calls


@pytest.mark.parametrize("spec", ["alpacca", "bundled:cood"])
def test_an_unknown_name_gets_near_ones_and_the_list(spec):
    with pytest.raises(UserError, match=r"did you mean (alpaca|bundled:code).*Registered: orca, .*bundled:arithmetic"):
        load_source(spec, role="proxy")


@pytest.mark.parametrize("spec", ["hex-phi", "bbq", "LLM-Tuning-Safety/HEx-PHI"])
def test_evaluation_sets_belong_to_the_audit(spec):
    with pytest.raises(UserError, match=r"alignment source: .* belongs to `python -m tradeoffbounds\.audit`"):
        load_source(spec, role="alignment")


def test_an_unknown_role_is_refused():
    with pytest.raises(UserError, match="unknown role 'safety'; expected one of: alignment, proxy, capability"):
        load_source("alpaca", role="safety")
