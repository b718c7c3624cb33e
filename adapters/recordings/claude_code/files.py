"""Which files a session of Claude Code has, and their entries in the order of their times.

    <project>/<session>.jsonl                              the session
    <project>/<session>/subagents/agent-<id>.jsonl         its sub-agents
    <project>/<session>/subagents/agent-<id>.meta.json     what kind of agent that is
    <project>/agent-<id>.jsonl                             its sub-agents, as older versions have them

A file is read a few lines at a time, and is open only meanwhile. What is found in a folder and is no file of its own,
such as a symbolic link or a pipe, is passed over: a folder that somebody else made could name any file by it.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson

from ....domain.errors import Invalid
from ....domain.json.checks import is_nested_deeper
from .entries import Entry

SUB_AGENT = "agent-"
MAX_DEPTH = 200
"""What is nested deeper could be read, and not be written again with what the session says around it."""
BATCH_BYTES = 16_384
ABOUT = "agentMeta"
"""The member of a sub-agent's first entry that has what its `.meta.json` says."""


class SessionFiles(NamedTuple):
    """A session: its name, its files, and those of its sub-agents."""

    name: str
    files: tuple[Path, ...]


def find_sessions(paths: Sequence[Path]) -> list[SessionFiles]:
    """The sessions of these files and folders. Sub-agents that are named belong to the session that is named before
    them; others are looked for. Raises Invalid where there is nothing."""
    sessions: dict[Path, list[Path]] = {}
    for path in paths:
        if not path.exists():
            raise Invalid(f"{path}: there is no such file or folder.")
        mains = main_files(path)
        beside = _by_session(main.parent for main in mains)
        for main in mains:
            own = _files(main.parent / main.stem)
            sessions.setdefault(main, [main, *own, *beside.get((main.parent, main.stem), ())])
        if not mains:  # a sub-agent's file
            last = next(reversed(sessions.values()), None)
            (sessions.setdefault(path, []) if last is None else last).append(path)
    return [SessionFiles(main.stem, tuple(dict.fromkeys(files))) for main, files in sessions.items()]


def main_files(path: Path) -> list[Path]:
    """The sessions' own files: neither those of sub-agents, nor what lies in the folder of a session."""
    if not path.is_dir():
        return [] if path.name.startswith(SUB_AGENT) else [path]
    files = [file for file in _files(path) if not file.name.startswith(SUB_AGENT)]
    known = {*files}
    mains = [file for file in files if not any(_transcript(folder) in known for folder in file.parents)]
    if not mains:
        raise Invalid(f"{path}: there is no transcript (*.jsonl) in this folder.")
    return mains


def _files(folder: Path) -> list[Path]:
    """The transcripts somewhere in a folder."""
    return [] if folder.is_symlink() else sorted(filter(_is_own, folder.rglob("*.jsonl")))


def _is_own(path: Path) -> bool:
    """Whether this is a file, and of the folder that it is in."""
    return path.is_file() and not path.is_symlink()


def _transcript(folder: Path) -> Path:
    """The transcript whose session has this folder, if it is one's."""
    return folder.parent / f"{folder.name}.jsonl"


def _by_session(folders: Iterable[Path]) -> dict[tuple[Path, str | None], list[Path]]:
    """The sub-agents' files that lie beside those of sessions, by folder and session."""
    found: dict[tuple[Path, str | None], list[Path]] = {}
    for folder in dict.fromkeys(folders):
        for file in sorted(filter(_is_own, folder.glob(f"{SUB_AGENT}*.jsonl"))):
            found.setdefault((folder, _session_of(file)), []).append(file)
    return found


def _session_of(file: Path) -> str | None:
    """The session that the first entry of a file is of."""
    with file.open("rb") as lines:
        try:
            found = orjson.loads(next(lines, b"null"))
        except orjson.JSONDecodeError:
            return None
    return found.get("sessionId") if isinstance(found, dict) else None


def read(files: Iterable[Path], *, as_recorded: bool = False) -> Iterator[Entry]:
    """The entries of all files, in the order of their times; what has no time, or an earlier one, stays behind what was
    before it. Raises Invalid, naming file and line, for what is no entry; with `as_recorded` that is an entry of the
    type `unreadable`. A last line that was not written to its end is one, too."""
    timed = (_timed(file, number, as_recorded) for number, file in enumerate(files))
    for _, _, entry in heapq.merge(*timed, key=lambda each: each[:2]):
        yield entry


def _timed(file: Path, number: int, as_recorded: bool) -> Iterator[tuple[str, int, Entry]]:
    last, about = "", about_file(file)
    for at, line in enumerate(_lines(file), 1):
        if not line.strip():
            continue
        entry, about = entry_of(file, at, line, about, as_recorded or not line.endswith(b"\n")), {}
        said = entry.get("timestamp")
        last = max(last, said) if isinstance(said, str) else last
        yield last, number, entry


def entry_of(file: Path, number: int, line: bytes, about: Entry, as_recorded: bool) -> Entry:
    """The entry of a line, with what is known about its file. Raises Invalid for what is none; `as_recorded` it is one
    of the type `unreadable`."""
    entry = _entry(line)
    if entry is None:
        if not as_recorded:
            raise Invalid(
                f"{file}, line {number}: this is no entry of a transcript: it is no JSON object, or is nested more "
                f"than {MAX_DEPTH} deep."
            )
        text = line.decode(errors="replace")
        entry = {"type": "unreadable", "file": file.name, "line": number, "text": text}
    return {**entry, ABOUT: about} if about else entry


def _lines(file: Path) -> Iterator[bytes]:
    """Its lines. The file is closed in between: a session may have more sub-agents than a process may open files."""
    at, is_over = 0, False
    while not is_over:
        with file.open("rb") as lines:
            if not lines.seekable():  # a pipe that was named
                yield from lines
                return
            lines.seek(at)
            batch = lines.readlines(BATCH_BYTES)
            at = lines.tell()
        yield from batch
        is_over = not batch or not batch[-1].endswith(b"\n")


def about_file(file: Path) -> Entry:
    """What the file beside a sub-agent's says of it."""
    meta = file.with_suffix(".meta.json")
    return (_entry(meta.read_bytes()) or {}) if _is_own(meta) else {}


def _entry(line: bytes) -> Entry | None:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) and not is_nested_deeper(line, MAX_DEPTH) else None
