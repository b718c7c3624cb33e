"""The shared state is changed by patches, merges and increments, and guarded as a whole or by places."""

import time
from typing import Any

import pytest

from stenogram.domain.concepts.document import (
    MAX_DOCUMENT_BYTES,
    MAX_DOCUMENT_DEPTH,
    MAX_NAMES,
    MAX_NUMBER,
    last_change,
)
from stenogram.domain.session import decide
from stenogram.testing.rehearsal import Rehearsal


def test_it_is_changed_by_patches_merges_and_increments(session: Rehearsal) -> None:
    session.do("hotels", "state.merge", patch={"hotel": {"name": "Tivoli", "note": None}, "pax": 2})
    session.do("hotels", "state.patch", patch=[{"op": "add", "path": "/hotel/stars", "value": 4}])
    session.do("flights", "state.increment", path="/pax", by=1)
    session.do("flights", "state.increment", path="/calls")
    assert session.state.document.value == {"hotel": {"name": "Tivoli", "stars": 4}, "pax": 3, "calls": 1}
    assert session.state.document.version == session.state.version


def test_a_change_says_which_names_at_the_top_it_touches(session: Rehearsal) -> None:
    patch = [{"op": "add", "path": "/a", "value": 1}, {"op": "add", "path": "/b~1c", "value": {}}]
    (patched,) = session.do("hotels", "state.patch", patch=patch)
    assert (patched.data.subject(), patched.data.also()) == ("state:/a", ("state:/b~1c", "state:"))
    (whole,) = session.do("hotels", "state.patch", patch=[{"op": "replace", "path": "", "value": {"d": 1}}])
    assert {whole.data.subject(), *whole.data.also()} == {"state:/a", "state:/b~1c", "state:/d", "state:"}


@pytest.mark.parametrize(
    ("patch", "reads"),
    [
        ([{"op": "test", "path": "/a/x", "value": 1}, {"op": "add", "path": "/b", "value": 2}], {"/a", "/b"}),
        ([{"op": "copy", "from": "/a/x", "path": "/b"}], {"/a", "/b"}),
        ([{"op": "add", "path": "/b", "value": 1}, {"op": "remove", "path": "/b"}], {"/b"}),
        ([{"op": "copy", "from": "", "path": "/b"}], {"", "/b"}),
        ([{"op": "replace", "path": "", "value": {}}], {"", "/a"}),
    ],
)
def test_a_patch_depends_on_all_that_it_looks_at(session: Rehearsal, patch: list[Any], reads: set[str]) -> None:
    session.do("hotels", "state.merge", patch={"a": {"x": 1}})
    decision = decide(session.state, session.command("hotels", "state.patch", {"patch": patch}))
    assert set(decision.reads) == {f"state:{name}" for name in reads}


def test_a_guard_is_depended_on(session: Rehearsal) -> None:
    data = {"path": "/n", "if_version": 9, "if_unchanged": {"/a/b": 9, "/c": 9}}
    decision = decide(session.state, session.command("hotels", "state.increment", data))
    assert set(decision.reads) == {"state:", "state:/a", "state:/c", "state:/n"}


def test_the_root_stays_an_object(session: Rehearsal) -> None:
    replace = [{"op": "replace", "path": "", "value": [1]}]
    assert session.refusal("hotels", "state.patch", patch=replace).code == "patch_failed"
    back = [*replace, {"op": "replace", "path": "", "value": {"a": 1}}]
    session.do("hotels", "state.patch", patch=back)
    assert session.state.document.value == {"a": 1}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/a"},
        {"op": "test", "path": "/a"},
        {"op": "move", "path": "/a"},
        {"op": "move", "path": "/a", "from": None},
        {"op": "move", "path": "/a", "from_": "/n"},
        {"op": "remove", "path": "/missing"},
    ],
)
def test_a_patch_that_does_not_apply_is_refused(session: Rehearsal, operation: dict[str, object]) -> None:
    session.do("hotels", "state.merge", patch={"n": None, "o": 1})
    refusal = session.refusal("hotels", "state.patch", patch=[operation])
    assert (refusal.code, refusal.extra) == ("patch_failed", {"operation": 0})


@pytest.mark.parametrize(
    "patch",
    [
        [],
        None,
        {},
        [None],
        [{"op": "add", "path": 1, "value": 1}],
        [{"op": "add", "path": None, "value": 1}],
        [{"op": "add", "path": "a", "value": 1}],
        [{"op": "add", "path": "/~2", "value": 1}],
        [{"op": "sing", "path": "/a"}],
        [{"path": "/a", "value": 1}],
        [{"op": "copy", "path": "/a", "from": 1}],
        [{"op": "add", "path": "/a", "value": float("nan")}],
        [{"op": "add", "path": "/a", "value": 2**64}],
        [{"op": "add", "path": "/a", "value": "\ud800"}],
        [{"op": "test", "path": "/a", "value": 1}] * 1_001,
    ],
)
def test_what_is_no_patch_is_invalid(session: Rehearsal, patch: object) -> None:
    assert session.refusal("hotels", "state.patch", patch=patch).code == "invalid"


