"""Transcripts of Claude Code as sessions: `stenogram import claude-code PATH…`.

docs/how-to/record-a-coding-agent.md says which entry becomes which event.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ....domain.errors import Invalid
from ..importer import ImportOptions
from ..session_lines import slug
from .files import find_sessions, read
from .transcript import Transcript

__all__ = ["Transcript", "convert", "find_sessions", "read"]


def convert(paths: Sequence[Path], options: ImportOptions) -> Iterator[bytes]:
    """The events of the sessions in these files and folders; each session is `claude-<name of its file>`."""
    sessions = find_sessions(paths)
    if options.session is not None and len(sessions) > 1:
        raise Invalid(f"--session names one session, and there are {len(sessions)}; leave it out, or name one file.")
    for name, files in sessions:
        transcript = Transcript(options.session or f"claude-{slug(name)}")
        yield from transcript.lines(read(files, as_recorded=options.as_recorded))
        said = ", ".join(f"{number} × {what}" for what, number in transcript.kept_raw.most_common())
        kept = f"; kept as custom events: {said}" if said else ""
        repeats = f"; {transcript.repeats:,} said twice" if transcript.repeats else ""
        plural = "" if len(files) == 1 else "s"
        options.say(f"{name}: {transcript.entries:,} lines of {len(files)} file{plural}{repeats}{kept}")
