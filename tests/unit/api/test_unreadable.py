"""A frame that cannot be read costs no other, and is answered by its id where that can be told."""

import json
import time
from contextlib import suppress
from typing import Any

import orjson
import pytest

from stenogram.api.protocol.client_frames import read_frames_one_by_one as read_frames
from stenogram.api.protocol.unreadable import UnreadableFrame
from stenogram.domain.errors import TooLarge


def frame(id: str, data: Any = 1) -> bytes:
    """A command, as its client writes it."""
    return orjson.dumps({"frame": "command", "id": id, "session": "s", "do": "x", "data": data})


def bad(id: str, data: str) -> bytes:
    """The same with something in the place of its data."""
    return frame(id, "HERE").replace(b'"HERE"', data.encode("utf-8", "surrogateescape"))


def read(*frames: bytes, depth: int = 64) -> list[Any]:
    """What comes of frames in one message: the ids, in brackets where one cannot be read."""
    message = frames[0] if len(frames) == 1 else b" [%s]\n" % b" ,\n".join(frames)
    found = read_frames(message, depth, 256)
    return [[each.about.get("id")] if isinstance(each, UnreadableFrame) else each["id"] for each in found]


BAD = {
    "half of a surrogate pair": r'{"text": "a \ud83d"}',
    "the other half": r'{"text": "\ude00", "id": "inner"}',
    "no number": '{"n": NaN}',
    "no number at all": '{"n": 01, "id": "inner"}',
    "too many digits": '{"n": ' + "9" * 5_000 + ".}",
    "a comma too many": '{"id": "inner", "n": [1, 2, ], "s": "}]"}',
    "a word": "yes",
    "a line break in a text": '{"s": "a\nb \\" } ]"}',
    "bytes that are no UTF-8": '{"s": "\udcff"}',
    "much depth": "[" * 80 + "]" * 80,
    "much more depth": "[" * 2_000 + "]" * 2_000,
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_one_bad_frame_costs_one_frame(data: str) -> None:
    assert read(bad("b", data)) == [["b"]]
    assert read(frame("a"), bad("b", data), frame("c", {"text": "[{\\"}), bad("d", data), frame("e")) == [
        "a",
        ["b"],
        "c",
        ["d"],
        "e",
    ]


def test_what_is_read_beside_a_bad_one_is_what_it_would_be_alone() -> None:
    good = bad("a", '{"n": 1180591620717411303424, "f": 1e15, "s": "é\\u2028😀", "o": {"a": [null, true], "a": 1}}')
    beside = read_frames(b"[%s,%s]" % (good, bad("b", "NaN")), 64, 256)
    assert beside[:1] == read_frames(good, 64, 256)


def test_an_array_counts_as_a_level_as_ever() -> None:
    deep: Any = 1
    for _ in range(62):
        deep = [deep]
    assert read(frame("a", deep)) == ["a"]
    assert read(frame("a", deep), frame("b")) == ["a", "b"]
    assert read(frame("a", [deep]), frame("b")) == [["a"], "b"]


@pytest.mark.parametrize("end", [b"", b"]]", b"] x", b" {}]", b'"', b"\x00"])
def test_what_cannot_be_told_apart_any_more_is_answered_once(end: bytes) -> None:
    found = read_frames(b"[%s,%s%s" % (frame("a"), bad("b", "NaN"), end), 64, 256)
    assert found[0]["id"] == "a"
    assert [each.about.get("id") for each in found[1:]] == ["b", None]


def test_an_id_that_could_not_be_answered_is_not_told() -> None:
    for id in ('"\\ud83d"', '"' + "x" * 129 + '"', "7", '"a\\u0000"'):
        (found,) = read_frames(b'{"frame": "command", "id": %s, "data": NaN}' % id.encode(), 64, 256)
        assert found.about == {}


def test_too_many_frames_are_too_many_whatever_they_are() -> None:
    with pytest.raises(TooLarge):
        read_frames(b"[%s]" % b",".join([bad("b", "NaN")] * 257), 64, 256)


@pytest.mark.parametrize(
    "message",
    [
        b'["' + b'\\"' * 500_000,
        b"[" + b"[]," * 330_000,
        b"[" * 1_000_000,
        b'[{"a":' * 160_000,
        b"[" + b'"a" ' * 250_000,
        b"[" + b'{"a":"' + b"x" * 990_000 + b'" "b"}]',
        b"{" * 1_000_000,
        json.dumps([{"id": "x" * 100, "text": "\ud83d" * 30}] * 2_500).encode(),
    ],
    ids=lambda message: message[:8].decode(),
)
def test_reading_a_bad_message_does_not_take_long(message: bytes) -> None:
    began = time.process_time()
    with suppress(TooLarge):
        read_frames(message, 64, 256)
    assert time.process_time() - began < 0.5