def test_a_patch_that_changes_nothing_is_not_recorded(session: Rehearsal) -> None:
    session.do("hotels", "state.merge", patch={"a": 1})
    only_test = [{"op": "test", "path": "/a", "value": 1}]
    assert session.refusal("hotels", "state.patch", patch=only_test).code == "no_change"
    nowhere = [{"op": "move", "from": "/a", "path": "/a"}]
    assert session.refusal("hotels", "state.patch", patch=nowhere).code == "no_change"
    empty = [{"op": "replace", "path": "", "value": {}}]
    assert Rehearsal().refusal("hotels", "state.patch", patch=empty).code == "no_change"


def test_a_merge_needs_something_to_merge(session: Rehearsal) -> None:
    assert session.refusal("hotels", "state.merge", patch={}).code == "invalid"
    assert session.refusal("hotels", "state.merge", patch=[1]).code == "invalid"


def test_a_conflict_tells_the_current_value_and_its_version(session: Rehearsal) -> None:
    (first,) = session.do("hotels", "state.merge", patch={"hotel": "Tivoli"})
    (second,) = session.do("flights", "state.merge", patch={"hotel": "Ritz"})
    guard = {"/hotel": first.version}
    refusal = session.refusal("hotels", "state.merge", patch={"hotel": "Tivoli"}, if_unchanged=guard)
    assert refusal.code == "conflict"
    assert refusal.extra == {"path": "/hotel", "value": "Ritz", "version": second.version}
    refusal = session.refusal("hotels", "state.increment", path="/n", if_version=first.version)
    assert refusal.extra == {"path": "", "value": {"hotel": "Ritz"}, "version": second.version}
    session.do("hotels", "state.merge", patch={"hotel": "Tivoli"}, if_unchanged={"/hotel": second.version})


def test_a_guard_on_one_place_does_not_mind_another(session: Rehearsal) -> None:
    (first,) = session.do("hotels", "state.merge", patch={"a": {"b": 1, "c": 1}, "ab": 1})
    session.do("hotels", "state.merge", patch={"a": {"b": 2}, "ab": 2})
    session.do("hotels", "state.increment", path="/a/c", if_unchanged={"/a/c": first.version, "/x/y": 0})
    refusal = session.refusal("hotels", "state.increment", path="/n", if_unchanged={"/a": first.version})
    assert refusal.code == "conflict"


def test_what_takes_the_place_of_an_array_changes_its_elements(session: Rehearsal) -> None:
    (first,) = session.do("hotels", "state.merge", patch={"a": [1, 2]})
    session.do("hotels", "state.merge", patch={"a": {"x": 1}})
    refusal = session.refusal("hotels", "state.increment", path="/n", if_unchanged={"/a/0": first.version})
    assert refusal.code == "conflict"


def test_an_insertion_changes_the_elements_behind_it(session: Rehearsal) -> None:
    (first,) = session.do("hotels", "state.merge", patch={"a": [1, 2]})
    session.do("hotels", "state.patch", patch=[{"op": "add", "path": "/a/0", "value": 0}])
    refusal = session.refusal("hotels", "state.increment", path="/n", if_unchanged={"/a/1": first.version})
    assert refusal.extra["value"] == 1


def test_replacing_the_root_changes_everything(session: Rehearsal) -> None:
    session.do("hotels", "state.merge", patch={"a": {"b": 1}})
    (whole,) = session.do("hotels", "state.patch", patch=[{"op": "replace", "path": "", "value": {"c": 1}}])
    for path in ("/a", "/a/b", "/c", "/never", ""):
        assert last_change(session.state.document, path) == whole.version


@pytest.mark.parametrize("version", ["1", 1.5, True, -1])
def test_versions_in_guards_are_whole_numbers(session: Rehearsal, version: object) -> None:
    assert session.refusal("hotels", "state.increment", path="/n", if_version=version).code == "invalid"
    assert session.refusal("hotels", "state.increment", path="/n", if_unchanged={"/a": version}).code == "invalid"


def test_numbers_are_incremented_wherever_they_stand(session: Rehearsal) -> None:
    session.do("hotels", "state.merge", patch={"a": {"list": [1, 2.5]}, "~": {}})
    session.do("hotels", "state.increment", path="/a/list/1", by=-0.5)
    session.do("hotels", "state.increment", path="/a/list/0", by=2)
    session.do("hotels", "state.increment", path="/~0/n", by=0)
    assert session.state.document.value == {"a": {"list": [3, 2.0]}, "~": {"n": 0}}


@pytest.mark.parametrize("path", ["/text", "/null", "/yes", "/list", "/list/0", "/list/1", "/list/-", "/list/2/n"])
def test_what_is_no_number_is_not_incremented(session: Rehearsal, path: str) -> None:
    value: dict[str, Any] = {"text": "1", "null": None, "yes": True, "list": [[]]}
    session.do("hotels", "state.patch", patch=[{"op": "replace", "path": "", "value": value}])
    assert session.refusal("hotels", "state.increment", path=path).code == "patch_failed"


