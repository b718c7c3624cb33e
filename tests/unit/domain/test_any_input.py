"""Whatever arrives, as a command or as an event: it is accepted or refused, and nothing else happens."""

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stenogram.domain import envelope
from stenogram.domain.commands import COMMANDS, parse_command
from stenogram.domain.errors import Invalid, Refused, StenogramError, TooDeep, UnknownCommand
from stenogram.domain.json.checks import MAX_DEPTH
from stenogram.testing.rehearsal import Rehearsal

# Wider than what an orjson parser lets through: Python's own `json` reads all of this, too.
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(2**62, 2**65),
    st.floats(),
    st.text(st.characters(), max_size=5),
    st.sampled_from(["", "m1", "/a", "everyone", "\ud800", "\0", "text", "x.note"]),
    st.sampled_from(["2026-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59"]),
)
any_json = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(), max_size=3), inner, max_size=4)
    ),
    max_leaves=8,
)
REPORTED: dict[str, Any] = {"usage": {"tokens": 5, "model": "m"}, "metadata": {"a": [1]}}
SEVERAL = [
    {"name": "a", "question": "q", "options": ["a", "b"], "several": True, "own_words": True},
    {"name": "b", "question": "q", "answer_schema": {"type": "integer"}},
]
MORE: list[tuple[str, dict[str, Any]]] = [
    ("approval.request", {"approval": "a9", "question": "q", "questions": SEVERAL, "of": ["ada"]}),
    (
        "approval.answer",
        {"approval": "a2", "answers": {"a": {"options": ["a", "b"], "words": "w"}, "b": {"value": 1}}},
    ),
]
"""Commands that have another shape besides the one below."""
EXAMPLES: dict[str, dict[str, Any]] = {
    "session.open": {"title": "t", "labels": {"a": "b"}, "metadata": {"a": 1}},
    "session.fork": {"origin": "s2", "at": 1, "title": "t"},
    "session.describe": {"title": "t", "metadata": {"a": None}},
    "session.label": {"set": {"a": "b"}, "remove": ["c"]},
    "session.close": {"reason": "r"},
    "session.reopen": {"reason": "r"},
    "presence.join": {"name": "n", "about": {"a": [1]}, "lease": 30},
    "presence.status": {"status": "waiting-for-tool", "activity": "a", "until": "2026-01-01T00:05:00Z"},
    "presence.leave": {"reason": "r"},
    "message.post": {"message": "m9", "parts": [{"kind": "text", "text": "t"}], "reply_to": "m1", **REPORTED},
    "message.start": {"message": "m9", "kind": "progress", "audience": ["users"], "metadata": {"a": 1}},
    "message.delta": {"message": "m1", "index": 0, "text": "t", "part": "text"},
    "message.complete": {"message": "m1", "parts": [{"kind": "data", "data": [1]}], "deltas": 0, **REPORTED},
    "message.abort": {"message": "m1", "reason": "r", **REPORTED},
    "tool.call": {"call": "t9", "tool": "search", "arguments": {"a": 1}, "message": "m1", "audience": ["ada"],
        "metadata": {"a": 1}},
    "tool.output": {"call": "t1", "index": 0, "text": "t"},
    "tool.return": {"call": "t1", "result": {"a": 1}, "error": "e", "deltas": 0, **REPORTED},
    "state.patch": {"patch": [{"op": "add", "path": "/a", "value": 1}], "if_version": 9, "if_unchanged": {"/a": 9},
        "audience": ["ada"]},
    "state.merge": {"patch": {"a": {"b": None}}},
    "state.increment": {"path": "/n", "by": 1},
    "task.create": {
        "task": "t9", "title": "t", "input": {"a": 1}, "parent": "t2", "needs": ["t2"], "dedupe_key": "k",
        "assignee": "ada", "assignee_timeout": 60.5, "priority": 1, "max_attempts": 3, "backoff": 1.5,
        "backoff_coefficient": 2.5, "backoff_max": 60.5, "on_need_failed": "fail", "stall_after": 60.5,
        "on_stall": "release", "within": 60.5, "metadata": {"a": 1},
    },
    "task.claim": {"task": "t2", "lease": 30},
    "task.progress": {"task": "t1", "attempt": 1, "note": "n", "share": 0.5, "usage": {"a": 1}},
    "task.complete": {"task": "t1", "attempt": 1, "output": [1], **REPORTED},
    "task.fail": {"task": "t1", "attempt": 1, "error": "e", "retryable": True, **REPORTED},
    "task.release": {"task": "t1", "attempt": 1, "reason": "r", **REPORTED},
    "task.reroute": {"task": "t1", "to": "ada", "input": {"a": 1}, "needs": ["t2"], "reason": "r"},
    "task.cancel": {"task": "t1", "reason": "r"},
    "signal.raise": {"signal": "s9", "kind": "reroute", "target": "task:t1", "body": {"a": 1}, "to": "ada", "grace": 0},
    "signal.deliver": {"signal": "s1"},
    "signal.honour": {"signal": "s1", "reason": "r"},
    "signal.refuse": {"signal": "s1", "reason": "r"},
    "signal.withdraw": {"signal": "s2", "reason": "r"},
    "approval.request": {
        "approval": "a9", "question": "q", "options": ["a", "b"], "of": ["ada"], "within": 90.5, "default": "a",
        "answer_schema": {"type": "object", "properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": {"enum": [1]}}},
        "audience": ["agents"], "own_words": True,
    },
    "approval.answer": {"approval": "a1", "option": "yes", "words": "w", "value": {"a": 1}, "comment": "c"},
    "approval.withdraw": {"approval": "a1", "reason": "r"},
    "approval.configure": {"self_answer": True, "default_after": 5},
    "floor.move": {"speakers": ["ada"]},
    "custom.record": {"type": "x.note", "data": {"a": 1}, "about": "b", "audience": ["users"]},
    "stream.create": {
        "content_type": "text/plain", "ttl": 60, "content": {"text": "t"}, "closed": False, "audience": ["users"],
    },
    "stream.append": {
        "content": {"text": "t"}, "content_type": "text/plain", "seq": "1", "closed": False,
        "producer": {"id": "p", "epoch": 0, "seq": 0},
    },
    "stream.close": {"producer": {"id": "p", "epoch": 0, "seq": 0}},
    "stream.delete": {},
}  # fmt: skip


