"""Events in words, and that nothing an agent says reaches a terminal as a command to it."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from hansard.cli.console import one_line, printable
from hansard.cli.words import compact, in_words, short
from hansard.domain.envelope import parse

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
