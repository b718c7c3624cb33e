"""Importing: whole or not at all, once however often, and out again byte for byte."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from stenogram.log.log import Log
from stenogram.log.sqlite.engine import SqliteEngine

Run = Callable[..., Any]
Jsonl = Callable[[str], bytes]
TO_JSONL = Path(__file__).parents[3] / "examples" / "recordings" / "to_jsonl.py"


def without_positions(lines: str) -> str:
    return re.sub(r'^\{"position":\d+,', "{", lines, flags=re.MULTILINE)


def without_ids(lines: str) -> str:
    return re.sub(r'"id":"[^"]*"', '"id":""', without_positions(lines))


def test_what_is_exported_was_imported(run: Run, jsonl: Jsonl) -> None:
    both = b"".join(
        line for pair in zip(jsonl("a").splitlines(True), jsonl("b").splitlines(True), strict=True) for line in pair
    )
    assert run("import", "-", stdin=both).out == "Imported 34 events of 2 sessions.\n"
    assert without_positions(run("export", "--all").out) == without_positions(both.decode())
    assert without_positions(run("export", "b").out) == without_positions(jsonl("b").decode())


def test_importing_again_changes_nothing(run: Run, log: Path, jsonl: Jsonl) -> None:
    before = run("export", "--all", "--log", log).out
    again = run("import", "-", "--log", log, stdin=jsonl("trip-7"))
    assert (again.code, again.out) == (0, "Nothing new: all 17 events of 1 session are in the log already.\n")
    assert run("export", "--all", "--log", log).out == before


def test_programs_are_told_of_each_session(run: Run, jsonl: Jsonl) -> None:
    lines = jsonl("trip-7").splitlines(keepends=True)
    run("import", "-", "--json", stdin=b"".join(lines[:9]))
    lines[12] = lines[12].replace(b'"value":780', b'"value":870')
    said = run("import", "-", "--json", "--as-recorded", stdin=b"".join(lines) + jsonl("a"))
    wrong = "version 13: state.incremented makes 870 of 0 by adding 780"
    first, second = map(orjson.loads, said.out.splitlines())
    deviations = first.pop("deviations")
    assert [each[: len(wrong)] for each in deviations] == [wrong]
    assert first == {"session": "trip-7", "imported": 8, "known": 9}
    assert second == {"session": "a", "imported": 17, "known": 0, "deviations": []}
    assert said.err == ""


def test_importing_nothing_is_refused(run: Run, log: Path, tmp_path: Path) -> None:
    """Such as the output of an export that failed."""
    assert run("import", "-", "--log", log, stdin=b"\n").err == (
        "stenogram: There is nothing to import: not one event was read.\n"
    )
    assert run("import", "-").code == 1
    assert not (tmp_path / "stenogram.db").exists()


def test_an_import_goes_on_where_the_log_stands(run: Run, jsonl: Jsonl) -> None:
    lines = jsonl("trip-7").splitlines(keepends=True)
    run("import", "-", stdin=b"".join(lines[:9]))
    assert run("import", "-", stdin=b"".join(lines[5:])).out == (
        "Imported 8 events of 1 session; 4 were there already.\n"
    )
    assert run("export", "trip-7").out.encode() == jsonl("trip-7")


@pytest.mark.parametrize(
    ("number", "change", "to", "says"),
    [
        (12, b'"type"', b'"tipe"', "line 12: This is no event"),
        (12, b'"version":12', b'"version":13', "line 12: version 13 .* comes after version 11"),
        (9, b'"message":"m2"', b'"message":"m9"', "line 9: message.delta does not follow"),
        (1, b'"session.opened"', b'"x.opened"', "line 1: a session begins with session.opened"),
        (1, b'"version":1,', b'"version":3,', "line 1: begins at version 3"),
    ],
)
def test_one_bad_line_and_nothing_is_imported(
    run: Run, jsonl: Jsonl, tmp_path: Path, number: int, change: bytes, to: bytes, says: str
) -> None:
    lines = jsonl("trip-7").splitlines(keepends=True)
    lines[number - 1] = lines[number - 1].replace(change, to)
    (tmp_path / "bad.jsonl").write_bytes(b"".join(lines))
    refused = run("import", "bad.jsonl")
    assert refused.code == 1
    assert re.match(f"stenogram: bad.jsonl, {says}", refused.err), refused.err
    assert not (tmp_path / "stenogram.db").exists(), "no log is made for what cannot be imported"


def test_a_good_file_is_not_imported_beside_a_bad_one(run: Run, log: Path, jsonl: Jsonl, tmp_path: Path) -> None:
    (tmp_path / "good.jsonl").write_bytes(jsonl("good"))
    (tmp_path / "bad.jsonl").write_bytes(b"{}\n")
    assert run("import", "good.jsonl", "bad.jsonl", "--log", log).code == 1
    assert "good" not in run("sessions", "--log", log).out


@pytest.mark.parametrize("change", [(b'"trip-7-e12"', b'"another"'), (b"Casa Azul", b"Casa Rosa")])
def test_a_different_event_at_a_taken_place_is_a_conflict(
    run: Run, log: Path, jsonl: Jsonl, change: tuple[bytes, bytes]
) -> None:
    lines = jsonl("trip-7").splitlines(keepends=True)
    lines[11] = lines[11].replace(*change)
    refused = run("import", "-", "--log", log, stdin=b"".join(lines))
    assert refused.code == 1
    assert "line 12: the log has another event as version 12" in refused.err


def test_a_session_can_be_imported_under_another_id(run: Run, log: Path, jsonl: Jsonl) -> None:
    assert run("import", "-", "--session", "copy", "--log", log, stdin=jsonl("trip-7")).code == 0
    copy = run("export", "copy", "--log", log).out.replace('"session":"copy"', '"session":"trip-7"')
    assert without_ids(copy) == without_ids(jsonl("trip-7").decode())
    ids = [orjson.loads(line)["id"] for line in run("export", "--all", "--log", log).out.splitlines()]
    assert len(set(ids)) == len(ids) == 34, "no two events have one id"
    again = run("import", "-", "--session", "copy", "--log", log, stdin=jsonl("trip-7"))
    assert again.out == "Nothing new: all 17 events of 1 session are in the log already.\n"
    mixed = jsonl("a").splitlines(True)[0] + jsonl("b").splitlines(True)[0]
    assert "--session names one session" in run("import", "-", "--session", "c", "--log", log, stdin=mixed).err


def test_a_cause_that_is_an_event_is_that_event_under_another_id(run: Run, log: Path, jsonl: Jsonl) -> None:
    lines = jsonl("trip-7").replace(
        b'"actor":"maya","data":{"keys"', b'"actor":"maya","cause":"trip-7-e13","data":{"keys"'
    )
    assert run("import", "-", "--session", "copy", "--log", "other.db", stdin=lines).code == 0
    events = [orjson.loads(line) for line in run("export", "copy", "--log", "other.db").out.splitlines()]
    assert (events[0]["cause"], events[14]["cause"]) == ("c1", events[12]["id"])


# What the rules would not have written, by a line of the small session and what it is changed to.
DEVIATIONS = [
    (11, b"Casa Azul, 780", b"Casa Rosa, 310", "message.completed has another text than the deltas of message 'm2'"),
    (10, b'"index":1', b'"index":4', "message.delta has index 4, and delta 1 of message 'm2' is next"),
    (11, b'"actor":"hotels"', b'"actor":"rooms"', "message.completed is rooms's, and message 'm2' is hotels's"),
    (13, b'"value":780', b'"value":870', "state.incremented makes 870 of 0 by adding 780"),
    (12, b'"trip-7-e12"', b'"trip-7-e5"', "another event has the id 'trip-7-e5'"),
    (9, b"2026-01-31T09:30", b"2026-01-31T09:29", "message.delta is earlier than the event before it"),
]


@pytest.mark.parametrize(("number", "change", "to", "says"), DEVIATIONS)
def test_what_the_rules_would_not_have_written_is_refused_or_taken_as_it_was_recorded(
    run: Run, jsonl: Jsonl, tmp_path: Path, number: int, change: bytes, to: bytes, says: str
) -> None:
    lines = jsonl("trip-7").splitlines(keepends=True)
    lines[number - 1] = lines[number - 1].replace(change, to)
    (tmp_path / "odd.jsonl").write_bytes(b"".join(lines))
    refused = run("import", "odd.jsonl")
    assert refused.code == 1
    assert refused.err.startswith(f"stenogram: odd.jsonl, line {number}: {says}")
    assert "--as-recorded" in refused.err
    assert not (tmp_path / "stenogram.db").exists()
    taken = run("import", "odd.jsonl", "--as-recorded")
    assert (taken.code, taken.out) == (0, "Imported 17 events of 1 session.\n")
    assert f"trip-7, version {number}: {says}" in taken.err
    kept = run("export", "trip-7").out.encode().splitlines(keepends=True)
    assert kept[:-1] == lines
    label = orjson.loads(run("show", "trip-7", "--json").out)["labels"]["as-recorded"]
    assert re.match(r"[12] events?, the first is version \d+: ", label)
    assert run("import", "odd.jsonl").out.startswith("Nothing new"), "what the log has is not judged again"
    again = run("import", "-", "--as-recorded", "--log", "b.db", stdin=b"".join(kept))
    assert again.code == 0, again.err
    assert run("export", "trip-7", "--log", "b.db").out.encode() == b"".join(kept), "it says so once"


def test_an_id_of_another_session_is_refused(run: Run, jsonl: Jsonl) -> None:
    both = jsonl("a") + jsonl("b").replace(b'"b-e3"', b'"a-e9"')
    assert run("import", "-", stdin=both).err.startswith("stenogram: -, line 20: another event has the id 'a-e9'")


async def test_a_repeated_command_finds_its_first_result_after_an_import(
    run: Run, jsonl: Jsonl, tmp_path: Path
) -> None:
    import asyncio

    await asyncio.to_thread(run, "import", "-", "--log", tmp_path / "a.db", stdin=jsonl("trip-7"))
    async with Log(SqliteEngine(tmp_path / "a.db", read_only=True)) as log:
        assert [found.version for found in (await log.engine.read_keys([("trip-7", "c1")])).values()] == [1]


async def test_a_log_that_another_process_writes_is_refused(run: Run, jsonl: Jsonl, tmp_path: Path) -> None:
    import asyncio

    async with Log(SqliteEngine(tmp_path / "held.db")):
        refused = await asyncio.to_thread(run, "import", "-", "--log", tmp_path / "held.db", stdin=jsonl("trip-7"))
    assert refused.code == 1
    assert "writes this log; stop it" in refused.err


def test_a_recording_becomes_a_session_by_way_of_the_example(run: Run, tmp_path: Path) -> None:
    history = [{"role": "human", "content": "Which hotel?\n"}, {"role": "Planner (thought)", "content": ""}]
    (tmp_path / "run 33.json").write_bytes(orjson.dumps({"question": "Which hotel?", "history": history}))
    converted = subprocess.run([sys.executable, TO_JSONL, "run 33.json"], cwd=tmp_path, capture_output=True, check=True)
    assert run("import", "-", stdin=converted.stdout).code == 0
    again = run("import", "-", stdin=converted.stdout)
    assert again.out.startswith("Nothing new"), "ids come from the content"
    shown = orjson.loads(run("show", "recording-run-33", "--json").out)
    assert [each["text"] for each in shown["messages"]] == ["Which hotel?\n", ""]
    assert shown["status"] == "closed"
    assert [each["actor"] for each in shown["messages"]] == ["human", "planner"]


def test_a_gateway_is_no_log_to_import_into(run: Run) -> None:
    refused = run("import", "-", "--log", "http://127.0.0.1:1")
    assert refused.code == 2
    assert "needs the log itself" in refused.err


def test_a_file_that_is_not_there_is_one_line(run: Run) -> None:
    refused = run("import", "nowhere.jsonl")
    assert (refused.code, refused.err) == (1, "stenogram: nowhere.jsonl: No such file or directory.\n")


def test_programs_are_told_what_was_migrated(run: Run, jsonl: Jsonl) -> None:
    run("import", "-", stdin=jsonl("trip-7"))
    done = orjson.loads(run("migrate", "--log", "stenogram.db", "--new-epoch", "--json").out)
    assert done == {"log": "stenogram.db", "schema": done["schema"], "was": done["schema"], "new_epoch": True}
    assert run("migrate", "--log", "stenogram.db").out == f"stenogram.db: schema {done['schema']}, up to date\n"
