"""Inputs that Atheris makes, guided by which lines of the package they reach: TARGET RUNS FOLDER are its arguments.

A process of its own, because Atheris never returns. Every target takes bytes, and ends in a result or in a `UserError`
of one line; any other error ends the process with a traceback and a code that is not 0. FOLDER/tally says how many
inputs were accepted and how many refused.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["tradeoffbounds", "yaml", "csv"]):
    from tradeoffbounds.errors import UserError
    from tradeoffbounds.grid import read_sweep
    from tradeoffbounds.harm.bbq import load_bbq
    from tradeoffbounds.harm.bbq_answer import parse_letter
    from tradeoffbounds.harm.keyword_judge import refuses
    from tradeoffbounds.harm.llama_guard import parse
    from tradeoffbounds.harm.prompts import load_harm_set
    from tradeoffbounds.runs import read_json
    from tradeoffbounds.sources.columns import to_pairs, to_rows
    from tradeoffbounds.sources.files import read_records

SEEDS = {
    "data files": [
        b'j{"prompt": "Ask", "response": "Say"}\n',
        b'J[{"messages": [{"role": "user", "content": "Ask"}]}]',
        b'cprompt,response\r\n"Ask ""1""",Say\r\n',
        b'j{"prompt": "p", "chosen": "c", "rejected": "r"}',
    ],
    "sweep files": [
        b"proxy: [alpaca, dolly]\npenalty: [0.1, 1e-3]\n",
        b"- {steps: 3}\n- radius: &a [1]\n  penalty: *a\n",
    ],
    "prompt files": [
        b'b{"example_id": 0, "question_index": "1", "question_polarity": "neg", "category": "Age"}',
        b'h"Name a river, please."\nName another.\n',
    ],
    "judge outputs": [b"unsafe\nS1,S9", b"safe", b"(A) because", b"I'm sorry, but I can't."],
    "JSON records": [b'{"config": {}, "history": [], "losses": {"a": [1.0]}, "kls": {}}'],
}


class Targets:
    """One function of bytes for each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def data_files(self, data: bytes) -> None:
        kind = {b"J": "json", b"c": "csv"}.get(data[:1], "jsonl")
        path = self._written(f"d.{kind}", data[1:])
        records = read_records(path)
        rows = to_rows(records, "data")
        assert len(rows) == len(records)
        to_pairs(records, "data")

    def sweep_files(self, data: bytes) -> None:
        read_sweep(self._written("grid.yaml", data))

    def prompt_files(self, data: bytes) -> None:
        if data[:1] == b"b":
            self._written("Age.jsonl", data[1:])
            load_bbq(self._folder, ["Age"])
        else:
            (self._folder / "hexphi").mkdir(exist_ok=True)
            self._written("hexphi/category_1.csv", data[1:])
            load_harm_set(self._folder / "hexphi", allow_hub=False)

    def judge_outputs(self, data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        verdict = parse(text, 2).verdict
        assert (verdict == "safe") == (text.strip() == "safe")
        parse_letter(text)
        refuses(text)

    def json_records(self, data: bytes) -> None:
        read_json(self._written("run.json", data))

    def _written(self, name: str, data: bytes) -> Path:
        path = self._folder / name
        path.write_bytes(data)
        return path


def main() -> None:
    target, runs, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    seeds = folder / "seeds"
    seeds.mkdir(parents=True)
    for number, seed in enumerate(SEEDS[target]):
        (seeds / str(number)).write_bytes(seed)
    work = folder / "work"
    work.mkdir()
    call = getattr(Targets(work), target.lower().replace(" ", "_"))
    tally = [0, 0]

    def one(data: bytes) -> None:
        try:
            call(data)
            tally[0] += 1
        except UserError as error:
            tally[1] += 1
            assert str(error).strip() and "\n" not in str(error)  # noqa: PT017  # no test's function
        if sum(tally) % 100 == 0:  # the process ends without leave to say anything more
            (folder / "tally").write_text(f"{tally[0]} {tally[1]}")

    atheris.Setup(
        [
            sys.argv[0],
            f"-runs={runs}",
            "-max_len=2000",
            "-seed=1",
            "-rss_limit_mb=4096",
            "-timeout=20",
            f"-artifact_prefix={folder}/",
            str(seeds),
        ],
        one,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
