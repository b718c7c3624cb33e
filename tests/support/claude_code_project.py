"""A project of Claude Code's with one session, and how its files come to be."""

import shutil
from pathlib import Path
from typing import NamedTuple

import orjson

from stenogram.adapters.recordings.claude_code import find_sessions

PROJECT = Path(__file__).parents[1] / "data" / "claude-code-project"
NAME = "7c1e0c52-8f4d-4b8e-9d51-2f6a3b1c0d11"
SESSION = f"claude-{NAME}"


class Line(NamedTuple):
    """A line of a file, in the order in which Claude Code writes them."""

    file: Path
    line: bytes


def lines_in_time() -> list[Line]:
    """All lines of the session, as they are written: by their times, those of one file in its order."""
    ((_, files),) = find_sessions([PROJECT])
    keyed = []
    for number, file in enumerate(files):
        last = ""
        for line in file.read_bytes().splitlines(keepends=True):
            last = max(last, orjson.loads(line).get("timestamp", ""))
            keyed.append(((last, number), Line(file.relative_to(PROJECT), line)))
    return [line for _, line in sorted(keyed, key=lambda each: each[0])]


def append(project: Path, file: Path, data: bytes) -> None:
    """Write to a file of such a project, as Claude Code does."""
    path = project / file
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = PROJECT / file.with_suffix(".meta.json")
    if not path.exists() and meta.exists():
        shutil.copy(meta, path.with_suffix(".meta.json"))
    with path.open("ab") as out:
        out.write(data)
