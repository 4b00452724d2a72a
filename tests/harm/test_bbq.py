"""BBQ's files read, the stereotyped group found, samples spread; on made-up rows, and on the nine files where they are.

The nine files are looked for in ``$TRADEOFFBOUNDS_DATA/bbq``.
"""

import functools
import itertools
import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest

from tradeoffbounds.errors import UserError
from tradeoffbounds.harm.bbq import CONDITIONS, DIMENSIONS, POLARITIES, load_bbq, sample_items

UNKNOWN = ["Not known", "unknown"]


def row(
    number=0, *, dimension="Age", polarity="neg", condition="ambig", index=1, groups=("old",), people=None, **changed
):
    """One made-up row: first, second and unknown option, the first one right where one of them is."""
    first, second = people or (["gardener", "old"], ["baker", "nonOld"])
    answers = [first, second, UNKNOWN]
    return {
        "example_id": number,
        "question_index": str(index),
        "question_polarity": polarity,
        "context_condition": condition,
        "category": dimension,
        "answer_info": {f"ans{k}": answer for k, answer in enumerate(answers)},
        "additional_metadata": {"stereotyped_groups": list(groups), "version": "a"},
        "context": f"A {first[0]} met a {second[0]}.",
        "question": "Who was late?",
        **{f"ans{k}": f"The {text}" for k, (text, _) in enumerate(answers)},
        "label": 2 if condition == "ambig" else 0,
        **changed,
    }


def write(folder, *rows, dimension="Age"):
    (folder / f"{dimension}.jsonl").write_text("".join(json.dumps(value) + "\n" for value in rows))
    return folder


def load(folder, *rows, dimension="Age"):
    return load_bbq(write(folder, *rows, dimension=dimension), [dimension])


def cells_of(items):
    return Counter((item.dimension, item.condition, item.polarity) for item in items)


def quads(dimension, templates, pairs, first=0):
    """Rows of several templates, each with several pairs of people in all four cells."""
    return [
        row(first + ((index * pairs) + pair) * 4 + k, dimension=dimension, index=index, polarity=polarity,
            condition=condition, people=([f"gardener {pair}", "old"], [f"baker {pair}", "nonOld"]))
        for index in range(1, templates + 1)
        for pair in range(pairs)
        for k, (polarity, condition) in enumerate((p, c) for p in POLARITIES for c in CONDITIONS)
    ]  # fmt: skip


@functools.cache
def the_nine_files():
    """Every item; skips the test where the data set is not at hand."""
    folder = Path(os.environ.get("TRADEOFFBOUNDS_DATA", "")) / "bbq"
    if "TRADEOFFBOUNDS_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("BBQ is not at hand; TRADEOFFBOUNDS_DATA is the folder that holds bbq/")
    return load_bbq(folder)


@pytest.fixture(scope="session")
def bbq_items():
    return the_nine_files()


@pytest.fixture(scope="session")
def bbq_rows(bbq_items):
    """The same as they are in the files, by id."""
    folder = Path(os.environ["TRADEOFFBOUNDS_DATA"]) / "bbq"
    rows = [json.loads(line) for name in DIMENSIONS for line in (folder / f"{name}.jsonl").read_text().splitlines()]
    return dict(zip((item.id for item in bbq_items), rows, strict=True))


def test_a_row_becomes_an_item(tmp_path):
    (item,) = load(tmp_path, row(7, polarity="nonneg", condition="disambig", index=3, ans0=" The gardener "))
    assert (item.dimension, item.id, item.index) == ("Age", "Age/7", 3)
    assert (item.polarity, item.condition) == ("nonneg", "disambig")
    assert item.context == "A gardener met a baker." and item.question == "Who was late?"
    assert item.options == ("The gardener", "The baker", "The Not known")
    assert (item.label, item.unknown, item.target, item.other) == (0, 2, 0, 1)
    assert not item.proper_names


@pytest.mark.parametrize("polarity", POLARITIES)
def test_the_target_is_the_stereotyped_group_whatever_the_polarity(tmp_path, polarity):
    (item,) = load(tmp_path, row(polarity=polarity, groups=["nonOld"]))
    assert (item.target, item.other) == (1, 0)


def test_the_unknown_option_is_found_by_its_tag_and_not_by_its_text(tmp_path):
    info = {"ans0": ["Unknown", "old"], "ans1": ["Someone", "unknown"], "ans2": ["Cannot answer", "nonOld"]}
    (item,) = load(tmp_path, row(answer_info=info, label=1))
    assert (item.unknown, item.target, item.other) == (1, 0, 2)


