"""Events in words, and that nothing an agent says reaches a terminal as a command to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stenogram.cli.text.console import one_line, printable
from stenogram.cli.text.event_words import _SAYINGS, in_words
from stenogram.cli.text.short_forms import compact, short
from stenogram.domain.catalogue import BUILT_IN
from stenogram.domain.envelope import parse

Jsonl = Callable[[str], bytes]


def test_each_event_says_what_happened(jsonl: Jsonl) -> None:
    said = {event.version: in_words(event) for event in map(parse, jsonl("trip-7").splitlines())}
    assert said == {
        1: "Lisbon in May",
        2: "user · Maya",
        3: "agent",
        4: "A hotel, please.",
        5: "working · looks around",
        6: 't1 search({city: "Lisbon"})',
        7: "t1 → {found: 3}",
        8: "m2",
        9: "m2 #0 Casa Azul,",
        10: "m2 #1  780 €.",
        11: "Casa Azul, 780 €.",
        12: '{hotel: {name: "Casa Azul", price: 780}}',
        13: "/spent +780 = 780",
        14: "to agents: Psst.",
        15: '/hotel/name = "Memmo"',
        16: "{sun: true}",
        17: "done",
    }


def test_json_is_shown_without_noise() -> None:
    assert compact({"a": [1, None, "x"], "b": {}}) == '{a: [1, null, "x"], b: {}}'


def test_only_uuids_are_shortened() -> None:
    assert short("0192f0c1-7a11-7000-8000-0000deadbeef") == "adbeef"
    assert short("a-name-that-somebody-chose-for-the-call") == "a-name-that-somebody-chose-for-the-call"


def test_escape_sequences_are_made_visible() -> None:
    assert printable("\x1b[2J\x07ok\tline\nnext\x9b1m") == "␛[2J␇ok\tline\nnext�1m"
    assert one_line("a\nb\tc\r") == "a⏎b c␍"


@given(st.text(max_size=200), st.integers(1, 50))
def test_one_line_is_one_line_and_no_longer_than_asked(text: str, most: int) -> None:
    line = one_line(text, most)
    assert len(line) <= most
    assert not any(ord(sign) < 32 or 0x7F <= ord(sign) < 0xA0 for sign in line)


def test_what_happens_in_a_team_has_words_of_its_own() -> None:
    """No event of the team's is left to be shown as the JSON that it is."""
    families = ("task", "signal", "approval", "floor", "presence")
    team = {model for name, model in BUILT_IN.items() if name.partition(".")[0] in families}
    assert team - set(_SAYINGS) == set()


def test_a_signal_says_what_it_is_aimed_at() -> None:
    wire = {"signal": "s1", "kind": "reroute", "target": "task:hotels", "to": "rooms", "body": {"city": "Lisbon"}}
    assert said("signal.raised", wire) == 's1 reroute task hotels · to rooms · {city: "Lisbon"}'
    assert said("task.released", {"task": "hotels", "attempt": 1, "why": "lost"}) == "hotels #1 · lost"
    assert said("approval.answered", {"approval": "a1", "option": "book", "comment": "Yes!"}) == "a1 → book · Yes!"
    assert said("approval.answered", {"approval": "a1", "value": {"nights": 3}}) == "a1 → {nights: 3}"
    assert said("approval.answered", {"approval": "a1", "words": "By the sea."}) == "a1 → By the sea."
    several = {"hotel": {"options": ["Ritz"], "words": "With a view."}, "extras": {"options": ["a", "b"]}}
    assert said("approval.answered", {"approval": "a1", "answers": several}) == (
        "a1 → hotel: Ritz · With a view. · extras: a + b"
    )
    asked = {"approval": "a1", "question": "The trip", "questions": [{"name": "go", "question": "Go?"}]}
    assert said("approval.requested", asked) == "a1 The trip · Go?"
    assert said("signal.withdrawn", {"signal": "s1", "reason": "Never mind."}) == "s1 · Never mind."
    again = {"task": "t1", "why": "rerouted", "needs": ["t2"]}
    assert said("task.released", again) == "t1 · rerouted · needs t2"
    assert said("floor.moved", {}) == "to all"
    withheld = {"of": "presence.status", "about": "presence:hotels", "said": {"activity": "Looking"}}
    assert said("floor.withheld", withheld) == 'presence.status {activity: "Looking"}'
    assert "after 5 s" in said("approval.configured", {"self_answer": True, "default_after": 5})


def test_a_tool_says_what_it_put_out_and_how_it_ended() -> None:
    assert said("tool.output", {"call": "c1", "index": 3, "text": "one\n"}) == "c1 #3 one⏎"
    assert said("tool.returned", {"call": "c1", "output": "one\ntwo\n\n"}) == "c1 two"
    assert said("tool.returned", {"call": "c1", "result": [1], "error": "Half of it."}) == "c1 ✕ Half of it. · → [1]"
    assert said("tool.returned", {"call": "c1"}) == "c1 → null"


def said(type: str, data: Any) -> str:
    """An event of a type in words."""
    envelope = {"position": 1, "session": "s", "version": 1, "id": "e", "time": "2026-01-31T12:00:00Z", "actor": "ann"}
    return in_words(parse({**envelope, "type": type, "data": data}))


def test_a_stream_says_what_was_appended() -> None:
    assert said("stream.created", {"content_type": "text/plain"}) == "text/plain"
    assert said("stream.appended", {"text": "one\n"}) == "one⏎"
    assert said("stream.appended", {"messages": [{"a": 1}, "b"]}) == '{a: 1} "b"'
    assert said("stream.appended", {"base64": "AAAA"}) == "3 bytes"
