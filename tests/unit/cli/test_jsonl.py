"""Lines of JSONL: their bytes are kept, and what is wrong with one is said with its number."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import pytest

from stenogram.cli.importing.jsonl import read_entries
from stenogram.domain.errors import StenogramError
from stenogram.log.records import Record

Jsonl = Callable[[str], bytes]


def wire_of(line: bytes) -> bytes:
    """What the log would send for an imported line."""
    (entry,) = read_entries([line], "a.jsonl")
    event = entry.event
    return Record(event.position, event.session, event.version, "", event.type, entry.stored, None, 0).wire()


def test_every_byte_of_a_line_is_kept(jsonl: Jsonl) -> None:
    lines = jsonl("trip-7").splitlines()
    assert [wire_of(line) for line in lines] == lines


def test_numbers_and_escapes_in_the_payload_are_kept_as_written(jsonl: Jsonl) -> None:
    line = jsonl("trip-7").splitlines()[15].replace(b'{"sun":true}', b'{"sun":1.50, "hot" : 1e2,"\\u00e9":"\\u20ac"}')
    assert wire_of(line) == line


def test_a_line_in_another_order_is_put_in_order(jsonl: Jsonl) -> None:
    line = jsonl("trip-7").splitlines()[13]
    reordered = orjson.dumps(dict(reversed(orjson.loads(line).items())), option=orjson.OPT_INDENT_2).replace(
        b"\n", b" "
    )
    assert wire_of(reordered) == line


def test_a_time_in_another_zone_is_kept_in_utc(jsonl: Jsonl) -> None:
    line = jsonl("trip-7").splitlines()[0]
    elsewhere = line.replace(b"2026-01-31T09:30:00.150000Z", b"2026-01-31T11:30:00.15+02:00")
    assert elsewhere != line
    assert wire_of(elsewhere) == line


@pytest.mark.parametrize(
    ("change", "to", "says"),
    [
        (b'"type":"x.weather"', b'"type":"X"', "type"),
        (b'"version":16', b'"version":0', "version"),
        (b'"version":16', b'"version":"16"', "version"),
        (b'"time":"2026', b'"time":"soon 2026', "time"),
        (b'"time":"', b'"time":17,"was":"', "time"),
        (b'"actor":"hotels"', b'"actor":"ho tels"', "actor"),
        (b'"actor"', b'"mood":"good","actor"', "mood"),
        (b'{"sun":true}', b"[]", "data"),
        (b'{"sun":true}', b'{"sun":' + b"[" * 200 + b"]" * 200 + b"}", "nested|deep"),
        (b"}", b"", "no JSON"),
        (b'"session":"trip-7"', b'"session":"trip-7\xff"', "no JSON"),
    ],
)
def test_a_bad_line_is_refused_with_its_number(jsonl: Jsonl, change: bytes, to: bytes, says: str) -> None:
    lines = jsonl("trip-7").splitlines()
    lines[15] = lines[15].replace(change, to)
    with pytest.raises(StenogramError, match=f"a.jsonl, line 16: .*({says})"):
        list(read_entries(lines, "a.jsonl"))


def test_a_line_is_kept_on_one_line(jsonl: Jsonl) -> None:
    line = jsonl("trip-7").splitlines()[15]
    assert wire_of(line.replace(b'{"sun":true}', b'{"sun":\rtrue}')) == line


def test_members_after_the_payload_do_not_slip_through(jsonl: Jsonl) -> None:
    line = jsonl("trip-7").splitlines()[15]
    twice = line[:-1] + b',"data":{"sun":false}}'
    assert wire_of(twice) == line.replace(b"true", b"false")


def test_blank_lines_are_passed_over(jsonl: Jsonl) -> None:
    spaced = b"\n\r\n" + jsonl("trip-7").replace(b"\n", b"\r\n\n")
    assert len(list(read_entries(spaced.splitlines(keepends=True), "a.jsonl"))) == 17