@pytest.mark.parametrize(
    ("dimension", "groups", "first", "second", "target"),
    [
        ("Age", ["old"], ["grandson", "nonOld"], ["grandfather", "old"], 1),
        ("Age", ["nonOld"], ["grandson", "nonOld"], ["grandfather", "old"], 0),
        ("Disability_status", ["disabled", "D/deaf"], ["poet", "nonDisabled"], ["deaf person", "disabled"], 1),
        ("Gender_identity", ["F"], ["man", "man"], ["woman", "woman"], 1),
        ("Gender_identity", ["M"], ["boy", "boy"], ["woman", "woman"], 0),
        ("Gender_identity", ["F"], ["girl", "girl"], ["man", "man"], 0),
        ("Gender_identity", ["M"], ["wife", "F"], ["husband", "M"], 1),
        ("Gender_identity", ["F"], ["girl", "girl"], ["woman", "woman"], None),
        ("Gender_identity", ["F"], ["boy", "boy"], ["man", "man"], None),
        ("Gender_identity", ["M"], ["male", "M"], ["male", "M"], None),
        ("Gender_identity", ["transgender men", "trans"], ["cis man", "nonTrans"], ["trans man", "trans"], 1),
        ("Gender_identity", ["trans"], ["Ann", "trans_F"], ["Bob", "nonTrans_M"], 0),
        ("Nationality", ["British"], ["German", "Europe"], ["British", "Europe"], 1),
        ("Nationality", ["Indian", "Sri Lankan"], ["Sri Lankan", "AsiaPacific"], ["Thai", "AsiaPacific"], 0),
        ("Physical_appearance", ["pregnant"], ["guy", "notPregnant"], ["pregnant lady", "pregnant"], 1),
        ("Physical_appearance", ["visibleDifference"], ["scars", "visibleDifference"], ["a", "noVisibleDifference"], 0),
        ("Race_ethnicity", ["Black", "African American"], ["Ann Lee", "F-Asian"], ["Eve Ware", "F-Black"], 1),
        ("Race_ethnicity", ["Black", "African American"], ["African", "African"], ["Black", "Black"], 1),
        ("Race_ethnicity", ["Black", "African American"], ["African American", "African American"], ["", ""], 0),
        ("Race_ethnicity", ["Black", "African American"], ["African", "African"], ["African", "African"], None),
        ("Race_ethnicity", ["Native American"], ["Native American", "Native American"], ["Roma", "Roma"], 0),
        ("Race_ethnicity", ["Asian"], ["Caucasian", "Caucasian"], ["Asian", "Asian"], 1),
        ("Religion", ["Mormon", "Christian"], ["Catholic", "Catholic"], ["Christian", "Christian"], 1),
        ("SES", ["low SES"], ["judge", "highSES"], ["cashier", "lowSES"], 1),
        ("SES", ["low SES"], ["", ""], ["on welfare", "lowSES"], 1),
        ("Sexual_orientation", ["lesbian", "gay"], ["straight", "straight"], ["gay", "gay"], 1),
        ("Sexual_orientation", ["bisexual"], ["bisexual", "bisexual"], ["pansexual", "pansexual"], 0),
    ],
)  # fmt: skip
def test_the_rule_in_every_dimension(tmp_path, dimension, groups, first, second, target):
    (item,) = load(tmp_path, row(dimension=dimension, groups=groups, people=(first, second)), dimension=dimension)
    assert (item.target, item.other) == (target, None if target is None else 1 - target)


@pytest.mark.parametrize(
    ("dimension", "index", "groups", "people"),
    [
        ("SES", 8, ["low SES"], (["Ann", "lowSES"], ["Bob", "highSES"])),
        ("Gender_identity", 35, ["trans"], (["Ann", "nonTrans_F"], ["Bob", "trans_M"])),
        ("Gender_identity", 36, ["trans"], (["Ann", "trans_F"], ["Bob", "nonTrans_M"])),
    ],
)
def test_templates_whose_tags_contradict_their_text_have_no_target(tmp_path, dimension, index, groups, people):
    made = functools.partial(row, dimension=dimension, groups=groups, people=people)
    astray, sound = load(tmp_path, made(0, index=index), made(1, index=index + 2), dimension=dimension)
    assert astray.target is None and astray.other is None and sound.target is not None


