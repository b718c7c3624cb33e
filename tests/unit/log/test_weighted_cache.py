"""The cache stays within its bounds, and what was put or used last stays longest."""

from collections import OrderedDict

from hypothesis import given
from hypothesis import strategies as st

from stenogram.log.weighted_cache import WeightedCache

DOINGS = ["get", "use", "touch", "put", "pop", "drop_group"]
STEPS = st.lists(st.tuples(st.sampled_from(DOINGS), st.sampled_from("abcdef"), st.integers(0, 5)))


def group(key: str) -> str:
    return "vowel" if key in "ae" else "consonant"


@given(steps=STEPS, most=st.integers(1, 5), at_least=st.integers(0, 5), weight=st.integers(0, 12))
def test_it_is_a_map_that_forgets_what_was_put_or_used_longest_ago(
    steps: list[tuple[str, str, int]], most: int, at_least: int, weight: int
) -> None:
    kept = WeightedCache[str, int](weight, most=most, at_least=at_least, group=group)
    model: OrderedDict[str, int] = OrderedDict()
    for do, key, value in steps:
        if do == "put":
            kept.put(key, value, value)
            model[key] = value
            model.move_to_end(key)
        elif do == "pop":
            assert kept.pop(key) == model.pop(key, None)
        elif do == "drop_group":
            kept.drop_group(group(key))
            model = OrderedDict((each, at) for each, at in model.items() if group(each) != group(key))
        elif do == "get":
            assert kept.get(key) == model.get(key)
        elif key in model:
            model.move_to_end(key)
            assert kept.use(key) == model[key] if do == "use" else kept.touch(key) is None
        while len(model) > most or (len(model) > min(at_least, most) and sum(model.values()) > weight):
            model.popitem(last=False)
        assert len(kept) == len(model)
    assert {key: kept.get(key) for key in "abcdef"} == {key: model.get(key) for key in "abcdef"}


@given(weights=st.lists(st.integers(0, 5)), weight=st.integers(0, 12))
def test_what_is_put_without_shrinking_stays_until_it_is_shrunk(weights: list[int], weight: int) -> None:
    kept = WeightedCache[int, None](weight, most=3, at_least=0)
    for key, each in enumerate(weights):
        kept.put(key, None, each, shrink=False)
    assert len(kept) == len(weights)

    dropped = kept.shrink()

    assert dropped == list(range(len(dropped)))
    rest = weights[len(dropped) :]
    assert len(kept) == len(rest) <= 3
    assert sum(rest) <= weight
