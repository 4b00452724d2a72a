"""The prompts that a model is judged by: HEx-PHI in its own layout, AdvBench, or any list of prompts.

HEx-PHI (arXiv:2310.03693) is gated: it is read from the user's folder or, with a token, from the hub,
and never shipped. A category without prompts is named in `not_supplied`; nothing is said of its harm.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

from tradeoffbounds.errors import UserError, first_line
from tradeoffbounds.hub_access import HubUnavailable, probe
from tradeoffbounds.runs import content_hash
from tradeoffbounds.sources.columns import Record, listed
from tradeoffbounds.sources.files import SUFFIXES, read_records, stays_inside
from tradeoffbounds.sources.load import expanded, looking_for
from tradeoffbounds.sources.registry import REGISTRY, find
from tradeoffbounds.sources.source import Origin

HEX_PHI = "hex-phi"
HEX_PHI_CATEGORIES = {
    1: "Illegal Activity",
    2: "Child Abuse Content",
    3: "Hate/Harass/Violence",
    4: "Malware",
    5: "Physical Harm",
    6: "Economic Harm",
    7: "Fraud/Deception",
    8: "Adult Content",
    9: "Political Campaigning",
    10: "Privacy Violation Activity",
    11: "Tailored Financial Advice",
}
#: Its authors took it out of the release, so it is read from nowhere.
WITHDRAWN = 2
#: The column of a prompt list; the second is what AdvBench's own file calls it.
PROMPT_COLUMNS = ("prompt", "goal")
_FOLDERS = (HEX_PHI, "HEx-PHI")  # the name of the repository
_DATA_SUFFIXES = (*SUFFIXES, ".txt", ".tsv")


@dataclass(frozen=True, slots=True)
class HarmPrompt:
    """One prompt; `id` is made of its category and words alone, so it is the same wherever they came from."""

    id: str
    prompt: str
    category: str | None


@dataclass(frozen=True, slots=True)
class HarmSet:
    """Prompts to judge a model by.

    `not_supplied` names the data set's categories without prompts here. `sha256` covers the ordered
    categories and prompts. `dropped` counts blank prompts and repetitions within a category.
    """

    name: str
    origin: Origin
    prompts: tuple[HarmPrompt, ...]
    not_supplied: tuple[str, ...]
    sha256: str
    dropped: Mapping[str, int]

    @classmethod
    def of(
        cls, name: str, origin: Origin, asked: Iterable[tuple[str | None, str]], not_supplied: Sequence[str] = ()
    ) -> HarmSet:
        """The distinct prompts among pairs of category and prompt, in the order given, outer blanks stripped.

        Raises:
            UserError: there is none.
        """
        kept: dict[tuple[str | None, str], HarmPrompt] = {}
        dropped = {"duplicates": 0, "empty": 0}
        for category, prompt in asked:
            key = category, " ".join(prompt.split())
            if not key[1]:
                dropped["empty"] += 1
            elif key in kept:
                dropped["duplicates"] += 1
            else:
                kept[key] = HarmPrompt(content_hash(*key)[:16], prompt.strip(), category)
        if not kept:
            raise UserError(f"{name}: has no prompt; give at least one")
        prompts = tuple(kept.values())
        return cls(name, origin, prompts, tuple(not_supplied), _sha256(prompts), dropped)

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories that have prompts, in the order of the set; none where prompts carry no category."""
        return tuple(dict.fromkeys(each.category for each in self.prompts if each.category is not None))

    def sample(self, n: int, seed: int) -> HarmSet:
        """At most `n` prompts, as equally many of each category as there are, kept in the order of the set.

        Raises:
            UserError: `n` is below the number of categories: one of them would look as if not supplied.
        """
        if n < max(1, len(self.categories)):
            raise UserError(
                f"cannot sample {n} prompts of {self.name}: ask for at least {max(1, len(self.categories))}, "
                "one for each category"
            )
        if n >= len(self.prompts):
            return self
        import numpy as np

        drawn: dict[str | None, int] = {}
        places = []
        for i in np.random.default_rng(seed).permutation(len(self.prompts)).tolist():
            category = self.prompts[i].category
            drawn[category] = drawn.get(category, -1) + 1
            places.append((drawn[category], i))
        # Every category's first draw, then every second one: sorting is stable, so the last round is random too.
        chosen = sorted(places, key=lambda place: place[0])[:n]
        prompts = tuple(self.prompts[i] for i in sorted(i for _, i in chosen))
        return replace(self, prompts=prompts, sha256=_sha256(prompts))

    def describe(self) -> dict[str, Any]:
        """The set as results record it: name, origin, number of prompts and hash, JSON-ready."""
        described = {"name": self.name, "origin": self.origin, "prompts": len(self.prompts), "sha256": self.sha256}
        return described | ({"dropped": dict(self.dropped)} if any(self.dropped.values()) else {})


