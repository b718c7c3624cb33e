"""`stenogram import claude-code`: a whole project, without loss, out and in again, and what cannot be read."""

from __future__ import annotations

import asyncio
import random
import re
import shutil
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from support.claude_code_project import NAME, PROJECT, SESSION

from stenogram.adapters.recordings.claude_code import Transcript, find_sessions, read
from stenogram.domain.concepts.lifecycle import ForkSession
from stenogram.domain.envelope import parse
from stenogram.domain.model import Actor, Command, Event
from stenogram.log.log import Log
from stenogram.log.sqlite.engine import SqliteEngine
from stenogram.projections import fold
from stenogram.projections.views import timeline, transcript

Run = Callable[..., Any]
MAIN = PROJECT / f"{NAME}.jsonl"
SHOWN_BY_TYPE = ("type", "role", "isSidechain", "isUpdate", "operation", "isSnapshotUpdate")
"""Members that say what an entry is, and so what it becomes."""


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """The project's session."""
    ((_, files),) = find_sessions([PROJECT])
    return [parse(line) for line in Transcript(SESSION).lines(read(files))]


def without_positions(lines: str) -> str:
    return re.sub(r'^\{"position":\d+,', "{", lines, flags=re.MULTILINE)


def leaves(value: Any, name: str = "") -> Iterator[str]:
    """All that is said somewhere in a value."""
    if isinstance(value, dict):
        for inner, each in value.items():
            yield from leaves(each, inner)
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each, name)
    elif value is not None and value is not False and name not in SHOWN_BY_TYPE:
        yield str(value)


def test_nothing_of_any_entry_is_lost(events: list[Event]) -> None:
    said = {leaf for event in events for leaf in leaves(orjson.loads(event.data.json_bytes()))}
    said |= {event.time.isoformat(timespec="milliseconds").replace("+00:00", "Z") for event in events}
    said |= {event.actor.removeprefix("agent-") for event in events}
    lines = [(file.name, line) for file in PROJECT.rglob("*.jsonl") for line in file.read_bytes().splitlines()]
    assert len(lines) == 47
    for name, line in lines:
        missing = {leaf for leaf in leaves(orjson.loads(line)) if not any(leaf in each for each in said)}
        assert not missing, f"{name}: {line!r}"


def test_times_are_those_of_the_entries(events: list[Event]) -> None:
    written = {entry["timestamp"] for entry in read(find_sessions([PROJECT])[0].files) if "timestamp" in entry}
    times = [event.time.isoformat(timespec="milliseconds").replace("+00:00", "Z") for event in events]
    assert {*times} <= written
    assert times == sorted(times)
    (prompt,) = [event for event in events if event.data.subject() == "message:m-u7"]
    assert prompt.time.isoformat() == "2026-07-01T09:01:24.836000+00:00"


def test_sub_agents_of_every_kind_take_part_and_leave_when_they_return(events: list[Event]) -> None:
    told = [(event.type, event.actor) for event in events if event.type in ("presence.joined", "presence.left")]
    agents = ["agent-a51f0c2", "agent-b77e9d4", "agent-o-u1"]
    assert sorted(actor for type, actor in told if type == "presence.joined") == [*agents, "claude", "person"]
    left = [
        event.actor for event in events if event.type == "presence.left" and event.data.json_bytes().count(b"retur")
    ]
    assert left == ["agent-b77e9d4", "agent-a51f0c2"]
    (about,) = [each.data for each in events if each.type == "presence.joined" and each.actor == agents[0]]
    assert getattr(about, "about", None) == {
        "agent": "a51f0c2",
        "agentType": "Explore",
        "description": "Look at the session",
    }
    spans = fold(timeline, events).values()
    assert {*agents} <= {span.actor for span in spans}


