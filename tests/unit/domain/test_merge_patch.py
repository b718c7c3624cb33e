"""Merge patches do what RFC 7386 says."""

import copy
from typing import Any

import pytest

from stenogram.domain.json.merge_patch import leaves, merge

# The table in appendix A of RFC 7386: target, patch, result.
TABLE: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), TABLE)
def test_the_examples_of_rfc_7386_hold(target: Any, patch: Any, result: Any) -> None:
    before = copy.deepcopy((target, patch))
    assert merge(target, patch) == result
    assert (target, patch) == before


@pytest.mark.parametrize(
    ("target", "patch", "paths"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2, "c": None}}, ["/a/b", "/a/c"]),
        ({"a": {"b": 1}}, {"a": {}}, ["/a"]),
        ({"a": 5}, {"a": {"b": 1}}, ["/a"]),
        ({"a": [1, 2]}, {"a": {"b": 1}}, ["/a"]),
        ({}, {"a": {"b": {"c": 1}}}, ["/a"]),
        ({}, {"~": 1, "/": 2, "": 3}, ["/~0", "/~1", "/"]),
    ],
)
def test_the_places_that_a_merge_writes_are_named(target: Any, patch: Any, paths: list[str]) -> None:
    assert leaves(target, patch) == paths


def test_what_did_not_change_is_shared() -> None:
    target = {"a": {"x": 1}, "b": {"y": 2}}
    assert merge(target, {"b": {"y": 3}})["a"] is target["a"]