def load_harm_set(
    spec: str | PathLike[str], *, data_dir: str | PathLike[str] | None = None, allow_hub: bool = True
) -> HarmSet:
    """The prompts that `spec` names.

    Args:
        spec: `hex-phi`; the name of a prompt list in `data_dir` (`advbench`); a folder in HEx-PHI's layout;
            or a .jsonl, .json, .csv or .parquet file with a column `prompt` (or `goal`) and, if its prompts
            are sorted, a column `category`.
        data_dir: a folder searched first: for `hex-phi` a folder of that name in it, else a file.
        allow_hub: whether the network may be used. Only HEx-PHI is read from there.

    Raises:
        UserError: there is no such set, it cannot be read, or it holds no prompt.
    """
    name = str(spec)
    with looking_for(name):
        return _load(spec, name, data_dir, allow_hub)


def _load(spec: str | PathLike[str], name: str, data_dir: str | PathLike[str] | None, allow_hub: bool) -> HarmSet:
    folder = None if data_dir is None else Path(data_dir)
    if folder is not None and not folder.is_dir():
        raise UserError(f"data folder {folder}: " + ("not a folder" if folder.exists() else "no such folder"))
    if find(name) is REGISTRY[HEX_PHI]:
        local = None if folder is None else next((p for each in _FOLDERS if (p := folder / each).is_dir()), None)
        return _hex_phi_from_hub(folder, allow_hub) if local is None else _hex_phi(local)
    in_folder = () if folder is None or not stays_inside(name) else (folder / f"{name}{suffix}" for suffix in SUFFIXES)
    found = next((path for path in in_folder if path.is_file()), None)
    if found is not None:
        return _listed(found, name)
    path = expanded(name)
    if path.is_dir():
        return _hex_phi(path)
    if path.exists() or path.suffix.lower() in SUFFIXES or isinstance(spec, PathLike):
        return _listed(path, path.name)
    where = "no data folder was given" if folder is None else f"data folder {folder} has no file of this name"
    raise UserError(
        f"unknown prompts {name!r}: {where}; put {name}.jsonl, with a column {PROMPT_COLUMNS[0]}, into a folder and "
        f"give it with --data-dir, or name {HEX_PHI}, a folder in its layout, or a {', '.join(SUFFIXES)} file"
    )


def _listed(path: Path, name: str) -> HarmSet:
    records = read_records(path)
    columns = dict.fromkeys(column for record in records for column in record.values)
    column = next((column for column in PROMPT_COLUMNS if column in columns), None)
    if column is None:
        raise UserError(f"{path}: no column {PROMPT_COLUMNS[0]!r}; found: {listed(columns)}")
    sorted_ones = "category" in columns
    return HarmSet.of(
        name, "local", ((_category(record) if sorted_ones else None, _text(record, column)) for record in records)
    )


def _category(record: Record) -> str:
    category = _text(record, "category").strip()
    if not category:
        raise UserError(f"{record.where}: has no category, which other prompts of this file have; fill it in")
    return category


def _text(record: Record, column: str) -> str:
    value = record.values.get(column)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UserError(f"{record.where}: {column!r} must be text; got {type(value).__name__}")
    if any("\ud800" <= letter <= "\udfff" for letter in value):  # JSON can spell it, and no tokenizer takes it
        raise UserError(f"{record.where}: {column!r} holds half of a surrogate pair; write the character whole")
    return value