def test_an_interrupt_is_a_signal_that_ends_what_was_said(events: list[Event]) -> None:
    rows = {row.entry: row for row in fold(transcript, events).values()}
    stops = [event for event in events if event.type == "signal.raised" and b'"cancel"' in event.data.json_bytes()]
    assert [(stop.actor, getattr(stop.data, "target", None)) for stop in stops] == [("person", "agent:claude")] * 2
    honoured = [event.data.subject() for event in events if event.type == "signal.honoured"]
    assert {stop.data.subject() for stop in stops} <= {*honoured}
    assert [rows[f"message:msg_0{number}"].status for number in (3, 4, 5)] == ["aborted", "aborted", "completed"]
    assert (rows["message:msg_04"].usage or {})["output_tokens"] == 4


def test_the_turn_is_over_when_its_last_entry_was_written(events: list[Event]) -> None:
    (done,) = [
        event for event in events if (event.type, event.data.subject()) == ("message.completed", "message:msg_01")
    ]
    asked = next(event for event in events if event.data.subject() == "message:msg_02")
    assert done.time <= asked.time


def test_import_export_import_is_a_fixed_point(run: Run) -> None:
    imported = run("import", "claude-code", PROJECT, "--log", "a.db")
    assert imported.code == 0, imported.err
    assert imported.err == f"stenogram: {NAME}: 47 lines of 3 files; 1 said twice\n"
    first = run("export", "--all", "--log", "a.db").out
    assert run("import", "-", "--log", "b.db", stdin=first.encode()).code == 0
    assert run("export", "--all", "--log", "b.db").out == first
    again = run("import", "claude-code", PROJECT, "--log", "b.db")
    assert again.out.startswith("Nothing new"), again.err
    labels = orjson.loads(first.splitlines()[0])["data"]["labels"]
    assert labels == {"source": "claude-code"}, "the rules would have written all of it"


def test_a_fork_of_it_goes_out_and_in_as_it_is(run: Run, tmp_path: Path) -> None:
    assert run("import", "claude-code", PROJECT, "--log", "a.db").code == 0

    async def fork() -> None:
        fork = ForkSession(origin=SESSION, at=40)
        async with Log(SqliteEngine(tmp_path / "a.db")) as log:
            await log.submit(Command("c-1", "fork", Actor("ada", "user"), datetime.now(UTC), fork))

    asyncio.run(fork())
    first = run("export", "--all", "--log", "a.db").out
    assert run("import", "-", "--log", "b.db", stdin=first.encode()).code == 0
    assert run("export", "--all", "--log", "b.db").out == first
    assert run("import", "claude-code", PROJECT, "--log", "b.db").out.startswith("Nothing new")
    assert run("export", "fork", "--log", "b.db").out == run("export", "fork", "--log", "a.db").out


def test_a_file_finds_its_sub_agents_and_a_name_can_be_chosen(run: Run) -> None:
    assert run("import", "claude-code", MAIN, "--session", "cart").code == 0
    told = run("export", "cart").out
    assert '"agent-a51f0c2"' in told
    assert '"agent-b77e9d4"' in told


def test_a_session_in_a_folder_with_others_is_its_own(run: Run, tmp_path: Path) -> None:
    shutil.copytree(PROJECT, tmp_path / "all" / "one")
    shutil.copy(Path(__file__).parents[3] / "data" / "claude_code.jsonl", tmp_path / "all" / "5555.jsonl")
    refused = run("import", "claude-code", tmp_path / "all", "--session", "x")
    assert "--session names one session, and there are 2" in refused.err
    assert run("import", "claude-code", tmp_path / "all").code == 0
    assert {line.split()[0] for line in run("sessions").out.splitlines()} >= {SESSION, "claude-5555"}


@pytest.mark.parametrize("bad", [b"{broken\n", b"[1]\n", b"\xff\xfe\n"])
def test_a_bad_line_is_named_and_nothing_is_imported(run: Run, tmp_path: Path, bad: bytes) -> None:
    lines = MAIN.read_bytes().splitlines(keepends=True)
    (tmp_path / "bad.jsonl").write_bytes(b"".join([*lines[:7], bad, *lines[7:]]))
    refused = run("import", "claude-code", "bad.jsonl")
    assert refused.code == 1
    assert "bad.jsonl, line 8: this is no entry of a transcript" in refused.err
    assert not (tmp_path / "stenogram.db").exists()
    assert run("import", "claude-code", "bad.jsonl", "--as-recorded").code == 0
    assert run("export", "claude-bad").out.count("x.claude_code.unreadable") == 1


