"""Reading the records of one file: .jsonl, .json, .csv or .parquet.

Everything here reads; nothing is written beside the user's data. A fault is reported with the file and,
where there is one, the line. Of a file read line by line (.jsonl, .csv) or in groups of rows (.parquet)
no more is in memory than its records; of a .json file its text as well.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tradeoffbounds.errors import UserError, first_line
from tradeoffbounds.refused_files import why_refused
from tradeoffbounds.sources.columns import Record

SUFFIXES = (".jsonl", ".json", ".csv", ".parquet")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ROWS_AT_ONCE = 1000


def stays_inside(name: str) -> bool:
    """Whether a folder's file of this name lies in it; what does not is a path, and looked for as one."""
    return not Path(name).is_absolute() and ".." not in Path(name).parts


def read_records(path: Path) -> list[Record]:
    """Every record of `path`, in order, each with its place in the file.

    Raises:
        UserError: the path is missing, no regular file, unreadable, of another kind than `SUFFIXES`, not
            UTF-8, malformed, or holds no record.
    """
    try:
        if path.is_dir():
            raise UserError(f"{path}: is a directory; give a file ({', '.join(SUFFIXES)})")
        if not path.exists():
            raise UserError(f"{path}: no such file")
        if not path.is_file():  # nothing may ever come out of a pipe, nor an end out of a device
            raise UserError(f"{path}: is no regular file; save the data as one")
        readers = dict(zip(SUFFIXES, (_read_jsonl, _read_json, _read_csv, _read_parquet), strict=True))
        reader = readers.get(path.suffix.lower())
        if reader is None:
            refused = why_refused(path.name) or f"unknown kind of file {path.suffix!r}"
            raise UserError(f"{path}: {refused}; accepted: {', '.join(SUFFIXES)}")
        records = list(reader(path))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or first_line(error)}") from error
    if not records:
        raise UserError(f"{path}: holds no rows")
    return records


def _read_jsonl(path: Path) -> Iterator[Record]:
    for number, line in enumerate(_lines(path), start=1):
        if line.strip():
            yield _record(f"{path}:{number}", _parse(line.removesuffix("\n"), path, number))


def _read_json(path: Path) -> Iterator[Record]:
    text = "".join(_lines(path))
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
    limit = csv.field_size_limit(sys.maxsize)  # a long answer is no fault; the limit is the whole process's
    reader = csv.reader((part for line in _lines(path) for part in io.StringIO(line, newline="")), strict=True)
    try:
        header = next(reader, [])
        if twice := [name for name in header if header.count(name) > 1]:
            raise UserError(f"{path}:1: two columns are called {twice[0]!r}; rename one of them")
        for cells in filter(None, reader):
            where = f"{path}:{reader.line_num}"
            if len(cells) != len(header):
                raise UserError(f"{where}: has {len(cells)} fields; the header has {len(header)}")
            yield Record(where, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise UserError(f"{path}:{reader.line_num}: not valid CSV: {error}") from error
    finally:
        csv.field_size_limit(limit)


def _read_parquet(path: Path) -> Iterator[Record]:
    # Not through `datasets`, which obeys what a file's metadata say of it: a column of text that calls itself one of
    # pictures would be opened as paths and addresses.
    with path.open("rb") as file:
        first = file.read(4)
        file.seek(max(0, path.stat().st_size - 4))
        if not first == file.read(4) == b"PAR1":
            raise UserError(f"{path}: not a Parquet file, or not the whole of one")
    import pyarrow as pa
    from pyarrow import parquet

    number = 0
    try:
        with parquet.ParquetFile(path) as table:
            names = table.schema_arrow.names
            if twice := [name for name in names if names.count(name) > 1]:
                raise UserError(f"{path}: two columns are called {twice[0]!r}; rename one of them")
            for batch in table.iter_batches(_ROWS_AT_ONCE):
                for values in batch.to_pylist():
                    number += 1
                    yield Record(f"{path}, row {number}", values)
    except UserError:
        raise
    except (pa.ArrowException, OSError, ValueError, ArithmeticError, LookupError) as error:
        raise UserError(f"{path}: not a readable Parquet file after row {number}: {first_line(error)}") from error


def _lines(path: Path) -> Iterator[str]:
    """The lines, each with its end, split at line feeds alone: JSON allows U+2028 and the like in text.

    Raises:
        UserError: one is not UTF-8.
    """
    before = 0
    with path.open("rb") as file:
        for line in file:
            if before == 0 and line.startswith(_BYTE_ORDER_MARK):
                before = len(_BYTE_ORDER_MARK)
                line = line[before:]
            try:
                yield line.decode()
            except UnicodeDecodeError as error:
                raise UserError(f"{path}: not UTF-8 (byte {before + error.start}); save it as UTF-8") from error
            before += len(line)


def _parse(text: str, path: Path, first_line: int) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise UserError(f"{path}:{line}: not valid JSON: {error.msg} (column {error.colno})") from error
    except RecursionError:
        raise UserError(f"{path}:{first_line}: not valid JSON: nested too deeply") from None
    except ValueError as error:  # a key twice, or a number of more digits than Python reads
        raise UserError(f"{path}:{first_line}: not valid JSON: {str(error).partition(';')[0]}") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} is given twice")
    return found


def _record(where: str, value: object) -> Record:
    if not isinstance(value, dict):
        raise UserError(f"{where}: must be an object with named columns; got {type(value).__name__}")
    return Record(where, value)