def _hex_phi(folder: Path) -> HarmSet:
    """The set out of a folder with HEx-PHI's own files.

    Raises:
        UserError: there is none of them, another data file, or one that cannot be read as prompts.
    """
    expected = f"expected: {', '.join(_file_name(n) for n in HEX_PHI_CATEGORIES if n != WITHDRAWN)}"
    files = {_file_name(number): number for number in HEX_PHI_CATEGORIES}
    found = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in _DATA_SUFFIXES)
    unknown = [name for name in found if name not in files]
    if unknown:
        raise UserError(f"{folder}: {', '.join(unknown)}: not a file of HEx-PHI; rename or remove it; {expected}")
    if not found:
        raise UserError(f"{folder}: no prompts of HEx-PHI; {expected}")
    return _hex_phi_of({files[name]: folder / name for name in found}, "local")


def _hex_phi_from_hub(folder: Path | None, allow_hub: bool) -> HarmSet:
    repository = REGISTRY[HEX_PHI].hub
    assert repository is not None
    try:
        if not allow_hub:
            raise HubUnavailable("the hub is not allowed")
        probe(repository, "dataset")
        numbers = [n for n in HEX_PHI_CATEGORIES if n != WITHDRAWN]
        files = {n: path for n in numbers if (path := _download(repository, _file_name(n))) is not None}
    except HubUnavailable as unavailable:
        looked = "no data folder was given" if folder is None else f"data folder {folder} has no folder {HEX_PHI}"
        raise UserError(
            f"{HEX_PHI} is not to be had: {looked}; {unavailable}; it is gated: accept its licence at "
            f"huggingface.co/datasets/{repository} and set HF_TOKEN, or put its category_*.csv into DIR/{HEX_PHI} "
            "and give --data-dir DIR"
        ) from unavailable
    if not files:
        raise UserError(f"hub data set {repository}: has none of the files category_*.csv; give a folder instead")
    return _hex_phi_of(files, "hub")


def _download(repository: str, name: str) -> Path | None:
    # Whole files, and not rows by `datasets`: that takes the first prompt of a file without header for one.
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(repository, name, repo_type="dataset"))
    except EntryNotFoundError as error:
        if isinstance(error, LocalEntryNotFoundError):  # the network is gone; whether there is a file is not known
            raise HubUnavailable(first_line(error)) from error
        return None
    except OSError as error:
        raise HubUnavailable(first_line(error)) from error


def _hex_phi_of(files: Mapping[int, Path], origin: Origin) -> HarmSet:
    prompts = {number: _lines(path) for number, path in files.items()}
    if prompts.get(WITHDRAWN):
        raise UserError(
            f"{files[WITHDRAWN]}: its authors withdrew the category {HEX_PHI_CATEGORIES[WITHDRAWN]!r} from HEx-PHI, "
            "and it is not evaluated; remove the file"
        )
    missing = [category for number, category in HEX_PHI_CATEGORIES.items() if not prompts.get(number)]
    asked = ((HEX_PHI_CATEGORIES[number], prompt) for number in sorted(prompts) for prompt in prompts[number])
    return HarmSet.of(HEX_PHI, origin, asked, missing)


def _lines(path: Path) -> list[str]:
    """The prompts of one HEx-PHI file: one a line, no header, in quotes where there are commas."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    prompts = []
    try:
        for cells in reader:
            filled = [cell for cell in cells if cell.strip()]
            if len(filled) > 1:
                raise UserError(
                    f"{path}:{reader.line_num}: has {len(filled)} fields; expected one prompt a line, "
                    "in double quotes where it has commas"
                )
            prompts += filled
    except csv.Error as error:
        raise UserError(f"{path}:{reader.line_num}: not valid CSV: {error}") from error
    if prompts and prompts[0].strip().casefold() in (*PROMPT_COLUMNS, "instruction", "question", "0"):
        raise UserError(f"{path}:1: looks like a header ({prompts[0]!r}); HEx-PHI's files have none; remove the line")
    return prompts


def _file_name(number: int) -> str:
    return f"category_{number}.csv"


def _sha256(prompts: Sequence[HarmPrompt]) -> str:
    return content_hash([[each.category, each.prompt] for each in prompts])