def test_a_last_line_that_is_being_written_is_kept(run: Run, tmp_path: Path) -> None:
    (tmp_path / "cut.jsonl").write_bytes(MAIN.read_bytes()[:-20])
    assert run("import", "claude-code", "cut.jsonl").code == 0
    assert run("export", "claude-cut").out.count("x.claude_code.unreadable") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["claude-code"], "Name the files or folders"),
        (["claude-code", "nowhere"], "nowhere: there is no such file or folder"),
        (["claude-code", "."], "there is no transcript (*.jsonl) in this folder"),
    ],
)
def test_what_is_not_there_is_said(run: Run, arguments: list[str], says: str) -> None:
    refused = run("import", *arguments)
    assert refused.code != 0
    assert says in refused.err


def entry(number: int, **more: Any) -> dict[str, Any]:
    minute, second = divmod(number, 60)
    at = f"2026-07-01T09:{minute % 60:02}:{second:02}.000Z"
    return {"type": "user", "uuid": f"u{number}", "timestamp": at, "cwd": "/", "sessionId": "s", **more}


def said(*blocks: dict[str, Any], id: str = "m") -> dict[str, Any]:
    return {"type": "assistant", "message": {"id": id, "role": "assistant", "content": [*blocks]}}


def converted(*entries: dict[str, Any]) -> list[Event]:
    return [parse(line) for line in Transcript("s").lines(entries)]


def test_a_question_that_nobody_answered_is_withdrawn() -> None:
    asks = {"type": "tool_use", "id": "q", "name": "AskUserQuestion", "input": {"questions": [{"question": "Now?"}]}}
    result = {"type": "tool_result", "tool_use_id": "q", "content": "No answer.", "is_error": True}
    found = converted(entry(1, **said(asks)), entry(2, message={"content": [result]}, toolUseResult="Rejected"))
    assert [event.type for event in found if event.type.startswith("approval.")] == [
        "approval.requested",
        "approval.withdrawn",
    ]


def test_a_result_between_the_pieces_of_an_answer_does_not_part_it() -> None:
    calls: list[dict[str, Any]] = [{"type": "tool_use", "id": id, "name": "Read"} for id in ("c1", "c2")]
    results = [{"type": "tool_result", "tool_use_id": id, "content": "!"} for id in ("c1", "c2")]
    found = converted(
        entry(1, **said(calls[0])),
        entry(2, message={"content": [results[0]]}),
        entry(3, **said(calls[1])),
        entry(4, message={"content": [results[1]]}),
    )
    kinds = [event.type for event in found if event.type.startswith(("message.", "tool.", "x."))]
    assert kinds == ["message.started", *["tool.called", "tool.returned"] * 2, "message.completed"]


def test_a_note_says_which_sub_agent_it_is_of() -> None:
    found = converted(entry(1, message={"content": "Hi."}), entry(2, type="system", subtype="slow", agentId="a7"))
    (note,) = [event for event in found if event.type == "message.completed"]
    assert b'"agentId":"a7"' in note.data.json_bytes()


INTERRUPT = {"message": {"role": "user", "content": "[Request interrupted by user for tool use]"}}
OUTPUT = {"type": "progress", "parentToolUseID": "c", "data": {"type": "bash_progress", "output": "half"}}


@pytest.mark.parametrize("ends", [[], [entry(9, **INTERRUPT)]], ids=["breaks off", "interrupted"])
def test_what_an_end_cuts_short_is_kept(ends: list[dict[str, Any]]) -> None:
    """Notes and output that nothing takes along any more."""
    call = said({"type": "tool_use", "id": "c", "name": "Bash", "input": {}})
    late = {"message": {"content": [{"type": "tool_result", "tool_use_id": "c", "content": "Too late."}]}}
    started = [entry(1, **call), entry(2, type="system", subtype="slow"), entry(3, **OUTPUT)]
    told = b"".join(Transcript("s").lines([*started, *ends, *([entry(10, **late)] if ends else [])]))
    assert all(b'"uuid":"%s"' % each["uuid"].encode() in told for each in [*started, *ends])
    assert (b"Too late." in told) == bool(ends)