def begun() -> Rehearsal:
    """A session in which every example command would be accepted, or nearly."""
    session = Rehearsal(opened=False)
    session.do("ada", "stream.create", content_type="text/plain")
    session.do("ada", "message.start", message="m1")
    session.do("ada", "tool.call", call="t1", tool="search")
    session.do("ada", "presence.join")
    for task in ("t1", "t2"):
        session.do("ada", "task.create", task=task, title="t")
    session.do("ada", "task.claim", task="t1")
    session.do("ada", "signal.raise", signal="s1", kind="pause", target="agent:ada")
    session.do("ada", "signal.raise", signal="s2", kind="steer", target="agent:ada")
    session.do(
        "ada",
        "approval.request",
        approval="a1",
        question="q",
        of=["ada"],
        options=["yes"],
        answer_schema={},
        own_words=True,
    )
    session.do("ada", "approval.request", approval="a2", question="q", of=["ada"], questions=SEVERAL)
    return session


def refused(act: Callable[[], object]) -> Refused | None:
    """The refusal that an act meets, if it meets one; it can be told to the sender. Any other error is one of ours."""
    try:
        act()
    except Refused as refusal:
        orjson.dumps(refusal.problem())
        return refusal
    return None


def spoilt(valid: dict[str, Any], draw: Any) -> dict[str, Any]:
    """A copy in which something, somewhere, is missing, replaced or added."""
    data = copy.deepcopy(valid)
    here: Any = data
    if not here:
        return {draw(st.text(max_size=3)): draw(any_json)}
    while True:
        key = draw(st.sampled_from(list(here) if isinstance(here, dict) else range(len(here))))
        if not isinstance(here[key], dict | list) or not here[key] or draw(st.booleans()):
            break
        here = here[key]
    match draw(st.sampled_from(["replace", "replace", "remove", "add"])):
        case "replace":
            here[key] = draw(any_json)
        case "remove":
            del here[key]
        case "add" if isinstance(here, dict):
            here[draw(st.text(max_size=3))] = draw(any_json)
        case _:
            here.append(draw(any_json))
    return data


