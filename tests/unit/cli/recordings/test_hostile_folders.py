"""Folders and transcripts that somebody else made: what is in them cannot make an import read other files, wait, or
fail in a way that names no line."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from stenogram.adapters.recordings.claude_code import Transcript, find_sessions, read
from stenogram.domain.envelope import parse

Run = Callable[..., Any]


def entry(number: int = 1, **more: Any) -> dict[str, Any]:
    at = f"2026-07-01T09:00:{number % 60:02}.000Z"
    message = {"role": "user", "content": f"Hello {number}."}
    return {"type": "user", "uuid": f"u{number}", "timestamp": at, "sessionId": "s", "message": message, **more}


def write(file: Path, *entries: dict[str, Any]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in entries))
    return file


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a session and a sub-agent."""
    write(tmp_path / "project" / "s.jsonl", entry())
    write(tmp_path / "project" / "s" / "subagents" / "agent-a.jsonl", entry(2, agentId="a", isSidechain=True))
    return tmp_path / "project"


def test_links_in_a_folder_are_passed_over(project: Path, tmp_path: Path) -> None:
    secret = write(tmp_path / "elsewhere" / "secret.jsonl", entry(3, k="secret"))
    (secret.parent / "more.jsonl").symlink_to(secret)
    for name in ("t.jsonl", "agent-b.jsonl", "s/agent-c.jsonl", "s/subagents/agent-a.meta.json"):
        (project / name).symlink_to(secret)
    write(project / "u.jsonl", entry(4))
    (project / "u").symlink_to(secret.parent)
    (project / "more").symlink_to(secret.parent)
    assert [(name, [file.name for file in files]) for name, files in find_sessions([project])] == [
        ("s", ["s.jsonl", "agent-a.jsonl"]),
        ("u", ["u.jsonl"]),
    ]
    assert "agentMeta" not in {name for each in read(find_sessions([project])[0].files) for name in each}
    ((_, named),) = find_sessions([project / "t.jsonl"])
    assert [file.name for file in named] == ["t.jsonl"], "a link that is named is read"


def test_what_is_no_file_is_passed_over(project: Path, run: Run) -> None:
    (project / "folder.jsonl").mkdir()
    (project / "s" / "agent-b.jsonl").mkdir()
    os.mkfifo(project / "pipe.jsonl")
    os.mkfifo(project / "agent-pipe.jsonl")
    imported = run("import", "claude-code", project)
    assert (imported.code, imported.err) == (0, "stenogram: s: 2 lines of 2 files\n")


def test_a_session_may_have_more_sub_agents_than_files_can_be_open(project: Path) -> None:
    for number in range(100):
        write(project / "s" / "subagents" / f"agent-{number}.jsonl", *[entry(second) for second in (number, 59)])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/dev/fd")) + 20, hard))
    try:
        assert len(list(read(find_sessions([project])[0].files))) == 202
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_file_of_many_batches_is_read_to_the_end_that_it_has_meanwhile(tmp_path: Path) -> None:
    file = write(tmp_path / "s.jsonl", *[entry(number, pad="x" * 999) for number in range(200)])
    found = read([file])
    first = [next(found) for _ in range(10)]
    with file.open("ab") as more:
        more.write(orjson.dumps(entry(200)) + b"\n" + orjson.dumps(entry(201))[:-9])
    *rest, last = found
    assert [each["uuid"] for each in (*first, *rest)] == [f"u{number}" for number in range(201)]
    assert (last["type"], last["line"]) == ("unreadable", 202)


@pytest.mark.parametrize("depth", [230, 1_000, 100_000])
def test_a_line_nested_too_deep_is_named_or_kept_as_it_is(run: Run, tmp_path: Path, depth: int) -> None:
    deep = b'{"type":"tape","value":' + b"[" * depth + b"]" * depth + b"}\n"
    file = write(tmp_path / "deep.jsonl", entry())
    file.write_bytes(file.read_bytes() + deep)
    refused = run("import", "claude-code", "deep.jsonl")
    assert refused.code == 1
    assert "deep.jsonl, line 2: this is no entry of a transcript" in refused.err
    assert run("import", "claude-code", "deep.jsonl", "--as-recorded").code == 0
    assert run("export", "claude-deep").out.count("x.claude_code.unreadable") == 1


BOTTOM: Any = orjson.loads("[" * 198 + '"bottom"' + "]" * 198)


@pytest.mark.parametrize(
    "odd", [{"v": BOTTOM}, {"type": "tape", "v": BOTTOM}, {"type": "progress", "data": {"x": BOTTOM}}]
)
def test_as_deep_as_a_line_may_be_it_is_kept_whole(odd: dict[str, Any], tmp_path: Path) -> None:
    file = write(tmp_path / "s.jsonl", entry(), entry(2, **odd))
    assert any(
        b"[bottom]" in line.replace(b'\\"', b"").replace(b'"', b"") for line in Transcript("s").lines(read([file]))
    )


@pytest.mark.parametrize("said", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00"])
def test_a_time_that_there_is_not_is_kept_in_the_rest(said: str) -> None:
    found = [parse(line) for line in Transcript("s").lines([entry(), entry(2, timestamp=said)])]
    assert {event.time.isoformat() for event in found} == {"2026-07-01T09:00:01+00:00"}
    assert any(said.encode() in event.data.json_bytes() for event in found)


@pytest.fixture(params=["UTC", "Asia/Tokyo"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Where the machine is."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("zone")
def test_a_time_without_a_zone_is_the_same_on_every_machine() -> None:
    (first, *_) = Transcript("s").lines([entry(timestamp="2026-07-01T09:00:00")])
    assert parse(first).time.isoformat() == "2026-07-01T09:00:00+00:00"


def test_a_name_cannot_write_to_the_terminal(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "project" / "s\x1b]0;hello\x07\n.jsonl", entry())
    imported = run("import", "claude-code", "project")
    assert (imported.code, imported.err) == (0, "stenogram: s␛]0;hello␇⏎: 1 lines of 1 file\n")
