"""Initialisations of virtual tokens through the door: which runs there are, what they are called, and wrong calls."""

import re

import pytest

from tradeoffbounds import UserError, ValidateConfig
from tradeoffbounds.validate import _grid
from tradeoffbounds.validate_config import sweep_points

from .conftest import no_figures
from .results import runs_of, value

pytestmark = pytest.mark.usefixtures("offline", "unchecked_shapes")
BOTH = ("lora", "prompt-tuning")
OWN = "text:Be kind."


@pytest.fixture
def sweep(tmp_path):
    """A configuration with this sweep's file."""

    def made(text, **options):
        (tmp_path / "grid.yaml").write_text(text)
        return ValidateConfig(sweep=tmp_path / "grid.yaml", **options)

    return made


@pytest.fixture(scope="module")
def started(command, tmp_path_factory):
    """LoRA and prompt tuning, which alone has several starts, and nothing moves."""
    with pytest.MonkeyPatch.context() as patch:
        no_figures(patch)
        return command(
            tmp_path_factory.mktemp("started"), peft=BOTH, prompt_init=("vocabulary", "safety-text", OWN), radius=0.0,
            proxy="same=safety", start="none", steps=1,
        )  # fmt: skip


def kinds(runs):
    return [(run.method, run.prompt_init) for run in runs]


# Runs


def test_every_start_is_a_run_of_its_own_and_other_methods_run_once(started):
    held = runs_of(started, radius=0.0)
    assert [(run["config"]["method"], run["config"].get("prompt_init")) for run in held] == [
        ("lora", None), ("prompt-tuning", "vocabulary"), ("prompt-tuning", "safety-text"), ("prompt-tuning", OWN),
    ]  # fmt: skip
    assert "prompt_init" not in held[0]["config"]
    gaps = {value(run["observed"]["safety_gap"]) for run in held}
    assert len(gaps) == 4  # before any step
    assert started.record["config"]["prompt_init"] == ["vocabulary", "safety-text", OWN]


def test_tables_and_sentences_tell_the_starts_apart(started):
    # A narrow console folds the table's cells.
    said = " ".join(started.stdout.split())
    for name in ("vocabulary", "safety-text", "“Be kind.”"):
        assert f"prompt-tuning ({name}) SFT 2" in said
    assert "lora SFT 2" in said and "lora (" not in said


def test_a_run_that_is_left_to_itself_starts_alike(started):
    for run in runs_of(started, method="prompt-tuning", radius=0.0):
        (free,) = runs_of(started, prompt_init=run["config"]["prompt_init"], radius=None)
        start = free["path"]["safety_loss"][0]
        assert start == run["path"]["safety_loss"][0]


def test_where_nothing_was_chosen_records_are_as_they_were(dataset):
    assert all("prompt_init" not in run["config"] for run in dataset.record["runs"])


# The grid


def test_by_default_there_is_one_start():
    config, runs = _grid(ValidateConfig(peft=BOTH, penalty=(1.0,)))
    assert kinds(runs) == [("lora", None), ("prompt-tuning", None)] and config.prompt_init == ("vocabulary",)


def test_one_start_that_is_not_the_default_is_named_too():
    _, runs = _grid(ValidateConfig(peft=BOTH, prompt_init=("random",), penalty=(1.0,)))
    assert kinds(runs) == [("lora", None), ("prompt-tuning", "random")]


def test_p_tuning_beside_prompt_tuning_runs_once():
    methods = ("p-tuning", "prompt-tuning")
    _, runs = _grid(ValidateConfig(peft=methods, prompt_init=("random", "text"), penalty=(1.0,)))
    assert kinds(runs) == [("p-tuning", None), ("prompt-tuning", "random"), ("prompt-tuning", "text")]


def test_a_sweep_s_file_multiplies_prompt_tuning_alone(sweep):
    text = f"{{peft: [lora, prompt-tuning], prompt_init: [random, '{OWN}'], penalty: [1, null]}}"
    config, runs = _grid(sweep(text))
    assert kinds(runs) == [("lora", None)] * 2 + [("prompt-tuning", "random")] * 2 + [("prompt-tuning", OWN)] * 2
    assert config.prompt_init == ("random", OWN) and set(config.peft) == set(BOTH)


def test_a_sweep_s_file_without_the_option_takes_the_command_s(sweep):
    config, runs = _grid(sweep("{peft: prompt-tuning, penalty: 1}", prompt_init=("random",)))
    assert kinds(runs) == [("prompt-tuning", "random")] and config.prompt_init == ("random",)
    config, runs = _grid(sweep("{peft: prompt-tuning, penalty: 1}"))
    assert kinds(runs) == [("prompt-tuning", None)] and config.prompt_init == ("vocabulary",)


def test_a_sweep_of_other_methods_takes_no_notice(sweep):
    config, runs = _grid(sweep("{peft: lora, penalty: 1}", prompt_init=("random",)))
    assert kinds(runs) == [("lora", None)] and config.prompt_init == ("vocabulary",)


# Wrong calls


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"prompt_init": "randomly"}, "--prompt-init: cannot start virtual tokens from 'randomly'; expected one of"),
        ({"prompt_init": "text:"}, "--prompt-init: the text to start virtual tokens from is empty"),
        ({"prompt_init": ("text:Be kind to all of them, always.", "text:Be kind to all of them, not me.")},
         "--prompt-init: two texts begin with “Be kind to all of them, …”"),
        ({"prompt_init": "random", "peft": "p-tuning"},
         "--prompt-init random: only the virtual tokens of prompt-tuning .*those of p-tuning come out of an encoder"),
        ({"prompt_init": "safety-text", "peft": ("lora", "full")}, "--prompt-init safety-text: only the virtual"),
    ],
)  # fmt: skip
def test_a_start_that_cannot_be_is_refused_in_one_line(changed, said):
    given = {name: each if isinstance(each, tuple) else (each,) for name, each in changed.items()}
    with pytest.raises(UserError) as caught:
        ValidateConfig(**{"peft": ("prompt-tuning",)} | given)
    assert re.search(said, str(caught.value)) and "\n" not in str(caught.value)


def test_no_start_at_all_is_refused():
    with pytest.raises(UserError, match="--prompt-init needs at least one value"):
        ValidateConfig(prompt_init=())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{peft: [lora, p-tuning], prompt_init: random}", "option 'prompt_init': only the virtual tokens of prompt-"),
        ("{peft: prompt-tuning, prompt_init: [random, rand]}", "--prompt-init: cannot start virtual tokens from"),
        ("{peft: prompt-tuning, prompt_init: null}", "option 'prompt_init' has None; expected text"),
    ],
)
def test_a_start_of_a_sweep_that_cannot_be_is_refused_by_the_name_of_its_file(sweep, text, said):
    config = sweep(text)
    with pytest.raises(UserError) as caught:
        sweep_points(config.sweep, config)
    assert str(caught.value).startswith(f"{config.sweep}: ") and said in str(caught.value)
