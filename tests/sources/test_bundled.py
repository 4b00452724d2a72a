"""The stand-ins that ship with the package are large enough, clean, and fit for their roles."""

import pytest

from tradeoffbounds.sources import BUNDLED, load_source


@pytest.mark.parametrize("name", BUNDLED)
def test_a_stand_in_has_enough_distinct_prompts(name):
    source = load_source(f"bundled:{name}", role="proxy")
    prompts = [" ".join(row.prompt.split()).casefold() for row in source.rows]
    assert len(prompts) >= 150
    assert len(set(prompts)) == len(prompts)
    assert not any(source.dropped.values())


@pytest.mark.parametrize("name", BUNDLED)
def test_texts_are_trimmed(name):
    for row in load_source(f"bundled:{name}", role="proxy").rows:
        assert row.prompt == row.prompt.strip() and row.response == row.response.strip()


def test_the_two_proxies_differ_in_their_answers_alone():
    terse = load_source("bundled:proxy-terse", role="proxy").rows
    rich = load_source("bundled:proxy-rich", role="proxy").rows
    assert {row.prompt for row in terse} == {row.prompt for row in rich}
    words = [sum(len(row.response.split()) for row in rows) / len(rows) for rows in (terse, rich)]
    assert words[1] > 2 * words[0]


def test_no_prompt_is_in_two_domains():
    domains = [{row.prompt for row in load_source(f"bundled:{name}", role="proxy").rows} for name in BUNDLED]
    domains.pop(BUNDLED.index("proxy-rich"))
    assert len(set().union(*domains)) == sum(map(len, domains))
