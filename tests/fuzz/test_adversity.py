"""Full disks, folders that cannot be written to, two processes on one folder, a hub that is dead or never answers."""

from __future__ import annotations

import errno
import os
import resource
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

import tradeoffbounds
from tradeoffbounds.errors import UserError
from tradeoffbounds.harm.generation import AnswerFile, answered
from tradeoffbounds.runs import PARTIAL, atomic_folder, atomic_path, full_disk, open_run_folder, write_json
from tradeoffbounds.sources import hub, load_source
from tradeoffbounds.sweeps import Job, run_jobs

SOURCE = Path(tradeoffbounds.__file__).parents[1]


def in_process(code, *, seconds=60, **environment):
    """What a Python process of its own prints; its exit code; and how long it took."""
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=os.environ | {"PYTHONPATH": str(SOURCE)} | environment,
        capture_output=True, text=True, timeout=seconds,
    )  # fmt: skip
    return done.stdout + done.stderr, done.returncode, time.monotonic() - begun


# A disk that is full: no file may grow beyond a limit, which fails in the middle of a write as a full disk does


@pytest.fixture
def small_disk():
    """Files of at most 4 kB in this process."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_record_that_finds_no_space_leaves_the_old_one_and_nothing_else(tmp_path, small_disk):
    write_json(tmp_path / "estimate.json", {"old": 1})
    before = (tmp_path / "estimate.json").read_bytes()
    with pytest.raises(
        UserError, match=r"cannot write .*estimate.json: File too large; allow larger files, then call again"
    ):
        write_json(tmp_path / "estimate.json", {"new": "x" * 10_000})
    assert (tmp_path / "estimate.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["estimate.json"]


def test_a_run_folder_without_room_for_results_is_refused_at_the_door(tmp_path, small_disk):
    with pytest.raises(UserError, match=r"cannot write results to .*: File too large; choose another --out"):
        open_run_folder(tmp_path)


def test_answers_that_find_no_space_are_kept_up_to_there_and_asked_again(tmp_path, monkeypatch, small_disk):
    monkeypatch.setenv("TRADEOFFBOUNDS_CACHE", str(tmp_path))
    ids = [f"q{n}" for n in range(10)]
    asked = []

    def ask(batch):
        asked.extend(ids[i] for i in batch)
        return ((i, "x" * 1000) for i in batch)

    def call():
        return answered("kept", {}, ids, [2**20] * 10, ask, lambda text: True, lambda text: said.append(text), None)

    said: list[str] = []
    with pytest.raises(UserError, match=r"cannot write .*\.jsonl: File too large"):
        call()
    kept = len(asked) - 1
    assert 0 < kept < 10
    resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    asked.clear()
    assert call() == ["x" * 1000] * 10
    assert asked == ids[kept:]
    (path,) = (tmp_path / "kept").glob("*.jsonl")
    assert said == [f"{path.name}: the last answer was only half written, and is asked for again"]


def fill(config, work):
    """A job that writes with a library of its own, which meets the full disk."""
    if config["how"] == "python":
        (work / "big").write_bytes(bytes(config["bytes"]))
    else:
        raise RuntimeError(f"Error while serializing: {os.strerror(errno.ENOSPC)} (os error 28)")
    (work / "done").touch()


def test_a_sweep_that_finds_no_space_says_so_and_goes_on_later(tmp_path, small_disk, monkeypatch):
    monkeypatch.setattr("tradeoffbounds.runs._TRIAL_BYTES", 16)
    jobs = [Job(f"{__name__}:fill", {"how": "python", "bytes": size}) for size in (10, 10_000)]
    with pytest.raises(UserError, match=r"1 of 2 jobs failed, .*File too large: free some space, then call again"):
        run_jobs(jobs, tmp_path)
    assert (tmp_path / jobs[0].id / "done").exists() and not (tmp_path / jobs[1].id).exists()
    resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    run_jobs(jobs, tmp_path)
    assert (tmp_path / jobs[1].id / "big").stat().st_size == 10_000
    with pytest.raises(UserError, match="No space left on device: free some space"):
        run_jobs([Job(f"{__name__}:fill", {"how": "library"})], tmp_path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_what_a_file_system_refuses_is_one_line(tmp_path, monkeypatch, number):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    for name, write in (
        ("os.replace", lambda: write_json(tmp_path / "a.json", {})),
        ("tempfile.mkstemp", lambda: write_json(tmp_path / "a.json", {})),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(name, refuse)
            with pytest.raises(UserError, match=rf"cannot write .*a.json: {os.strerror(number)}; "):
                write()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refuse)
        with pytest.raises(
            UserError, match=rf"cannot write results to .*: {os.strerror(number)}; choose another --out"
        ):
            open_run_folder(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_other_errors_are_not_taken_for_a_full_disk(tmp_path):
    with pytest.raises(RuntimeError, match="a defect"), atomic_path(tmp_path / "a"):
        raise RuntimeError("a defect")
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a"):
        (tmp_path / "gone").read_text()
    assert full_disk(ValueError("no")) is None
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert full_disk(one) is None


# A file in the place of a folder: what a read-only folder does for users for whom permissions do not hold, as for root


def test_a_cache_that_is_a_file_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "cache").touch()
    monkeypatch.setenv("TRADEOFFBOUNDS_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UserError, match=r"cannot write .*cache/kept/.*choose another folder"):
        answered("kept", {}, ["a"], [1], pytest.fail, bool, pytest.fail, None)


def test_a_folder_that_permits_nothing_is_one_line(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("permissions do not hold for this user")
    with pytest.raises(UserError, match="Permission denied; choose another --out"):
        open_run_folder(folder)
    with pytest.raises(UserError, match=r"cannot write .*Permission denied"):
        write_json(folder / "a.json", {})


def test_a_folder_is_not_half_made_where_there_is_no_space(tmp_path, small_disk):
    with pytest.raises(OSError, match="File too large"), atomic_folder(tmp_path / "model") as temporary:
        (temporary / "weights").write_bytes(bytes(10_000))
    assert list(tmp_path.iterdir()) == []
    assert PARTIAL.startswith(".")


# Two processes on one folder of answers


def test_two_processes_ask_each_question_once(tmp_path):
    code = f"""
        import os, time
        from tradeoffbounds.harm.generation import answered
        ids = [f"q{{n}}" for n in range(8)]
        def ask(batch):
            for i in batch:
                with open({str(tmp_path / "asked")!r}, "a") as log:
                    log.write(ids[i] + "\\n")
                time.sleep(0.02)
                yield i, str(i)
        assert answered("kept", {{}}, ids, [2**20] * 8, ask, bool, lambda text: None, None) == list("01234567")
    """
    done = []

    def call():
        done.append(in_process(code, TRADEOFFBOUNDS_CACHE=str(tmp_path / "cache")))

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each[1] for each in done] == [0, 0], done
    assert sorted((tmp_path / "asked").read_text().split()) == [f"q{n}" for n in range(8)]


def test_answers_survive_a_process_killed_in_the_middle(tmp_path):
    path = tmp_path / "a.jsonl"
    code = f"""
        import os, signal
        from pathlib import Path
        from tradeoffbounds.harm.generation import AnswerFile
        with AnswerFile.locked(Path({str(path)!r}), {{}}, print) as kept:
            kept.add("a", 1)
            kept.add("b", 2)
            kept._file.write(b'{{"id": "c", "ans')
            os.kill(os.getpid(), signal.SIGKILL)
    """
    assert in_process(code)[1] == -9
    said: list[str] = []
    with AnswerFile.locked(path, {}, said.append) as kept:
        assert "a" in kept and "b" in kept and "c" not in kept
    assert said == ["a.jsonl: the last answer was only half written, and is asked for again"]


# A dead hub


@pytest.fixture
def silent():
    """An address that takes every connection and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


