"""When each place was last written, by a merge as by writing its leaves one after the other."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.domain.concepts.last_written import MAX_BELOW, NEVER, last_written, merged_into, written
from stenogram.domain.ids import Version
from stenogram.domain.json.merge_patch import leaves, merge
from stenogram.domain.json.pointer import tokens

names = st.sampled_from("abc")
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers(0, 3), lambda inner: st.dictionaries(names, inner, max_size=3), max_leaves=8
)
objects = st.dictionaries(names, values, max_size=3)
PLACES = [[], *[[a] for a in "abc"], *[[a, b] for a in "abc" for b in "abc"], ["a", "b", "c"]]


@given(objects, st.lists(objects, max_size=4))
def test_a_merge_writes_its_leaves(target: dict[str, Any], patches: list[dict[str, Any]]) -> None:
    at_once = one_by_one = NEVER
    for number, patch in enumerate(patches, 1):
        at_once = merged_into(at_once, target, patch, Version(number))
        for path in leaves(target, patch):
            one_by_one = written(one_by_one, tokens(path), Version(number))
        target = merge(target, patch)
    assert at_once == one_by_one
    assert [last_written(at_once, place) for place in PLACES] == [last_written(one_by_one, place) for place in PLACES]


@pytest.mark.parametrize("already", [0, MAX_BELOW])
def test_too_many_names_count_as_written_whole(already: int) -> None:
    place = merged_into(NEVER, {}, {f"a{number}": 1 for number in range(already)}, Version(1)) if already else NEVER
    place = merged_into(place, {}, {f"b{number}": 1 for number in range(MAX_BELOW + 1 - already)}, Version(2))
    assert last_written(place, ["something else"]) == 2
