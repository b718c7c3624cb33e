"""What holds for the shared state, whatever is done to it."""

import copy
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stenogram.domain.concepts.document import MAX_DOCUMENT_BYTES, MAX_DOCUMENT_DEPTH, last_change
from stenogram.domain.errors import Conflict, PatchFailed, Refused
from stenogram.domain.json.checks import deeper_than
from stenogram.domain.json.merge_patch import merge
from stenogram.domain.json.patch import apply_patch
from stenogram.domain.json.pointer import pointer, resolve, tokens
from stenogram.testing.rehearsal import Rehearsal

NAMES = ["a", "b", "~", "/", "", "0"]
json = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.sampled_from(NAMES), json, max_size=4)
paths = st.lists(st.sampled_from([*NAMES, "1", "2", "-"]), max_size=3).map(pointer)
operations = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["add", "replace", "remove", "move", "copy", "test"]),
        "path": paths,
        "from": paths,
        "value": json,
    }
)
patches = st.lists(operations, min_size=1, max_size=4)
commands = st.one_of(
    st.tuples(st.just("state.patch"), st.fixed_dictionaries({"patch": patches})),
    st.tuples(st.just("state.merge"), st.fixed_dictionaries({"patch": objects.filter(bool)})),
    st.tuples(st.just("state.increment"), st.fixed_dictionaries({"path": paths.filter(bool)})),
)
START = {"a": {"a": 1, "b": [1, {"a": 2}, 3]}, "b": [0, 1, 2], "~": {"/": 1}}


def begun() -> Rehearsal:
    """A session whose state has something in it to change."""
    session = Rehearsal()
    session.do("ada", "state.merge", patch=copy.deepcopy(START))
    return session


def attempt(session: Rehearsal, do: str, data: dict[str, Any]) -> bool:
    """Whether a command was accepted."""
    try:
        return bool(session.do("ada", do, data))
    except Refused:
        return False


@given(objects, patches)
@settings(max_examples=300)
def test_a_patch_applies_whole_or_not_at_all_and_touches_nothing(
    doc: dict[str, Any], patch: list[dict[str, Any]]
) -> None:
    before = copy.deepcopy((doc, patch))
    try:
        patched = apply_patch(doc, patch)
    except PatchFailed:
        assert (doc, patch) == before
        return
    assert (doc, patch) == before
    for path in {
        place for place in map(pointer, _places(doc) | _places(patched.value)) if _differs(doc, patched.value, place)
    }:
        assert any(_overlap(path, changed) for changed in patched.paths), f"{path} changed, {patched.paths} were named"


def _differs(one: Any, other: Any, path: str) -> bool:
    absent = object()
    return _written(resolve(one, path, absent), absent) != _written(resolve(other, path, absent), absent)


def _written(value: Any, absent: object) -> bytes | None:
    return None if value is absent else orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _places(value: Any, above: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {above}.union(*(_places(each, (*above, str(name))) for name, each in inner))


def _overlap(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


@given(st.lists(st.sampled_from([*NAMES, "~1", "~01", "é", "\n"]) | st.text(max_size=3), max_size=4))
def test_a_pointer_names_its_tokens(parts: list[str]) -> None:
    assert tokens(pointer(parts)) == parts


@given(st.lists(commands, max_size=8))
@settings(max_examples=150)
def test_what_was_sent_is_not_part_of_the_state(script: list[tuple[str, dict[str, Any]]]) -> None:
    session = begun()
    for do, data in script:
        attempt(session, do, data)
        before = repr(session.state)
        _spoil(data)
        assert repr(session.state) == before


def _spoil(value: Any) -> None:
    inner = list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, list) else []
    for each in inner:
        _spoil(each)
    if isinstance(value, dict):
        value.clear()
        value["spoilt"] = True
    elif isinstance(value, list):
        value.append("spoilt")


@given(st.lists(commands, max_size=8), st.lists(paths, min_size=1, max_size=8))
@settings(max_examples=200)
@example([("state.merge", {"patch": {"a": {"0": 1}}}), ("state.increment", {"path": "/b/-"})], ["/a/0", "/b/3"])
def test_no_change_escapes_a_guard(script: list[tuple[str, dict[str, Any]]], guarded: list[str]) -> None:
    """Against every document that ever was: where a place differed at any time since, a guard on it does not hold."""
    session = begun()
    history = [(session.state.version, session.state.document.value)]
    for do, data in script:
        if attempt(session, do, data):
            history.append((session.state.version, session.state.document.value))
    for at, (version, then) in enumerate(history):
        changed = [path for path in guarded if any(_differs(then, later, path) for _, later in history[at:])]
        for path in changed:
            with pytest.raises(Conflict):
                session.do("ada", "state.merge", patch={"z": 1}, if_unchanged={path: version})
        if changed:
            with pytest.raises(Conflict):
                session.do("ada", "state.merge", patch={"z": 1}, if_version=version)


places = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3)


