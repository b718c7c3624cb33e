"""What was kept lately stays within its bounds, and what was put in last stays longest."""

from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.log import weighted_cache
from stenogram.log.weighted_cache import WeightedCache

STEPS = st.lists(st.tuples(st.sampled_from(["get", "put", "pop"]), st.sampled_from("abcdef"), st.integers(0, 5)))


@given(steps=STEPS, most=st.integers(1, 5), few=st.integers(1, 5), weight=st.integers(0, 12))
def test_it_is_a_map_that_forgets_what_was_put_in_longest_ago(
    steps: list[tuple[str, str, int]], most: int, few: int, weight: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weighted_cache, "ALWAYS_KEPT", few)
        kept = WeightedCache[int](most, weight)
    model: OrderedDict[str, int] = OrderedDict()
    for do, key, value in steps:
        if do == "put":
            kept.put(key, value, value)
            model[key] = value
            model.move_to_end(key)
        elif do == "pop":
            assert kept.pop(key) == model.pop(key, None)
        else:
            assert kept.get(key) == model.get(key)
        while len(model) > most or (len(model) > min(few, most) and sum(model.values()) > weight):
            model.popitem(last=False)
        assert len(kept) == len(model)
    assert {key: kept.get(key) for key in "abcdef"} == {key: model.get(key) for key in "abcdef"}