@pytest.mark.parametrize("by", ["1", True, None, float("nan"), float("inf"), MAX_NUMBER * 2, [1]])
def test_an_increment_is_a_number(session: Rehearsal, by: object) -> None:
    assert session.refusal("hotels", "state.increment", path="/n", by=by).code == "invalid"


def test_a_counter_stays_exact(session: Rehearsal) -> None:
    session.do("hotels", "state.increment", path="/n", by=MAX_NUMBER)
    assert session.refusal("hotels", "state.increment", path="/n").code == "invalid"
    session.do("hotels", "state.increment", path="/n", by=-MAX_NUMBER)


def test_it_has_at_most_a_million_bytes(session: Rehearsal) -> None:
    session.do("hotels", "state.merge", patch={"a": "x" * (MAX_DOCUMENT_BYTES - 8)})
    assert session.refusal("hotels", "state.merge", patch={"b": 1}).code == "too_large"
    assert session.refusal("hotels", "state.increment", path="/b").code == "too_large"
    add = [{"op": "add", "path": "/b", "value": 1}]
    assert session.refusal("hotels", "state.patch", patch=add).code == "too_large"
    session.do("hotels", "state.merge", patch={"a": None, "b": 1})


def test_it_is_nested_at_most_64_deep(session: Rehearsal) -> None:
    deep: Any = 0
    for _ in range(MAX_DOCUMENT_DEPTH - 1):
        deep = {"x": deep}
    session.do("hotels", "state.merge", patch={"a": deep})
    assert session.refusal("hotels", "state.merge", patch={"b": {"c": deep}}).code == "too_deep"
    into = [{"op": "move", "from": "/a", "path": "/b"}, {"op": "add", "path": "/a", "value": {}}]
    into.append({"op": "move", "from": "/b", "path": "/a/b"})
    assert session.refusal("hotels", "state.patch", patch=into).code == "too_deep"


def test_names_at_the_top_can_stand_in_an_index(session: Rehearsal) -> None:
    for name in ("x" * 257, "\0", "é" * 129, "/" * 129):
        assert session.refusal("hotels", "state.merge", patch={name: 1}).code == "patch_failed"
        whole = [{"op": "replace", "path": "", "value": {name: 1}}]
        assert session.refusal("hotels", "state.patch", patch=whole).code == "patch_failed"
    session.do("hotels", "state.merge", patch={"x" * 256: {"\0": 1, "y" * 999: 1}})
    many = {f"n{number}": 1 for number in range(MAX_NAMES)}
    assert session.refusal("hotels", "state.merge", patch=many).code == "too_large"


def test_names_that_come_and_go_do_not_pile_up(session: Rehearsal) -> None:
    for number in range(0, 6_000, 500):
        names = {f"t{each}": 1 for each in range(number, number + 500)}
        session.do("hotels", "state.merge", patch={"tasks": {**names, "kept": 1}})
        session.do("hotels", "state.merge", patch={"tasks": dict.fromkeys(names)})
    tasks = session.state.document.changes.below["tasks"]
    assert len(tasks.below) < 4_200
    assert last_change(session.state.document, "/tasks/t1") > 0


def test_many_paths_are_folded_quickly(session: Rehearsal) -> None:
    session.do("hotels", "state.merge", patch={"a": {f"n{number}": 0 for number in range(4_000)}})
    began = time.thread_time()
    for start in range(0, 4_000, 1_000):
        patch = [{"op": "replace", "path": f"/a/n{number}", "value": 1} for number in range(start, start + 1_000)]
        session.do("hotels", "state.patch", patch=patch)
    assert time.thread_time() - began < 2


@pytest.mark.parametrize("patch", [{"a": {"b": 1}}, {"a": {}}, {"gone": None}, {"a": {"gone": None}, "l": [1, None]}])
def test_a_merge_that_changes_nothing_is_refused_and_moves_no_guard(session: Rehearsal, patch: dict[str, Any]) -> None:
    (event,) = session.do("hotels", "state.merge", patch={"a": {"b": 1}, "l": [1, None], "t": True})
    assert session.refusal("flights", "state.merge", patch=patch).code == "no_change"
    session.do(
        "hotels", "state.merge", patch={"a": {"b": 2}}, if_unchanged={"/a/b": event.version, "/l": event.version}
    )
    assert session.do("hotels", "state.merge", patch={"t": 1})


def test_a_counter_counts_from_zero_also_where_what_is_around_it_is_missing(session: Rehearsal) -> None:
    session.do("hotels", "state.increment", path="/calls/search/lisbon", by=2)
    session.do("flights", "state.increment", path="/calls/search/lisbon")
    session.do("flights", "state.increment", path="/calls/book/0")
    assert session.state.document.value == {"calls": {"search": {"lisbon": 3}, "book": {"0": 1}}}
    session.do("hotels", "state.merge", patch={"name": "x", "list": [1]})
    for path in ("/name/n", "/list/1/n", "/list/3"):
        assert session.refusal("hotels", "state.increment", path=path).code == "patch_failed"
