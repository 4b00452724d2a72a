"""Doors on local files, watched from outside: no host is asked for, no secret is written, no name becomes a tag."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from .audit.conftest import PROMPTS, bbq_rows
from .estimate.records import CODE, SAFETY, write_rows

SECRET = "hf_thisIsTheSecretTokenOfTheTests"
#: The name of a file of rows, chosen by somebody who hopes that a page will show it.
TAG = "<script>alert(1)<"

#: Python runs it first in every process, those that a door starts too: whoever asks for a host is noted and refused.
WATCH = """
import os, sys
def watch(event, arguments):
    if event in ("socket.connect", "socket.sendto"):
        if arguments[0].family.name == "AF_UNIX":
            return
        asked = arguments[1]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        asked = arguments
    else:
        return
    with open(os.environ["ASKED_FOR"], "a") as file:
        file.write(f"{os.environ.get('DOOR')}: {event} {asked}\\n")
    raise OSError("the tests let nobody out")
sys.addaudithook(watch)
"""
#: One process for all doors, because each would import torch anew.
RUN = """
import contextlib, io, json, os, sys, traceback
calls = json.load(open(sys.argv[1]))
os.environ["DOOR"] = "import"
import tradeoffbounds
from tradeoffbounds.__main__ import main
done = {"torch": "torch" in sys.modules, "jax" : "jax" in sys.modules}
for name, arguments in calls.items():
    os.environ["DOOR"] = name
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        try:
            code = main(arguments)
        except SystemExit as error:
            code = error.code
        except Exception:
            code = traceback.format_exc()
    done[name] = {"code": code, "stdout": stdout.getvalue(), "stderr": stderr.getvalue()}
