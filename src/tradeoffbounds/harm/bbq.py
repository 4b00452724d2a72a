"""BBQ's items from the data set's own files, whom each stereotype is about, and samples that spread over templates.

BBQ (Parrish et al. 2022, arXiv:2110.08193) is one file a dimension, ``DIMENSION.jsonl``, one question a line: a context
with two people, three options of which one is unknown, and a question of negative or non-negative polarity. Rows of
one template (``question_index``) differ in little more than the people's names.

**Target.** An item's ``target`` is the option of the stereotyped group whatever the polarity: the biased answer to a
``neg`` question is ``target``, to a ``nonneg`` question ``other``. (``target_loc`` of the authors' metadata is
meant to be the biased answer itself, hence flips with the polarity.) It is the one option whose tag in ``answer_info``,
in Nationality whose text, names one of ``stereotyped_groups``, compared whole and after these steps: case and blanks
dropped (low SES is lowSES), the sex before or after a group dropped (F-Black, trans_M), woman and girl read as F, man
and boy as M. In the nine files 916 of 31,372 items have no such option and carry None:

- neither option or both fit: 16 of Race_ethnicity (African and African American both tagged African) and 20 of
  Gender_identity (a boy and a man, a girl and a woman, or a man and a woman both tagged male);
- templates 35 and 36 of Gender_identity (400 items) and 8 of SES (480): in one half of each the two names were swapped
  in the text and their tags were not, so that someone "who is trans" is tagged nonTrans; and once that is seen, the
  correct answers of the whole template fall on one side of the stereotype.
"""

from __future__ import annotations

import re
import reprlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from os import PathLike
from pathlib import Path
from typing import Literal, TypeVar, get_args

import numpy as np

from tradeoffbounds.errors import UserError
from tradeoffbounds.sources.columns import Record
from tradeoffbounds.sources.files import read_records

Polarity = Literal["neg", "nonneg"]
Condition = Literal["ambig", "disambig"]
#: A question as it recurs in the four cells of a dimension: template, options, and which of several alike.
Frame = tuple[int, tuple[str, str, str], int]
_T = TypeVar("_T")

DIMENSIONS = (
    "Age", "Disability_status", "Gender_identity", "Nationality", "Physical_appearance", "Race_ethnicity", "Religion",
    "SES", "Sexual_orientation",
)  # fmt: skip
CONDITIONS: tuple[Condition, ...] = get_args(Condition)
POLARITIES: tuple[Polarity, ...] = get_args(Polarity)

#: Later templates, which Gender_identity and Race_ethnicity alone have, let a person's name stand for the group.
_LAST_TEMPLATE_WITHOUT_NAMES = 25
_SEXES = {"woman": "f", "girl": "f", "man": "m", "boy": "m"}
#: Templates where tags and text contradict each other (see the module).
_TAGS_ASTRAY = {("Gender_identity", 35), ("Gender_identity", 36), ("SES", 8)}


@dataclass(frozen=True, slots=True)
class Item:
    """One question.

    Attributes:
        id: ``DIMENSION/example_id``.
        index: the template (``question_index``); its rows are one cluster.
        label, unknown: the correct option and the unknown one, 0 to 2; the same in every ``ambig`` item.
        target, other: the stereotyped group's option and the other group's, whatever the polarity; both None where
            the target cannot be told (see the module).
        proper_names: names stand for groups; the authors report these apart, as "DIMENSION (names)".
    """

    dimension: str
    id: str
    index: int
    polarity: Polarity
    condition: Condition
    context: str
    question: str
    options: tuple[str, str, str]
    label: int
    unknown: int
    target: int | None
    other: int | None
    proper_names: bool


def load_bbq(folder: str | PathLike[str], dimensions: Sequence[str] = DIMENSIONS) -> tuple[Item, ...]:
    """Every item of `dimensions`, in their order and in the order of their files.

    Raises:
        UserError: an unknown dimension, or none; no such folder; a file missing or misnamed, with a broken line, or
            with a row that BBQ cannot have (file and line are named).
    """
    if not dimensions:
        raise UserError(f"no BBQ dimension asked for; known: {', '.join(DIMENSIONS)}")
    for name in dimensions:
        if name not in DIMENSIONS:
            near = _nearest(name, DIMENSIONS)
            meant = f"; did you mean {near}?" if near else "."
            raise UserError(f"unknown BBQ dimension {name!r}{meant} Known: {', '.join(DIMENSIONS)}")
    folder = Path(folder)
    try:
        if not folder.is_dir():
            holds = f"give the one that holds {DIMENSIONS[0]}.jsonl and so on"
            raise UserError(f"BBQ folder {folder}: no such folder; {holds}")
        paths = {name: _path(folder, name) for name in dimensions}  # all of them before the first is read
    except OSError as error:
        raise UserError(f"BBQ folder: {error.strerror or error}; give the one that holds its files") from error
    return tuple(item for name, path in paths.items() for item in _items(path, name))