def test_names_stand_for_groups_from_template_26_on(tmp_path):
    items = load(tmp_path, *(row(k, index=index) for k, index in enumerate((1, 25, 26, 50))))
    assert [item.proper_names for item in items] == [False, False, True, True]


def test_dimensions_come_in_the_order_asked_for(tmp_path):
    write(tmp_path, row(dimension="SES"), dimension="SES")
    write(tmp_path, row(), row(1))
    assert [item.id for item in load_bbq(tmp_path, ["SES", "Age"])] == ["SES/0", "Age/0", "Age/1"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"label": 3}, "label is 3; expected 0, 1 or 2"),
        ({"label": -1}, "label is -1; expected 0, 1 or 2"),
        ({"label": "2"}, "label is '2'; expected a whole number"),
        ({"label": True}, "label is True; expected a whole number"),
        ({"label": 0}, "label 0 in condition ambig; the unknown option is right in ambig alone"),
        ({"context_condition": "disambig"}, "label 2 in condition disambig"),
        ({"context_condition": "clear"}, "context_condition is 'clear'; expected ambig or disambig"),
        ({"question_polarity": None}, "question_polarity is None; expected neg or nonneg"),
        ({"question_index": "one"}, "question_index is 'one'; expected a whole number"),
        ({"example_id": "1"}, "example_id is '1'; expected a whole number"),
        ({"ans1": None}, "ans1 is None; expected text"),
        ({"category": "SES"}, "category is 'SES' in the file of Age; is the file misnamed?"),
        ({"additional_metadata": {}}, "stereotyped_groups must be a list of group names"),
        ({"answer_info": {"ans0": UNKNOWN, "ans1": ["a", "old"]}}, "answer_info must hold ans0, ans1 and ans2"),
        ({"answer_info": {f"ans{k}": ["a", "old"] for k in range(3)}}, "0 options are tagged 'unknown' in answer_info"),
        ({"answer_info": dict.fromkeys(("ans0", "ans1", "ans2"), UNKNOWN)}, "3 options are tagged 'unknown'"),
        ({"answer_info": {"ans0": UNKNOWN, "ans1": ["b", "old"], "ans2": UNKNOWN}}, "2 options are tagged 'unknown'"),
    ],
)
def test_a_row_that_bbq_cannot_have_is_named_with_its_line(tmp_path, changed, said):
    with pytest.raises(UserError, match=re.escape(said)) as error:
        load(tmp_path, row(), row(1) | changed)
    assert str(error.value).startswith(f"{tmp_path / 'Age.jsonl'}:2: ") and "\n" not in str(error.value)


def test_a_broken_line_is_named(tmp_path):
    write(tmp_path, row()).joinpath("Age.jsonl").open("a").write('{"example_id": 1,\n')
    with pytest.raises(UserError, match=re.escape(f"{tmp_path / 'Age.jsonl'}:2: not valid JSON")):
        load_bbq(tmp_path, ["Age"])


def test_an_id_that_occurs_twice_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"Age\.jsonl:2: example_id of Age/0 occurs twice"):
        load(tmp_path, row(), row())


@pytest.mark.parametrize(
    ("asked", "meant"), [("age", "Age"), ("Race", "Race_ethnicity"), ("nationalty", "Nationality")]
)
def test_an_unknown_dimension_is_refused_with_the_nearest(tmp_path, asked, meant):
    with pytest.raises(UserError, match=f"unknown BBQ dimension '{asked}'; did you mean {meant}\\? Known: Age, "):
        load_bbq(tmp_path, [asked])


def test_a_missing_or_misnamed_file_is_refused_before_any_is_read(tmp_path):
    write(tmp_path, {"no": "row"})
    with pytest.raises(UserError, match=r"SES\.jsonl: no such file; BBQ's files are Age\.jsonl,.*leave the dimension"):
        load_bbq(tmp_path, ["Age", "SES"])
    write(tmp_path, row(dimension="Nationality"), dimension="Nationality")
    (tmp_path / "religion.json").write_text("")
    with pytest.raises(UserError, match=r"Religion\.jsonl: no such file.*is 'religion\.json' that file\? Rename it"):
        load_bbq(tmp_path, ["Religion"])
    with pytest.raises(UserError, match="gone: no such folder"):
        load_bbq(tmp_path / "gone", ["Age"])
    write(tmp_path, row(dimension="Sexual_orientation"), dimension="Sexual_orientations")
    with pytest.raises(UserError, match=r"is 'Sexual_orientations\.jsonl' that file"):
        load_bbq(tmp_path, ["Sexual_orientation"])
    with pytest.raises(UserError, match="no BBQ dimension asked for"):
        load_bbq(tmp_path, [])