from huggingface_hub import constants
from transformers.integrations import hub_kernels
done["kernels of the hub"] = hub_kernels._kernels_enabled
done["conversion"] = os.environ["DISABLE_SAFETENSORS_CONVERSION"]
json.dump(done, open(sys.argv[2], "w"))
"""


def write_data(folder: Path) -> None:
    """Sources, one of them under a registered name, prompts, BBQ, and preferences."""
    for seed, (name, words) in enumerate({"alpaca": SAFETY, "safety": SAFETY, "code": CODE, TAG: SAFETY}.items()):
        write_rows(folder / f"{name}.jsonl", words, seed, n=50)
    pairs = [{"prompt": f"{i} ask", "chosen": f"{i} yes sure", "rejected": f"{i} no never"} for i in range(50)]
    asked = [{"category": category, "prompt": prompt} for category, prompt in PROMPTS]
    for name, rows in (("likes", pairs), ("asked", asked)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    (folder / "bbq").mkdir()
    for dimension in ("Age", "Disability_status", "Gender_identity", "Nationality", "Physical_appearance",
                      "Race_ethnicity", "Religion", "SES", "Sexual_orientation"):  # fmt: skip
        rows = "".join(json.dumps(row) + "\n" for row in bbq_rows(dimension))
        (folder / "bbq" / f"{dimension}.jsonl").write_text(rows, "utf-8")


def calls(model: Path, data: Path, out: Path) -> dict[str, list[str]]:
    placed = ["--device", "cpu", "--dtype", "float32", "--data-dir", str(data)]
    on_model = ["--model", str(model), *placed]
    tuned = ["--rows", "24", "--validation-rows", "6", "--test-rows", "10", "--steps", "2", "--batch", "4",
             "--start", "none", "--max-tokens", "128", "--curvature", "off"]  # fmt: skip
    few = ["--harm", "asked", "--samples", "36", "--max-new-tokens", "2"]
    return {
        "help": ["--help"],
        **{f"{door} help": [door, "--help"] for door in ("estimate", "validate", "audit", "study")},
        "estimate": ["estimate", *on_model, "--alignment", "safety", "--proxy", "alpaca", "--capability",
                     str(data / f"{TAG}.jsonl"), "--penalty", "1", "--curvature", "off",
                     "--out", str(out / "estimate")],
        "validate": ["validate", *on_model, *tuned, "--alignment", "safety", "--proxy", "alpaca", "--capability",
                     "likes", "--objective", "sft", "dpo", "--penalty", "1", "--out", str(out / "validate")],
        "study": ["study", *placed, *few, "--sweep", str(out / "validate"), "--out", str(out / "study")],
        "nobody's adapter": ["audit", *on_model, *few, "--adapter", "owner/adapter", "--out", str(out / "audit")],
        "no such folder": ["audit", "--model", str(model / "gone"), *placed, *few, "--out", str(out / "audit")],
    }  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Any:
    """Everything once: what was said, who was asked for, and where all that was written lies."""
    folder = tmp_path_factory.mktemp("network")
    model = folder / "model"
    shutil.copytree(tiny_folder, model)
    for name in ("data", "home", "watch"):
        (folder / name).mkdir()
    write_data(folder / "data")
    (folder / "watch" / "sitecustomize.py").write_text(WATCH)
    (folder / "asked_for").touch()
    (folder / "calls.json").write_text(json.dumps(calls(model, folder / "data", folder / "out")))
    kept = {"PATH", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "LANG"}
    environment = {name: value for name, value in os.environ.items() if name in kept} | {
        "PYTHONPATH": os.pathsep.join([str(folder / "watch"), *filter(None, sys.path)]),
        "HOME": str(folder / "home"), "TRADEOFFBOUNDS_CACHE": str(folder / "home" / "cache"),
        "ASKED_FOR": str(folder / "asked_for"), "HF_TOKEN": SECRET, "HUGGING_FACE_HUB_TOKEN": SECRET,
        "WANDB_API_KEY": SECRET, "USER": "a-user-of-the-tests", "LOGNAME": "a-user-of-the-tests",
    }  # fmt: skip
    command = [sys.executable, "-c", RUN, str(folder / "calls.json"), str(folder / "said.json")]
    ended = subprocess.run(command, env=environment, cwd=folder / "home", capture_output=True, text=True, timeout=1200)
    assert ended.returncode == 0, ended.stderr[-500:]
    return SimpleNamespace(
        folder=folder, said=json.loads((folder / "said.json").read_text()), errors=ended.stderr + ended.stdout,
        asked=(folder / "asked_for").read_text(),
    )  # fmt: skip


def test_the_doors_worked(run):
    for name in ("help", "estimate help", "validate help", "audit help", "study help", "estimate", "validate", "study"):
        assert run.said[name]["code"] == 0, (run.said[name]["code"], run.said[name]["stderr"])
    for name in ("nobody's adapter", "no such folder"):
        assert run.said[name]["code"] == 2
    record = json.loads((run.folder / "out" / "estimate" / "estimate.json").read_text("utf-8"))
    assert {source["origin"] for source in record["sources"].values()} == {"local"}
    assert {each["config"]["objective"] for each in validated(run)["runs"]} == {"sft", "dpo"}


def validated(run):
    return json.loads((run.folder / "out" / "validate" / "validate.json").read_text("utf-8"))


def test_importing_the_package_brings_neither_torch_nor_jax(run):
    assert run.said["torch"] is False and run.said["jax"] is False


def test_no_host_is_asked_for_unless_a_hub_name_was(run):
    """Names of hosts and connections alike, in every process; a registered name was in the data folder."""
    assert run.asked == ""


def test_the_watch_sees_who_asks(run):
    """The same watch on a name that only the hub has."""
    script = "from tradeoffbounds.sources import load_source\nload_source('alpaca', role='proxy')"
    noted = run.folder / "asked_for_alpaca"
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(run.folder / "watch"), *filter(None, sys.path)]), "ASKED_FOR": str(noted),
        "HF_HUB_OFFLINE": "0",
    }  # fmt: skip
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True, timeout=100)
    assert "socket.getaddrinfo" in noted.read_text() and "huggingface.co" in noted.read_text()


def test_no_compiled_code_is_taken_from_the_hub_and_nobody_is_asked_to_convert_pickles(run):
    assert run.said["kernels of the hub"] is False and run.said["conversion"] == "1"


def test_secrets_and_the_name_of_the_user_are_written_nowhere(run):
    """In no record, page, cache, lock or message, whatever its format."""
    written = [path for path in run.folder.rglob("*") if path.is_file()]
    assert {"estimate.json", "validate.json", "study.json", "run.json", "adapter_config.json"} <= {
        path.name for path in written
    }
    for path in written:
        content = path.read_bytes()
        assert SECRET.encode() not in content and b"a-user-of-the-tests" not in content, path
    assert SECRET not in json.dumps(run.said) + run.errors


def test_the_record_of_the_environment_names_no_place_and_no_host(run):
    import socket

    text = json.dumps(validated(run)["environment"])
    assert str(run.folder) not in text and not re.search(r"/home|/root|/Users", text)
    assert len(socket.gethostname()) < 4 or socket.gethostname() not in text


def test_names_of_data_become_no_tags_of_the_page(run):
    from tradeoffbounds.page import render_page

    page = render_page(json.loads((run.folder / "out" / "estimate" / "estimate.json").read_text("utf-8")))
    assert TAG not in page and "alert(1)" in page


def test_weights_and_results_are_written_as_safetensors_and_json_alone(run):
    """What is left when a run is over; the checkpoints of a training, which torch writes, are gone."""
    kinds = {path.suffix for place in ("out", "home") for path in (run.folder / place).rglob("*") if path.is_file()}
    assert not kinds & {".bin", ".pt", ".pth", ".pkl", ".ckpt", ".zip", ".tar"}
    assert {".safetensors", ".json"} <= kinds
