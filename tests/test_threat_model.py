"""The threat model's claims have tests, and the source makes none of the calls that it says are never made."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
MODEL = ROOT / "docs" / "threat-model.md"
#: Calls that read pickles, run text as code, or open archives; by the end of their dotted name.
NEVER = (
    "torch.load", "pickle.load", "pickle.loads", "pickle.Unpickler", "joblib.load", "marshal.loads", "shelve.open",
    "pandas.read_pickle", "pd.read_pickle", "yaml.unsafe_load", "yaml.full_load", "os.system", "os.popen",
    "tarfile.open", "zipfile.ZipFile", "shutil.unpack_archive", "eval", "exec", "__import__",
)  # fmt: skip
#: Where a module is imported by a name that is not written out: of this package, and what sweeps were planned with.
IMPORTED_BY_NAME = {"__init__.py", "__main__.py", "sweeps.py"}


def calls(path):
    """The dotted name of every call in a file, with the call."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


ALL_CALLS = [(path, name, node) for path in SOURCES for name, node in calls(path)]


def keywords(node):
    return {each.arg: ast.unparse(each.value) for each in node.keywords}


def test_no_pickle_is_read_no_text_is_run_and_no_archive_is_opened():
    found = [(path.name, name) for path, name, _ in ALL_CALLS if name in NEVER]
    assert found == []


def test_the_code_of_a_model_is_never_trusted():
    said = [keywords(node)["trust_remote_code"] for _, _, node in ALL_CALLS if "trust_remote_code" in keywords(node)]
    assert said and set(said) == {"False"}
    assert not re.search(r"""["']trust_remote_code["']""", "".join(path.read_text("utf-8") for path in SOURCES))


def test_whatever_loads_a_model_says_so():
    """PEFT's loader has no such option: it runs no code, and is called for folders that were looked at."""
    loaders = [(path.name, name, keywords(node)) for path, name, node in ALL_CALLS if name.endswith(".from_pretrained")]
    plain = {(file, name) for file, name, said in loaders if said.get("trust_remote_code") != "False"}
    assert plain == {("peft_folder.py", "PeftModel.from_pretrained")}
    assert {file for file, _, _ in loaders} == {"load.py", "embedded.py", "peft_folder.py"}


def test_arrays_and_yaml_are_read_as_data():
    arrays = [keywords(node).get("allow_pickle") for _, name, node in ALL_CALLS if name in ("np.load", "numpy.load")]
    assert arrays and set(arrays) == {"False"}
    read = [(path.name, keywords(node).get("Loader")) for path, name, node in ALL_CALLS if name == "yaml.load"]
    assert read == [("grid.py", "_Loader")]
    from yaml import SafeLoader

    from tradeoffbounds.grid import _Loader

    assert issubclass(_Loader, SafeLoader)


def test_modules_are_imported_by_name_in_few_places():
    found = {path.name for path, name, _ in ALL_CALLS if name in ("importlib.import_module", "import_module")}
    assert found <= IMPORTED_BY_NAME


def test_processes_are_started_without_a_shell():
    started = [(path, node) for path, name, node in ALL_CALLS if name.startswith("subprocess.")]
    assert started and all("shell" not in keywords(node) for _, node in started)


def test_every_claim_of_the_threat_model_names_a_test_that_exists():
    text = MODEL.read_text("utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", text)
    assert len(named) == text.count("`tests/") >= 15
    for file, test in named:
        tree = ast.parse((ROOT / file).read_text("utf-8"))
        assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f"{file}::{test}"


@pytest.mark.parametrize("heading", ["## What is done", "## What is left to you"])
def test_of_what_is_done_every_line_names_its_test(heading):
    part = MODEL.read_text("utf-8").split(heading)[1].split("\n## ")[0]
    items = re.split(r"\n- ", part)[1:]
    assert len(items) >= 5
    if heading == "## What is done":
        assert [item for item in items if "`tests/" not in item] == []