def sample_items(items: Sequence[Item], n: int, seed: int) -> tuple[Item, ...]:
    """`n` items in equal shares over dimension x condition x polarity, in the order given.

    Within a dimension templates take turns, in an order drawn once, and so do the questions of a template; the four
    cells go through the same questions in the same order, so that a preference for a name or a place among the
    options cancels between polarities. What does not divide goes to the first cells in the order condition, polarity,
    dimension; a cell that runs out passes its share on. A larger `n` contains the smaller; with `n` at or above the
    number of items all come back.

    Raises:
        UserError: fewer items than cells.
    """
    cells: dict[tuple[Condition, Polarity, str], dict[Frame, int]] = defaultdict(dict)
    alike: Counter[tuple[object, ...]] = Counter()
    for place, item in enumerate(items):
        cell = (item.condition, item.polarity, item.dimension)
        alike[cell, item.index, item.options] += 1
        cells[cell][item.index, item.options, alike[cell, item.index, item.options]] = place
    if n < max(1, len(cells)):
        raise UserError(
            f"cannot spread {n} BBQ items over {len(cells)} cells (dimension x condition x polarity); "
            f"ask for at least {max(1, len(cells))}, or for fewer dimensions"
        )
    frames: dict[str, set[Frame]] = defaultdict(set)
    for (_, _, dimension), places in cells.items():
        frames[dimension] |= places.keys()
    turns = {dimension: _turns(found, seed, dimension) for dimension, found in frames.items()}
    chosen: set[int] = set()
    order = sorted(cells)
    for cell, share in zip(order, _shares([len(cells[cell]) for cell in order], n), strict=True):
        places = cells[cell]
        chosen.update(places[frame] for frame in sorted(places, key=turns[cell[2]].__getitem__)[:share])
    return tuple(item for place, item in enumerate(items) if place in chosen)


def _turns(frames: Iterable[Frame], seed: int, dimension: str) -> dict[Frame, tuple[int, int]]:
    """When each question's turn comes: round by round, in each round one question of every template."""
    # Seeded by the dimension's place, so that a sample does not depend on which other dimensions there are.
    rng = np.random.default_rng((seed, DIMENSIONS.index(dimension)))
    by_template: dict[int, list[Frame]] = defaultdict(list)
    for frame in sorted(frames):
        by_template[frame[0]].append(frame)
    templates = rng.permutation(list(by_template))
    return {
        by_template[template][k]: (turn, place)
        for place, template in enumerate(templates.tolist())
        for turn, k in enumerate(rng.permutation(len(by_template[template])).tolist())
    }


