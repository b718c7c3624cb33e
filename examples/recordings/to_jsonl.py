"""Turns a recorded run of a team into the events of a session, as JSONL that `stenogram import` takes.

python examples/recordings/to_jsonl.py tests/data/recording.json --session trains | stenogram import -

The session is opened with the question as its title, everyone joins, each step is a message posted by its actor, all
leave, and the session is closed. Everything passes the same rules as live commands. A recording has no timestamps: the
first command happens at `--start` and each further one a millisecond later. Ids are made from the content. So the same
recording gives the same events, and importing them again changes nothing.
"""

import argparse
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from who_and_when import Recording, Step, read_recording

from stenogram.adapters.recordings.session_lines import SessionLines, slug
from stenogram.domain.concepts import lifecycle, messages, presence
from stenogram.domain.ids import SessionId
from stenogram.domain.model import Actor, CommandData
from stenogram.domain.parts import DataPart, TextPart

START = "2026-01-01T00:00:00+00:00"
_TITLE_CHARACTERS = 200
_END = "The recording ends."


def jsonl_lines(recording: Recording, session: SessionId, start: datetime) -> Iterator[bytes]:
    """The events of `session` as they go over the wire, in order."""
    written = SessionLines(session)
    for number, (actor, data) in enumerate(_commands(recording)):
        yield from written.lines(actor, start + timedelta(milliseconds=number), data)


def _commands(recording: Recording) -> Iterator[tuple[Actor, CommandData]]:
    actors = {player.id: Actor(player.id, player.kind) for player in recording.players}
    opener = next((actor for actor in actors.values() if actor.kind == "user"), next(iter(actors.values())))
    yield opener, _opening(recording)
    for player in recording.players:
        yield actors[player.id], presence.Join(name=player.name)
    for step in recording.steps:
        yield actors[step.actor], _posting(step)
    for actor in actors.values():
        yield actor, presence.Leave(reason=_END)
    yield opener, lifecycle.CloseSession(reason=_END)


def _opening(recording: Recording) -> lifecycle.OpenSession:
    """Question, ground truth and labelled mistake are the session's metadata."""
    line = " ".join(recording.question.split())
    title = f"{line[: _TITLE_CHARACTERS - 1]}…" if len(line) > _TITLE_CHARACTERS else line
    return lifecycle.OpenSession(title=title, labels={"source": "recording"}, metadata=dict(recording.metadata))


def _posting(step: Step) -> messages.PostMessage:
    """A step's text as one text part, and beside it what the recording says of the step."""
    parts = (TextPart(text=step.text), DataPart(name="recording", data=step.about))
    return messages.PostMessage(message=step.message, parts=parts, audience=step.audience)


def main() -> None:
    """Write the JSONL of one recording to stdout."""
    parser = argparse.ArgumentParser(description="Turn a recorded run of a team into JSONL for `stenogram import`.")
    parser.add_argument("file", type=Path, help="a recording in the format of the data set Who&When")
    parser.add_argument("--session", help="the session's id; by default recording-<file name>")
    parser.add_argument("--start", type=datetime.fromisoformat, default=START, help="when it begins (RFC 3339)")
    given = parser.parse_args()
    session = given.session or f"recording-{slug(given.file.stem)}"
    for line in jsonl_lines(read_recording(given.file), session, given.start):
        sys.stdout.buffer.write(line + b"\n")


if __name__ == "__main__":
    main()