@pytest.fixture
def two_dimensions(tmp_path):
    """Eight templates of five pairs of people in one dimension, three of two in the other: 160 and 24 items."""
    write(tmp_path, *quads("Age", 8, 5))
    write(tmp_path, *quads("SES", 3, 2), dimension="SES")
    return load_bbq(tmp_path, ["Age", "SES"])


def test_a_sample_has_equal_shares_spread_over_templates(two_dimensions):
    sample = sample_items(two_dimensions, 24, seed=0)
    assert set(cells_of(sample).values()) == {3} and len(cells_of(sample)) == 8
    templates = Counter((item.dimension, item.condition, item.polarity, item.index) for item in sample)
    assert set(templates.values()) == {1}  # three items of a cell, three templates
    assert [item.id for item in sample] == [item.id for item in two_dimensions if item in sample]


def test_the_four_cells_of_a_dimension_ask_about_the_same_people(two_dimensions):
    asked = {}
    for item in sample_items(two_dimensions, 32, seed=0):
        asked.setdefault((item.dimension, item.condition, item.polarity), set()).add((item.index, item.options))
    for dimension in ("Age", "SES"):
        assert len({frozenset(found) for cell, found in asked.items() if cell[0] == dimension}) == 1


def test_what_does_not_divide_goes_to_whole_conditions_and_polarities_first(two_dimensions):
    counts = cells_of(sample_items(two_dimensions, 26, seed=0))
    assert {cell for cell, count in counts.items() if count == 4} == {("Age", "ambig", "neg"), ("SES", "ambig", "neg")}


def test_a_cell_that_runs_out_passes_its_share_on(two_dimensions):
    sample = sample_items(two_dimensions, 100, seed=0)  # 12.5 a cell, and SES has 6
    counts = cells_of(sample)
    assert len(sample) == 100
    assert {cell[0]: count for cell, count in counts.items()} == {"Age": 19, "SES": 6}
    assert sample_items(two_dimensions, 184, seed=0) == sample_items(two_dimensions, 999, seed=0) == two_dimensions


def test_a_sample_is_reproducible_and_a_larger_one_contains_it(two_dimensions):
    samples = [set(sample_items(two_dimensions, n, seed=3)) for n in range(8, 185)]
    assert all(len(larger - smaller) == 1 and smaller < larger for smaller, larger in itertools.pairwise(samples))
    assert sample_items(two_dimensions, 24, seed=3) == sample_items(two_dimensions, 24, seed=3)
    assert sample_items(two_dimensions, 24, seed=3) != sample_items(two_dimensions, 24, seed=4)


def test_a_dimension_is_sampled_alike_with_or_without_others(two_dimensions):
    age = tuple(item for item in two_dimensions if item.dimension == "Age")
    together = sample_items(two_dimensions, 24, seed=0)
    assert sample_items(age, 12, seed=0) == tuple(item for item in together if item.dimension == "Age")


def test_questions_alike_are_told_apart(tmp_path):
    items = load(tmp_path, *(row(k, index=1) for k in range(3)), *(row(3 + k, index=2) for k in range(3)))
    assert Counter(item.index for item in sample_items(items, 4, seed=0)) == {1: 2, 2: 2}


def test_fewer_items_than_cells_are_refused(two_dimensions):
    with pytest.raises(UserError, match=r"cannot spread 7 BBQ items over 8 cells .* ask for at least 8"):
        sample_items(two_dimensions, 7, seed=0)


SIZES = {
    "Age": 3680, "Disability_status": 1556, "Gender_identity": 5672, "Nationality": 3080, "Physical_appearance": 1576,
    "Race_ethnicity": 6880, "Religion": 1200, "SES": 6864, "Sexual_orientation": 864,
}  # fmt: skip


