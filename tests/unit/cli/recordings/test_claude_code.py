"""The example that converts transcripts of Claude Code: which entry becomes which event, and how little is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from stenogram.adapters.recordings.claude_code import Transcript, read
from stenogram.domain.envelope import parse
from stenogram.domain.model import Event
from stenogram.projections import fold
from stenogram.projections.views import transcript, usage
from stenogram.projections.views.transcript import TranscriptRow

FILE = Path(__file__).parents[3] / "data" / "claude_code.jsonl"


def converted(*entries: dict[str, Any]) -> list[Event]:
    return [parse(line) for line in Transcript("app").lines(entries or read([FILE]))]


def took(tokens: int) -> dict[str, Any]:
    """What each entry of the first message says that it took."""
    return {"input_tokens": 100, "output_tokens": tokens, "service_tier": "standard"}


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """The transcript's."""
    return converted()


@pytest.fixture(scope="module")
def rows(events: list[Event]) -> dict[str, TranscriptRow]:
    """The entries of its transcript, by what they are about."""
    return {row.entry: row for row in fold(transcript, events).values()}


def test_nothing_but_a_kind_that_nobody_knows_needs_a_type_of_its_own(events: list[Event]) -> None:
    kept = [event.type.removeprefix("x.claude_code.") for event in events if event.type.startswith("x.")]
    assert kept == ["file_history_snapshot", "answer", "file_history_snapshot", "new_kind", "user", "user"]


def test_the_same_transcript_gives_the_same_events(events: list[Event]) -> None:
    assert converted() == events


def test_pieces_of_one_answer_are_one_message(rows: dict[str, TranscriptRow]) -> None:
    said = rows["message:msg-1"]
    assert [(part.kind, getattr(part, "text", None)) for part in said.parts] == [
        ("reasoning", "I run them first."),
        ("text", "I run the tests."),
    ]
    assert said.usage == {"model": "large-1", "input_tokens": 100, "output_tokens": 9}
    assert (said.metadata, said.end_metadata) == (
        {
            "entry": {
                "uuid": "a3",
                "requestId": "req-msg-1",
                "message": {"content": [{"signature": "x"}], "usage": took(1)},
            }
        },
        {
            "stop": "tool_use",
            "entries": [
                {"uuid": "a4", "requestId": "req-msg-1", "message": {"usage": took(2)}},
                {
                    "uuid": "a5",
                    "requestId": "req-msg-1",
                    "message": {"stop_reason": "tool_use", "usage": took(9)},
                },
            ],
        },
    )


def test_a_tool_that_failed_has_its_output_its_error_and_its_result(rows: dict[str, TranscriptRow]) -> None:
    call = rows["tool:call-1"]
    assert (call.status, call.serves, call.output) == ("failed", "msg-1", "one ok\ntwo FAILED\n")
    assert call.error == "Exit code 1\ntwo FAILED"
    assert call.result == {"stdout": "one ok\ntwo FAILED", "stderr": "", "interrupted": False}


def test_hooks_are_lines_of_one_note(rows: dict[str, TranscriptRow]) -> None:
    (note,) = [row for row in rows.values() if row.entry.startswith("message:progress-")]
    assert getattr(note.parts[0], "text", "").splitlines() == [
        "hook_progress PreToolUse:Bash callback",
        "hook_progress PostToolUse:Bash callback",
        "compact_boundary Conversation compacted",
    ]
    assert (note.kind, note.audience) == ("progress", ("agents",))


def test_a_sub_agent_is_a_participant(events: list[Event], rows: dict[str, TranscriptRow]) -> None:
    assert rows["tool:call-s1"].actor == rows["message:msg-s1"].actor == "agent-sub1"
    assert rows["tool:call-s1"].audience == rows["message:msg-s1"].audience == ("agents",)
    (found,) = fold(usage, events).values()
    assert {(each.actor, each.model) for each in found.spoken} >= {("claude", "large-1"), ("agent-sub1", "small-1")}


def test_what_was_typed_meanwhile_is_an_instruction_that_is_read_or_taken_back(events: list[Event]) -> None:
    told = [(event.type, event.data.subject()) for event in events if event.type.startswith("signal.")]
    first, second = "signal:queued-3", "signal:queued-4"
    assert told == [
        ("signal.raised", first),
        ("signal.raised", second),
        ("signal.withdrawn", second),
        ("signal.honoured", first),
    ]


def test_several_questions_are_one_approval(rows: dict[str, TranscriptRow]) -> None:
    asked = rows["approval:call-3"]
    assert (asked.question, [each.question for each in asked.questions]) == (
        "Mend · Else",
        ["How do we mend it?", "What else?"],
    )
    assert asked.answers["q1"].words == "Return two, as a constant."
    assert asked.answers["q2"].options == ("Docs", "Changelog")


def test_what_does_not_follow_is_counted_and_kept_as_it_is() -> None:
    written = Transcript("app")
    list(written.lines(read([FILE])))
    assert written.kept_raw == {"tool.return: not_found": 1, "user: malformed": 1}


def test_a_session_that_broke_off_ends(events: list[Event]) -> None:
    cut = converted(*list(read([FILE]))[:11])
    abandoned = [event.data for event in cut if event.type == "tool.abandoned"]
    assert [getattr(each, "output", None) for each in abandoned] == ["one ok\ntwo FAILED\n"]
    assert cut[0].time == events[0].time


def test_files_are_read_in_the_order_of_their_times(tmp_path: Path) -> None:
    lines = FILE.read_bytes().splitlines(keepends=True)
    (tmp_path / "a.jsonl").write_bytes(b"".join(lines[:5]))
    (tmp_path / "b.jsonl").write_bytes(b"".join(lines[5:]))
    both = [tmp_path / "b.jsonl", tmp_path / "a.jsonl"]
    assert {orjson.dumps(each) for each in read(both)} == {orjson.dumps(each) for each in read([FILE])}
    assert [each["uuid"] for each in read(both) if each["type"] == "assistant"] == [
        each["uuid"] for each in read([FILE]) if each["type"] == "assistant"
    ]