def test_there_is_an_example_of_every_command() -> None:
    assert EXAMPLES.keys() == COMMANDS.keys()
    for do, data in [*EXAMPLES.items(), *MORE]:
        assert parse_command(do, data).do == do


@given(any_json | st.sampled_from(list(COMMANDS)), any_json)
@settings(max_examples=200)
def test_any_json_is_a_command_or_is_refused(do: Any, data: Any) -> None:
    refusal = refused(lambda: parse_command(do, data))
    if refusal is not None:
        assert isinstance(refusal, Invalid)
        assert len(refusal.detail) < 2_000


@given(st.data(), st.sampled_from([*EXAMPLES.items(), *MORE]))
@settings(max_examples=600)
def test_a_spoilt_command_is_carried_out_or_refused(data: Any, valid: tuple[str, dict[str, Any]]) -> None:
    session = begun()
    before = len(session.events)
    do, example = valid
    refused(lambda: session.do("ada", do, spoilt(example, data.draw)))
    for event, stored in zip(session.events[before:], session.stored[before:], strict=True):
        wire = {"position": event.position, "session": event.session, "version": event.version, **orjson.loads(stored)}
        assert envelope.validate(wire) == event


@pytest.mark.parametrize("do", [None, 1, [], "", "session", "SESSION.OPEN", "\ud800"])
def test_a_command_has_a_name_that_is_known(do: object) -> None:
    with pytest.raises(UnknownCommand, match=r"session\.open"):
        parse_command(do, {})


@pytest.mark.parametrize("data", [None, [], "text", 1, {"unknown": 1}, {1: 2}, {"title": b"bytes"}, object()])
def test_a_payload_is_an_object_of_known_members(data: object) -> None:
    with pytest.raises(Invalid):
        parse_command("session.open", data)


@pytest.mark.parametrize("depth", [MAX_DEPTH, 200, 300, 5_000])
def test_what_is_nested_too_deeply_is_refused_as_such(depth: int) -> None:
    deep: Any = 0
    for number in range(depth):
        deep = [deep] if number % 2 else {"a": deep}
    with pytest.raises(TooDeep):
        parse_command("tool.call", {"call": "t1", "tool": "search", "arguments": deep})


def test_what_is_wide_is_not_taken_for_deep() -> None:
    parse_command("tool.call", {"call": "t1", "tool": "search", "arguments": [[]] * 1_000})


def test_a_refusal_says_what_is_wrong_without_saying_it_all_again() -> None:
    data = {"x" * 500: 1, "\nforged": 2, "title": 3, "labels": 4}
    with pytest.raises(Invalid) as refused:
        parse_command("session.open", data)
    detail = refused.value.detail
    assert detail.startswith("session.open: title: should be text; labels: ")
    assert detail.endswith("(and 1 more); known are title, labels, metadata.")
    assert len(detail) < 300
    assert "\n" not in detail


WIRE = {
    "position": 7,
    "session": "trip-7",
    "version": 3,
    "id": "e-3",
    "type": "message.posted",
    "time": "2026-01-01T00:00:03.000000Z",
    "actor": "hotels",
    "task": "t-1",
    "cause": "c-1",
    "audience": ["users"],
    "data": {"message": "m1", "parts": [{"kind": "text", "text": "Tivoli."}], "kind": "message"},
}


@given(any_json)
def test_any_json_is_an_event_or_is_refused(wire: Any) -> None:
    with pytest.raises(StenogramError):
        envelope.validate(wire)


@given(st.data())
@settings(max_examples=400)
def test_a_spoilt_event_is_read_or_refused(data: Any) -> None:
    wire = spoilt(WIRE, data.draw)
    try:
        event = envelope.validate(wire)
    except Invalid:
        return
    assert isinstance(event.position, int)
    assert isinstance(event.version, int)
    assert event.time.utcoffset() == timedelta(0)
    assert event.time > datetime(1, 1, 1, tzinfo=UTC)