@given(
    st.lists(st.tuples(st.sampled_from(["add", "remove", "merge"]), places), max_size=12), st.lists(places, max_size=6)
)
@settings(max_examples=200)
def test_a_guard_minds_nothing_but_writes_that_overlap_it(
    writes: list[tuple[str, list[str]]], guarded: list[list[str]]
) -> None:
    """Against a list of all that was written, in documents of objects alone."""
    session = Rehearsal()
    written: list[tuple[int, str]] = []
    for kind, place in writes:
        above = resolve(session.state.document.value, pointer(place[:-1]))
        merged: Any = {}
        for name in reversed(place):
            merged = {name: merged}
        if kind == "merge" and isinstance(above, dict):
            accepted = attempt(session, "state.merge", {"patch": merged})
        else:
            accepted = attempt(session, "state.patch", {"patch": [{"op": kind, "path": pointer(place), "value": {}}]})
        if accepted:
            written.append((session.state.version, pointer(place)))
    for path in map(pointer, guarded):
        expected = max((version for version, place in written if _overlap(place, path)), default=0)
        assert last_change(session.state.document, path) == expected


@given(objects, objects)
def test_a_merge_that_is_repeated_changes_nothing_more(target: dict[str, Any], patch: dict[str, Any]) -> None:
    before = copy.deepcopy((target, patch))
    once = merge(target, patch)
    assert merge(once, patch) == once
    assert (target, patch) == before


@given(st.lists(st.tuples(st.sampled_from(["/a/a", "/n", "/b/1"]), st.integers(-100, 100)), max_size=8), st.data())
def test_increments_commute(increments: list[tuple[str, int]], data: Any) -> None:
    one, other = begun(), begun()
    for path, by in increments:
        one.do("ada", "state.increment", path=path, by=by)
    for path, by in data.draw(st.permutations(increments)):
        other.do("ada", "state.increment", path=path, by=by)
    assert one.state.document.value == other.state.document.value


bombs = st.lists(
    st.one_of(
        st.builds(
            lambda source, path: {"op": "copy", "from": source, "path": path},
            st.sampled_from(["", "/a", "/a/a", "/b"]),
            st.sampled_from(["/a/-", "/a/a", "/b", "/b/x", "/c"]),
        ),
        st.builds(
            lambda path, value: {"op": "add", "path": path, "value": value},
            st.sampled_from(["/a", "/b", "/a/a"]),
            st.sampled_from([{}, [], "x" * 200_000, [[{"a": {}}]]]),
        ),
        st.builds(
            lambda source, path: {"op": "move", "from": source, "path": path},
            st.sampled_from(["/a", "/b"]),
            st.sampled_from(["/b/a", "/a/a", "/b"]),
        ),
    ),
    min_size=1,
    max_size=12,
).map(lambda few: few * 8)


@given(st.lists(bombs, min_size=1, max_size=3))
@settings(max_examples=60)
def test_the_state_stays_within_its_limits(script: list[list[dict[str, Any]]]) -> None:
    session = Rehearsal()
    session.do("ada", "state.merge", patch={"a": {"a": 1}, "b": [1]})
    for bomb in script:
        patch = bomb
        while patch and not attempt(session, "state.patch", {"patch": patch}):
            patch = patch[: len(patch) // 2]
        value = session.state.document.value
        assert len(orjson.dumps(value)) <= MAX_DOCUMENT_BYTES
        assert not deeper_than(value, MAX_DOCUMENT_DEPTH)
