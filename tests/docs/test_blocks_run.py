"""Every command and every code block of the manual runs; what is replaced by smaller things is in world.py."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
from functools import partial
from pathlib import Path

import pytest

from . import world
from .pages import ROOT, Block, blocks, commands, inline_commands, name, pages

BLOCKS = [block for page in pages() for block in blocks(page)]
SHELL = ("sh", "bash")
#: Nothing to run: what a terminal shows, or a mere layout.
INERT = ("text",)
#: A new reason not to run a block is weighed here too.
MOST_NOT_RUN = 8
#: Modules of others, by what runs them in the tests.
OTHERS = {"mkdocs": "tests/docs/test_site.py"}


def distinct_commands() -> dict[tuple[str, ...], str]:
    """Each command once, with the first place where it stands."""
    found: dict[tuple[str, ...], str] = {}
    for block in BLOCKS:
        if block.language in SHELL and block.not_run is None:
            for words in commands(block.text):
                found.setdefault(tuple(words), block.place)
    # `study` and pages are made of what others have written.
    return dict(sorted(found.items(), key=lambda item: {"study": 2, "page": 1}.get(_door(list(item[0])) or "", 0)))


def _door(words: list[str]) -> str | None:
    """The door that a command opens; None for other commands."""
    if words[0] == "tradeoffbounds":
        return words[1]
    if re.fullmatch(r"(\.venv/bin/)?python3?", words[0]) and words[1] == "-m":
        return words[2].removeprefix("tradeoffbounds.") if words[2].startswith("tradeoffbounds.") else None
    return None


def _options(words: list[str]) -> list[str]:
    return words[2:] if words[0] == "tradeoffbounds" else words[3:]


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """Where a reader would be: a folder with all that the manual names, and no network."""
    from huggingface_hub import constants

    folder = tmp_path_factory.mktemp("reader")
    with pytest.MonkeyPatch.context() as patch:
        world.build(folder)
        patch.chdir(folder)
        patch.setenv("TRADEOFFBOUNDS_CACHE", str(folder / "cache"))
        patch.setenv("TRADEOFFBOUNDS_DATA", "DATA")
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
        world.replace_what_is_slow(patch)
        yield folder


@pytest.mark.parametrize("words", [pytest.param(each, id=f"{place} {' '.join(each)[:60]}") for each, place in
                                   distinct_commands().items()])  # fmt: skip
def test_a_command_runs(words, reader, capsys):
    run(list(words), reader, capsys)


def run(words: list[str], reader: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings: dict[str, str] = {}
    while words and (given := re.fullmatch(r"([A-Z_]+)=(.*)", words[0])):
        settings[given[1]] = given[2]
        words = words[1:]
    if words[0] == "make":
        said = subprocess.run(
            [words[0], "--dry-run", *words[1:]], cwd=ROOT, env=os.environ | settings, capture_output=True, text=True
        )
        assert said.returncode == 0, said.stderr
        return
    if words[0] == "export":
        ((variable, _),) = (word.split("=", 1) for word in words[1:])
        read = (path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
        assert any(f'"{variable}"' in text for text in read), f"nothing reads {variable}"
        return
    door = _door(words)
    if door is None:
        assert words[1:2] == ["-m"] and words[2] in OTHERS, f"the tests do not know how to run {words[0]!r}"
        return
    if door in ("study", "page"):
        _earlier_results(reader)
    code = importlib.import_module(_module(words, door)).main(
        [door, *_options(words)] if words[0] == "tradeoffbounds" else _options(words)
    )
    assert code == 0, capsys.readouterr().err


def _module(words: list[str], door: str) -> str:
    if words[0] == "tradeoffbounds":
        return "tradeoffbounds.__main__"
    return "tradeoffbounds.page.__main__" if door == "page" else f"tradeoffbounds.{door}"


def _earlier_results(reader: Path) -> None:
    for door in ("estimate", "validate"):
        if not (reader / "runs" / door / f"{door}.json").is_file():
            assert importlib.import_module(f"tradeoffbounds.{door}").main(["--quiet"]) == 0


PYTHON = [page for page in pages() if any(block.language == "python" for block in blocks(page))]


@pytest.mark.parametrize("page", PYTHON, ids=lambda page: page.name)
def test_the_python_of_a_page_runs(page, reader, capsys):
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.language == "python":
            code = compile("\n" * int(block.place.rpartition(":")[2]) + block.text, str(page), "exec")
            if block.not_run is None:
                exec(code, names)  # a page's blocks go on from each other


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_a_block_is_well_formed(block: Block, tmp_path):
    if block.language in SHELL:
        assert commands(block.text)
    elif block.language == "python":
        compile(block.text, block.place, "exec")
    elif block.language == "json":
        json.loads(block.text)
    elif block.language == "yaml":
        check_sweep(block, tmp_path)
    else:
        assert block.language in INERT, f"{block.place}: the tests do not know the language {block.language!r}"


def check_sweep(block: Block, folder: Path) -> None:
    from tradeoffbounds.validate_config import ValidateConfig, sweep_points

    path = folder / "grid.yaml"
    path.write_text(block.text, "utf-8")
    assert len(sweep_points(path, ValidateConfig(sweep=path))) > 1


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.not_run and each.language in SHELL],
                         ids=lambda block: block.place)  # fmt: skip
def test_options_of_what_is_not_run_are_understood(block: Block):
    for words in commands(block.text):
        understood(words)


@pytest.mark.parametrize("page", pages(), ids=name)
def test_commands_within_sentences_are_understood(page, reader):
    for words in inline_commands(page):
        understood(words)


def understood(words: list[str]) -> None:
    """The options of a door as its dataclass reads them."""
    import tyro

    import tradeoffbounds

    door = _door(words)
    if door not in (None, "page", "DOOR"):
        tyro.cli(partial(getattr(tradeoffbounds, f"{door.capitalize()}Config")), args=_options(words))


def test_few_blocks_are_not_run():
    assert len([block for block in BLOCKS if block.not_run]) <= MOST_NOT_RUN


def test_a_command_that_fails_would_be_found(reader, capsys):
    with pytest.raises(AssertionError, match="no such file"):
        run(["python", "-m", "tradeoffbounds.estimate", "--capability", "gone.jsonl"], reader, capsys)
    with pytest.raises(AssertionError, match="know how to run 'curl'"):
        run(["curl", "-O", "x"], reader, capsys)
    with pytest.raises(AssertionError, match="gone"):
        run(["make", "gone"], reader, capsys)