LOAD = """
    from tradeoffbounds.sources import load_source
    from tradeoffbounds.errors import UserError
    print(load_source("alpaca", role="proxy").name)
    for spec, options in (("alpaca", {"allow_stand_in": False}), ("somebody/something", {})):
        try:
            load_source(spec, role="proxy", **options)
        except UserError as error:
            print(error)
"""


def on_line(address):
    return {"HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0", "NO_PROXY": "*", "no_proxy": "*"}


def test_a_hub_that_refuses_is_told_and_the_stand_in_taken(tmp_path):
    said, code, seconds = in_process(LOAD, HF_HOME=str(tmp_path), **on_line("http://127.0.0.1:9"))
    assert code == 0, said
    assert said.startswith("bundled:proxy-terse\n") and said.count("the hub cannot be reached") == 2
    assert seconds < 30


def test_a_hub_that_never_answers_is_given_up_in_seconds(tmp_path, silent):
    said, code, seconds = in_process(LOAD, HF_HOME=str(tmp_path), **on_line(silent))
    assert code == 0, said
    assert said.startswith("bundled:proxy-terse\n") and said.count("the hub cannot be reached") == 2
    assert seconds < 30


def test_a_hub_that_falls_silent_between_rows_is_given_up(monkeypatch):
    def rows():
        yield {"prompt": "a", "response": "b"}
        threading.Event().wait(20)

    monkeypatch.setattr(hub, "STALL_SECONDS", 0.2)
    found = hub._unstalled(rows())
    assert next(found) == {"prompt": "a", "response": "b"}
    with pytest.raises(hub.HubUnavailable, match=r"the hub sent nothing for 0.2 s"):
        next(found)


def test_rows_and_errors_come_through_as_they_are():
    def rows():
        yield 1
        yield 2
        raise ValueError("no split")

    found = hub._unstalled(rows())
    assert [next(found), next(found)] == [1, 2]
    with pytest.raises(ValueError, match="no split"):
        next(found)
    assert list(hub._unstalled(iter(range(3)))) == [0, 1, 2]


def test_what_was_left_out_of_the_hubs_rows_is_recorded(monkeypatch):
    from tradeoffbounds.sources.columns import Record

    monkeypatch.setattr(hub, "stream", lambda *_, max_rows, **__: [
        Record(f"row {n}", {"instruction": f"Ask {n}", "output": f"Say {n}"}) for n in range(max_rows)
    ])  # fmt: skip
    assert load_source("alpaca", role="proxy", max_rows=30).describe()["limited_to"] == 30
