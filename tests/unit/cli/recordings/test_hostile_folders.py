"""Folders and transcripts that somebody else made: what is in them cannot make an import read other files, wait, or
fail in a way that names no line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

Run = Callable[..., Any]


def entry(number: int = 1, **more: Any) -> dict[str, Any]:
    at = f"2026-07-01T09:00:{number % 60:02}.000Z"
    message = {"role": "user", "content": f"Hello {number}."}
    return {"type": "user", "uuid": f"u{number}", "timestamp": at, "sessionId": "s", "message": message, **more}


def write(file: Path, *entries: dict[str, Any]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in entries))
    return file


def test_a_name_cannot_write_to_the_terminal(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "project" / "s\x1b]0;hello\x07\n.jsonl", entry())
    imported = run("import", "claude-code", "project")
    assert (imported.code, imported.err) == (0, "stenogram: s␛]0;hello␇⏎: 1 lines of 1 file\n")