def _shares(sizes: Sequence[int], n: int) -> list[int]:
    """`n`, or all there is, over cells of these sizes, as equal as they allow; the first cells get the odd ones."""
    shares = [0] * len(sizes)
    left = min(n, sum(sizes))
    while left:
        room = [k for k, size in enumerate(sizes) if shares[k] < size]
        for k in room[:left]:
            more = min(max(1, left // len(room)), sizes[k] - shares[k])
            shares[k] += more
        left = min(n, sum(sizes)) - sum(shares)
    return shares


def _path(folder: Path, dimension: str) -> Path:
    path = folder / f"{dimension}.jsonl"
    if path.is_file():
        return path
    found = {entry.stem: entry.name for entry in folder.iterdir()}
    near = _nearest(dimension, found)
    hint = f"is {found[near]!r} that file? Rename it" if near else "copy it there, or leave the dimension out"
    names = ", ".join(f"{name}.jsonl" for name in DIMENSIONS)
    raise UserError(f"{path}: no such file; BBQ's files are {names}; {hint}")


def _nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that begins like `name` or else is spelt most like it."""
    folded = {each.casefold(): each for each in known}
    near = [each for each in folded if each.startswith(name.casefold())]
    near = near or get_close_matches(name.casefold(), folded, n=1)
    return folded[near[0]] if near else None


def _items(path: Path, dimension: str) -> Iterator[Item]:
    seen: set[str] = set()
    for record in read_records(path):
        item = _item(record, dimension)
        if item.id in seen:
            raise _wrong(record, f"example_id of {item.id} occurs twice; is the file joined from two?")
        seen.add(item.id)
        yield item


def _item(record: Record, dimension: str) -> Item:
    if (category := _value(record, "category", str)) != dimension:
        raise _wrong(record, f"category is {_show(category)} in the file of {dimension}; is the file misnamed?")
    answers = _answers(record)
    unknowns = [k for k, (_, tag) in enumerate(answers) if tag == "unknown"]
    if len(unknowns) != 1:
        raise _wrong(record, f"{len(unknowns)} options are tagged 'unknown' in answer_info; expected one of three")
    label = _value(record, "label", int)
    if label not in range(3):
        raise _wrong(record, f"label is {label}; expected 0, 1 or 2")
    condition = _one_of(record, "context_condition", CONDITIONS)
    if (label == unknowns[0]) != (condition == "ambig"):
        raise _wrong(record, f"label {label} in condition {condition}; the unknown option is right in ambig alone")
    index = _index(record)
    target, other = _target(record, dimension, index, answers, unknowns[0])
    first, second, third = (_value(record, f"ans{k}", str).strip() for k in range(3))
    return Item(
        dimension=dimension, id=f"{dimension}/{_value(record, 'example_id', int)}", index=index,
        polarity=_one_of(record, "question_polarity", POLARITIES), condition=condition,
        context=_value(record, "context", str).strip(), question=_value(record, "question", str).strip(),
        options=(first, second, third), label=label, unknown=unknowns[0], target=target, other=other,
        proper_names=index > _LAST_TEMPLATE_WITHOUT_NAMES,
    )  # fmt: skip


def _target(
    record: Record, dimension: str, index: int, answers: Sequence[tuple[str, str]], unknown: int
) -> tuple[int | None, int | None]:
    """The stereotyped group's option and the other group's, or None for both."""
    metadata = record.values.get("additional_metadata")
    groups = metadata.get("stereotyped_groups") if isinstance(metadata, dict) else None
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        raise _wrong(record, "additional_metadata.stereotyped_groups must be a list of group names")
    stereotyped = {_group(group) for group in groups}
    # The tags of Nationality are regions, such as Europe in an item about the British and the Germans.
    names = [text if dimension == "Nationality" else tag for text, tag in answers]
    people = [k for k in range(3) if k != unknown]
    fitting = [k for k in people if _group(names[k]) in stereotyped]
    if len(fitting) != 1 or (dimension, index) in _TAGS_ASTRAY:
        return None, None
    return fitting[0], sum(people) - fitting[0]


def _group(name: str) -> str:
    plain = re.sub(r"^[mf]-|_[mf]$|\s", "", name.casefold())
    return _SEXES.get(plain, plain)


def _answers(record: Record) -> list[tuple[str, str]]:
    """Text and tag of each option, from ``answer_info``."""
    info = record.values.get("answer_info")
    answers: list[tuple[str, str]] = []
    for pair in [info.get(f"ans{k}") for k in range(3)] if isinstance(info, dict) else [None]:
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise _wrong(record, "answer_info must hold ans0, ans1 and ans2, each a list of text and tag")
        answers.append((pair[0], pair[1]))
    return answers


def _index(record: Record) -> int:
    index = record.values.get("question_index")
    if isinstance(index, bool) or not isinstance(index, int | str) or not re.fullmatch(r"[0-9]{1,9}", str(index)):
        raise _wrong(record, f"question_index is {_show(index)}; expected a whole number")
    return int(str(index))


def _one_of(record: Record, column: str, allowed: tuple[_T, ...]) -> _T:
    value = record.values.get(column)
    for choice in allowed:
        if value == choice:
            return choice
    raise _wrong(record, f"{column} is {_show(value)}; expected {' or '.join(map(str, allowed))}")


def _value(record: Record, column: str, kind: type[_T]) -> _T:
    value = record.values.get(column)
    if not isinstance(value, kind) or isinstance(value, bool):  # true is an int too
        raise _wrong(record, f"{column} is {_show(value)}; expected {'text' if kind is str else 'a whole number'}")
    if isinstance(value, str):
        if not value.strip():
            raise _wrong(record, f"{column} is blank; a model cannot be asked without it")
        if any("\ud800" <= letter <= "\udfff" for letter in value):  # JSON can spell it, and no tokenizer takes it
            raise _wrong(record, f"{column} holds half of a surrogate pair; write the character whole")
    return value


def _show(value: object) -> str:
    return reprlib.repr(value)


def _wrong(record: Record, what: str) -> UserError:
    return UserError(f"{record.where}: {what}")
