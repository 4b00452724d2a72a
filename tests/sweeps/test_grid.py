"""Grids, and the YAML files that hold them."""

import pytest

from tradeoffbounds.errors import UserError
from tradeoffbounds.grid import expand, read_sweep
from tradeoffbounds.sweeps import Job


@pytest.fixture
def sweep(tmp_path):
    def write(text):
        path = tmp_path / "sweep.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_the_last_option_varies_fastest():
    assert expand({"b": [1, 2], "method": "lora", "a": ("x", "y"), "seed": range(1)}) == [
        {"b": 1, "method": "lora", "a": "x", "seed": 0},
        {"b": 1, "method": "lora", "a": "y", "seed": 0},
        {"b": 2, "method": "lora", "a": "x", "seed": 0},
        {"b": 2, "method": "lora", "a": "y", "seed": 0},
    ]
    assert list(expand({"b": 1, "a": [2]})[0]) == ["b", "a"]


def test_a_grid_without_options_is_one_empty_configuration():
    assert expand({}) == [{}]


def test_an_option_without_values_is_refused():
    with pytest.raises(UserError, match=r"^option 'b' has an empty list; give it values, or leave it out$"):
        expand({"a": [1, 2], "b": []})


def test_a_file_holds_a_grid(sweep):
    path = sweep("penalty: [0.1, null]\nmethod: lora  # one\nshuffle: true\nseed:\n  - 0\n  - 1\n")
    assert read_sweep(path) == [
        {"penalty": 0.1, "method": "lora", "shuffle": True, "seed": 0},
        {"penalty": 0.1, "method": "lora", "shuffle": True, "seed": 1},
        {"penalty": None, "method": "lora", "shuffle": True, "seed": 0},
        {"penalty": None, "method": "lora", "shuffle": True, "seed": 1},
    ]


def test_a_file_holds_a_union_of_grids(sweep):
    path = sweep("- {a: [1, 2], b: x}\n- {b: [y, x], a: 2}\n- {a: 1.0, b: x}\n")
    assert read_sweep(path) == [{"a": 1, "b": "x"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"}, {"a": 1.0, "b": "x"}]


def test_a_grid_may_build_on_another(sweep):
    path = sweep("- &base {a: [1, 2], b: x}\n- {<<: *base, b: y}\n")
    assert read_sweep(path) == [{"a": 1, "b": "x"}, {"a": 2, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "y"}]


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "1.0e-3", "0.001", "+1e-3", ".1e-2", "1.e-03", "10e-4"])
def test_a_small_number_is_one_however_it_is_written(sweep, text):
    (config,) = read_sweep(sweep(f"learning_rate: {text}"))
    assert config == {"learning_rate": 0.001} and isinstance(config["learning_rate"], float)


@pytest.mark.parametrize("text", ["e3", "1e", "1e3x", "'1e3'", "e-3", "1-e3"])
def test_text_stays_text(sweep, text):
    assert read_sweep(sweep(f"name: {text}")) == [{"name": text.strip("'")}]


def test_every_configuration_is_one_of_a_job(sweep):
    configs = read_sweep(sweep("penalty: [1e-1, null, 2, true, système]\nseed: [0, 1]"))
    assert len({Job("m:f", config).id for config in configs}) == 10


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": holds nothing; expected options, each with a value or a list of values"),
        ("# nothing\n", ": holds nothing; expected options, each with a value or a list of values"),
        ("[]", ": holds nothing; expected options, each with a value or a list of values"),
        ("lora", ": expected options, each with a value or a list of values, got 'lora'"),
        ("- a: 1\n- lora", ", item 2: expected options, each with a value or a list of values, got 'lora'"),
        ("- a: 1\n-", ", item 2: expected options, each with a value or a list of values, got None"),
        ("a: 1\nb: []", ": option 'b' has an empty list; give it values, or leave it out"),
        ("- a: 1\n- b: []", ", item 2: option 'b' has an empty list; give it values, or leave it out"),
        ("a: 1\nb: 2\na: 3", ":3: not YAML: 'a' is given twice"),
        ("- a: 1\n- {a: 1, 'a': 2}", ":2: not YAML: 'a' is given twice"),
        ("a: [1, 2", ":1: not YAML: expected ',' or ']', but got '<stream end>'"),
        ("a: 1\n---\na: 2", ":2: not YAML: but found another document"),
        ("a: 2026-02-30", ": not YAML: day is out of range for month"),
        ("a: *b", ":1: not YAML: found undefined alias 'b'"),
        (
            "a: !!python/name:os.getcwd",
            ":1: not YAML: could not determine a constructor for the tag 'tag:yaml.org,2002:python/name:os.getcwd'",
        ),
        ("on: 1", ": option True is not text; write its name in quotes"),
        ("1: 1", ": option 1 is not text; write its name in quotes"),
        *(
            (
                f"a: [1, {text}]",
                f": option 'a' has {shown}; expected a finite number, true, false, null, or text (in quotes, where "
                "YAML reads it as something else)",
            )
            for text, shown in [
                (".nan", "nan"), ("-.inf", "-inf"), ("1e999", "inf"), ("2026-02-03", "datetime.date(2026, 2, 3)"),
                ("[2]", "[2]"), ("{b: 2}", "{'b': 2}"),
            ]
        ),
    ],
)  # fmt: skip
def test_what_is_no_sweep_is_refused_with_its_place(sweep, text, message):
    path = sweep(text)
    with pytest.raises(UserError) as caught:
        read_sweep(path)
    assert str(caught.value) == f"{path}{message}"


def test_bytes_that_are_no_text_are_refused(sweep):
    with pytest.raises(UserError, match=r"sweep\.yaml: not YAML: .*invalid start byte"):
        read_sweep(sweep(b"a: \xff\xfe\xfd"))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"none\.yaml: no such file$"):
        read_sweep(tmp_path / "none.yaml")
    with pytest.raises(UserError, match=r": cannot be read: Is a directory$"):
        read_sweep(tmp_path)
