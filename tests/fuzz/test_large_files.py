"""A hundred thousand rows: the memory they take, what is left out and that it is said, and time told beforehand."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tradeoffbounds
from tradeoffbounds.report.progress import Reporter, duration
from tradeoffbounds.report.tables import sources_table
from tradeoffbounds.report.terminal import wide_console
from tradeoffbounds.sources import load_source

SOURCE = Path(tradeoffbounds.__file__).parents[1]
ROWS = 100_000
#: Peak memory, beyond that of the imports, in bytes a byte of text in prompts and responses.
MOST_A_BYTE = 4.0
MEASURE = """
import resource, sys
from tradeoffbounds.sources import load_source
if sys.argv[1].endswith("parquet"):
    import pyarrow.parquet
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
source = load_source(sys.argv[1], role="capability").sample(400, 0)
print(len(source.rows), source.sampled_from, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


def row(n):
    return {"prompt": f"Question {n}: " + "what is it? " * 30, "response": f"Answer {n}: " + "it is so. " * 20}


def write(path):
    table = (row(n) for n in range(ROWS))
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["prompt", "response"])
            writer.writeheader()
            writer.writerows(table)
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(list(table)), path, row_group_size=10_000)
    else:
        path.write_text("\n".join(map(json.dumps, table)))


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_memory_is_bounded_by_the_text(tmp_path, kind):
    path = tmp_path / f"d.{kind}"
    write(path)
    said = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], env=os.environ | {"PYTHONPATH": str(SOURCE)}, check=True,
        capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    text = sum(len(each) for n in range(0, ROWS, 100) for each in row(n).values()) * 100
    assert said[:2] == ["400", str(ROWS)]
    assert int(said[2]) < MOST_A_BYTE * text


def test_the_table_says_of_how_many_rows_a_sample_is(tmp_path):
    (tmp_path / "d.csv").write_text("prompt,response\n" + "".join(f"Ask {n},Say {n}\n" for n in range(50)))
    sample = load_source(tmp_path / "d.csv", role="proxy").sample(20, 0)
    assert sample.describe()["sampled_from"] == sample.sample(10, 0).describe()["sampled_from"] == 50
    assert "sampled_from" not in load_source(tmp_path / "d.csv", role="proxy").sample(50, 0).describe()
    console = wide_console()
    console.file = io.StringIO()
    described = {
        "proxy": sample.describe(),
        "alignment": sample.describe() | {"origin": "hub", "limited_to": 5000, "name": "d[1] :100:"},
    }
    console.print(sources_table({"sources": described}))
    said = console.file.getvalue()
    assert "20 of 50" in said and "hub, first 5000" in said and "d[1] :100:" in said


# Time told beforehand


@pytest.fixture
def clock():
    return [0.0]


def told(capfd):
    return [line for line in capfd.readouterr().err.splitlines() if "left" in line]


def advance(reporter, clock, seconds, steps, total):
    for _ in range(steps):
        clock[0] += seconds
        reporter.advance("reading", 1, total)


def test_a_step_that_will_take_long_says_how_long_once(clock, capfd):
    reporter = Reporter(quiet=False, clock=lambda: clock[0])
    advance(reporter, clock, 2.0, 20, 200)
    # At the third call two more are done in four seconds: 197 are left.
    assert told(capfd) == ["... reading: about 7 minutes left"]


def test_what_an_earlier_run_did_says_nothing_of_the_pace(clock, capfd):
    reporter = Reporter(quiet=False, clock=lambda: clock[0])
    reporter.advance("jobs", 90, 100)
    clock[0] += 100.0
    reporter.advance("jobs", 1, 100)
    assert told(capfd) == ["... jobs: about 15 minutes left"]


def test_a_short_step_and_a_quiet_one_say_nothing(clock, capfd):
    advance(Reporter(quiet=False, clock=lambda: clock[0]), clock, 1.0, 40, 40)
    advance(Reporter(quiet=True, clock=lambda: clock[0]), clock, 5.0, 40, 400)
    assert told(capfd) == []


@pytest.mark.parametrize(
    ("seconds", "words"), [(61, "1 minute"), (150, "2 minutes"), (5000, "83 minutes"), (9000, "2.5 hours")]
)
def test_durations_in_words(seconds, words):
    assert duration(seconds) == words