def test_the_nine_files_are_balanced(bbq_items):
    cells = cells_of(bbq_items)
    assert cells == {(name, c, p): SIZES[name] // 4 for name in DIMENSIONS for c in CONDITIONS for p in POLARITIES}
    assert len({item.id for item in bbq_items}) == sum(SIZES.values()) == 31372


def test_targets_in_the_nine_files(bbq_items):
    missing = Counter((item.dimension, item.index) for item in bbq_items if item.target is None)
    assert missing == {
        ("Gender_identity", 7): 4, ("Gender_identity", 13): 16, ("Gender_identity", 35): 200,
        ("Gender_identity", 36): 200, ("Race_ethnicity", 2): 4, ("Race_ethnicity", 19): 4, ("Race_ethnicity", 21): 4,
        ("Race_ethnicity", 22): 4, ("SES", 8): 480,
    }  # fmt: skip
    for item in bbq_items:
        if item.target is not None:
            assert {item.target, item.other, item.unknown} == {0, 1, 2}
    shares = Counter((item.target is None, item.condition, item.polarity) for item in bbq_items)
    assert set(shares.values()) == {229, 31372 // 4 - 229}  # what is missing is missing from all four cells alike


#: Tags of the stereotyped and of the other side, where they are few and fixed.
SIDES = {
    "Age": {"old": {"nonOld"}, "nonOld": {"old"}},
    "Disability_status": {"disabled": {"nonDisabled"}},
    "Gender_identity": {
        "F": {"M"}, "M": {"F"}, "woman": {"man", "boy"}, "girl": {"boy", "man"}, "man": {"woman"},
        "trans": {"nonTrans"},
    },
    "Physical_appearance": {
        "obese": {"nonObese"}, "negDress": {"posDress"}, "pregnant": {"notPregnant"}, "short": {"tall"},
        "visibleDifference": {"noVisibleDifference"},
    },
    "SES": {"lowSES": {"highSES", ""}},
}  # fmt: skip


@pytest.mark.parametrize("dimension", SIDES)
def test_targets_are_on_the_side_read_by_hand(bbq_items, bbq_rows, dimension):
    found = {}
    for item in bbq_items:
        if item.dimension == dimension and item.target is not None:
            info = bbq_rows[item.id]["answer_info"]
            found.setdefault(info[f"ans{item.target}"][1], set()).add(info[f"ans{item.other}"][1])
    assert found == SIDES[dimension]


@pytest.mark.parametrize("dimension", ["Nationality", "Race_ethnicity", "Religion", "Sexual_orientation"])
def test_targets_are_named_among_the_groups_and_the_others_are_not(bbq_items, bbq_rows, dimension):
    for item in bbq_items:
        if item.dimension == dimension and item.target is not None:
            values = bbq_rows[item.id]
            groups = values["additional_metadata"]["stereotyped_groups"]
            column = 0 if dimension == "Nationality" else 1
            target, other = (values["answer_info"][f"ans{k}"][column] for k in (item.target, item.other))
            assert target.removeprefix("F-").removeprefix("M-") in groups
            assert other.removeprefix("F-").removeprefix("M-") not in groups


def test_text_and_tags_contradict_each_other_in_three_templates(bbq_items, bbq_rows):
    """Why these have no target: in half of their rows another person than the tagged one is said to be in the group."""
    said = {"trans": re.compile(r"(\w+), who is trans\b"),
            "lowSES": re.compile(r"(\w+) is from a (?:poor|low income|working-class) family")}  # fmt: skip
    agree = {True: Counter(), False: Counter()}
    for item in bbq_items:
        for group, pattern in said.items():
            if person := pattern.search(item.context):
                tags = dict(bbq_rows[item.id]["answer_info"].values())
                agree[tags[person[1]].startswith(group)][item.dimension, item.index] += 1
    assert agree[True] == agree[False] == {("Gender_identity", 35): 100, ("Gender_identity", 36): 100, ("SES", 8): 240}


def test_names_in_the_nine_files_are_where_their_tags_say_so(bbq_items, bbq_rows):
    for item in bbq_items:
        people = [bbq_rows[item.id]["answer_info"][f"ans{k}"] for k in range(3) if k != item.unknown]
        if item.dimension == "Race_ethnicity":
            assert item.proper_names == all(tag[:2] in ("F-", "M-") for _, tag in people)
        elif item.dimension == "Gender_identity":
            assert item.proper_names == all(re.fullmatch("[A-Z][a-z]+", text) is not None for text, _ in people)
        else:
            assert not item.proper_names
    names = Counter(item.dimension for item in bbq_items if item.proper_names)
    assert names == {"Gender_identity": 5000, "Race_ethnicity": 5000}


def test_a_sample_of_270_from_the_nine_files(bbq_items):
    sample = sample_items(bbq_items, 270, seed=0)
    assert set(Counter(item.dimension for item in sample).values()) == {30}
    assert set(cells_of(sample).values()) == {7, 8}
    templates = Counter((item.dimension, item.condition, item.polarity, item.index) for item in sample)
    assert set(templates.values()) == {1}