@pytest.mark.parametrize("seed", range(12))
def test_no_entry_is_lost_however_odd_it_is(seed: int) -> None:
    random_ = random.Random(seed)
    entries = [odd(random_, each) for each in read(find_sessions([PROJECT])[0].files)]
    random_.shuffle(entries)
    told = b"".join(Transcript("s").lines(entries))
    ids = [each["uuid"] for each in entries if isinstance(each.get("uuid"), str)]
    assert [id for id in ids if orjson.dumps(id) not in told] == []


def odd(random_: random.Random, value: Any, name: str = "") -> Any:
    """The value, with a little of it left out or replaced."""
    if name and name != "uuid" and random_.random() < 0.04:
        return random_.choice([None, 3, "", [], {}, "x", [1], {"type": "text"}, True])
    if isinstance(value, dict):
        return {each: odd(random_, inner, each) for each, inner in value.items() if random_.random() > 0.02}
    return [odd(random_, each, name) for each in value] if isinstance(value, list) else value


def test_a_repeat_that_says_something_else_is_kept_whole() -> None:
    first = entry(1, agentId="a", **said({"type": "text", "text": "One."}))
    found = converted(first, {**first, **said({"type": "text", "text": "Two."})})
    (repeat,) = [event for event in found if event.type == "x.claude_code.repeat"]
    assert b"Two." in repeat.data.json_bytes()


@pytest.mark.parametrize(
    "odd",
    [
        {"message": None},
        {"message": {"content": []}},
        {"message": {"content": [{"type": "tool_result"}]}},
        {"type": "assistant", "message": {"id": "m", "content": [{"type": "tool_use"}]}},
        {"type": "assistant", "message": {"id": "m", "content": 7, "usage": None}},
        {"type": "progress", "data": {"type": "agent_progress", "message": {"message": 3}}},
        {"type": "queue-operation", "operation": "dequeue"},
        {"type": "queue-operation", "operation": "enqueue", "content": None},
        {"type": "", "timestamp": "yesterday"},
        {"type": "9 lives / é"},
        {"type": ["list"], "timestamp": 5},
        {"type": "summary"},
        {"message": {"content": "x" * 1_100_000}},
    ],
)
def test_what_makes_no_sense_is_kept_as_it_is(odd: dict[str, Any]) -> None:
    lines = list(Transcript("s").lines([entry(1, message={"content": "Hello."}), entry(2, **odd)]))
    assert any(b'"x.claude_code.' in line or b'"uuid":"u2"' in line for line in lines)


def test_a_large_entry_is_kept_in_pieces() -> None:
    large = entry(2, type="tape", value="é" * 2_500_000)
    found = [parse(line) for line in Transcript("s").lines([entry(1, message={"content": "Hi."}), large])]
    pieces = [event.data.value for event in found if event.type == "x.claude_code.piece"]  # type: ignore[attr-defined]
    assert [(piece["piece"], piece["of"]) for piece in pieces] == [(1, 3), (2, 3), (3, 3)]
    assert orjson.loads("".join(piece["json"] for piece in pieces)) == large


def test_a_long_transcript_is_read_as_it_is_converted(tmp_path: Path) -> None:
    """What is in memory does not grow with what entries hold."""
    file = tmp_path / "long.jsonl"
    with file.open("wb") as lines:
        for number in range(400):
            lines.write(orjson.dumps(entry(number, message={"content": "x" * 50_000})) + b"\n")
    tracemalloc.start()
    try:
        assert sum(1 for _ in Transcript("s").lines(read([file]))) > 400
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000 < file.stat().st_size
