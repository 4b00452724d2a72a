"""Reading the records of one file: .jsonl, .json, .csv or .parquet.

Everything here reads; nothing is written beside the user's data. A fault is reported with the file and,
where there is one, the line.
"""

from __future__ import annotations

import csv
import glob
import io
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tradeoffbounds.errors import UserError
from tradeoffbounds.sources.columns import Record

SUFFIXES = (".jsonl", ".json", ".csv", ".parquet")


def read_records(path: Path) -> list[Record]:
    """Every record of `path`, in order, each with its place in the file.

    Raises:
        UserError: the path is missing, a directory, unreadable, of another kind than `SUFFIXES`, not
            UTF-8, malformed, or holds no record.
    """
    if path.is_dir():
        raise UserError(f"{path}: is a directory; give a file ({', '.join(SUFFIXES)})")
    if not path.exists():
        raise UserError(f"{path}: no such file")
    readers = dict(zip(SUFFIXES, (_read_jsonl, _read_json, _read_csv, _read_parquet), strict=True))
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UserError(f"{path}: unknown kind of file {path.suffix!r}; accepted: {', '.join(SUFFIXES)}")
    try:
        records = list(reader(path))
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not records:
        raise UserError(f"{path}: holds no rows")
    return records


def _read_jsonl(path: Path) -> Iterator[Record]:
    # Split at line feeds alone: str.splitlines would also break at U+2028, which JSON allows in text.
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if line.strip():
            yield _record(f"{path}:{number}", _parse(line, path, number))


def _read_json(path: Path) -> Iterator[Record]:
    text = _text(path)
    if not text.strip():
        return
    whole = _parse(text, path, 1)
    if not isinstance(whole, list):
        raise UserError(f"{path}: must be a list of objects; for one object a line, name it .jsonl")
    for number, value in enumerate(whole, start=1):
        yield _record(f"{path}, row {number}", value)


def _read_csv(path: Path) -> Iterator[Record]:
    # The standard reader and not that of `datasets`, which goes through pandas: there a column of
    # numerals turns into numbers, "NA" into nothing, and a fault has no line.
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        header = next(reader, [])
        for cells in filter(None, reader):
            where = f"{path}:{reader.line_num}"
            if len(cells) != len(header):
                raise UserError(f"{where}: has {len(cells)} fields; the header has {len(header)}")
            yield Record(where, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise UserError(f"{path}:{reader.line_num}: not valid CSV: {error}") from error


def _read_parquet(path: Path) -> Iterator[Record]:
    with path.open("rb") as file:
        first = file.read(4)
        file.seek(max(0, path.stat().st_size - 4))
        if not first == file.read(4) == b"PAR1":
            raise UserError(f"{path}: not a Parquet file, or not the whole of one")
    from datasets import load_dataset

    with tempfile.TemporaryDirectory() as cache:  # streaming copies nothing, yet `datasets` leaves a lock file
        try:
            # `datasets` takes a pattern, so brackets in a file's name have to be escaped.
            table = load_dataset(
                "parquet", data_files=glob.escape(str(path)), split="train", streaming=True, cache_dir=cache
            )
            for number, values in enumerate(table, start=1):
                yield Record(f"{path}, row {number}", values)
        except ValueError as error:  # pyarrow's errors are ValueErrors
            raise UserError(f"{path}: not a readable Parquet file: {error}") from error


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8-sig")


def _parse(text: str, path: Path, first_line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise UserError(f"{path}:{line}: not valid JSON: {error.msg} (column {error.colno})") from error
    except RecursionError:
        raise UserError(f"{path}:{first_line}: not valid JSON: nested too deeply") from None


def _record(where: str, value: object) -> Record:
    if not isinstance(value, dict):
        raise UserError(f"{where}: must be an object with named columns; got {type(value).__name__}")
    return Record(where, value)
