"""A recording as the events of a session: what would be in the log, had the team worked through a gateway.

The session is opened with the question as its title, everyone joins, each step is a message posted by its actor, all
leave, and the session is closed. Everything passes the same rules as live commands. Ids are made from the content, so
that the same recording gives the same events; a recording has no timestamps, so the first event happens at `start` and
each further one a millisecond later.
"""

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta

from ...domain.concepts import lifecycle, messages, presence
from ...domain.envelope import encode, timestamp
from ...domain.ids import EventId, Position, SessionId, Version
from ...domain.model import Actor, Command, CommandData, Event, Fact
from ...domain.parts import DataPart, TextPart
from ...domain.session import decide, evolve
from ...domain.state import State
from .entry import ImportEntry
from .recording import Recording, Step

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:stenogram:recording")
_TITLE = 200
_END = "The recording ends."


def recorded_entries(recording: Recording, session: SessionId, start: datetime, origin: str) -> Iterator[ImportEntry]:
    """The events of `session`, in order."""
    state = State(session)
    for number, (actor, data) in enumerate(_commands(recording)):
        id = _id(session, f"command {number}", data.model_dump_json())
        time = start + timedelta(milliseconds=number)
        for fact in decide(state, Command(id, session, actor, time, data)).facts:
            event, stored = _happen(state, fact, actor, time, id)
            state = evolve(state, event)
            yield ImportEntry(f"{origin}, version {event.version}", event, stored, exact=False)


def _happen(state: State, fact: Fact, actor: Actor, time: datetime, cause: str) -> tuple[Event, bytes]:
    version = Version(state.version + 1)
    type = fact.type or fact.data.type
    id = _id(state.id, f"event {version}", cause)
    stored = encode(id, fact, timestamp(time), actor.id, cause)
    event = Event(Position(version), state.id, version, id, type, time, actor.id, fact.data, None, cause, fact.audience)
    return event, stored


def _id(session: SessionId, what: str, content: str) -> EventId:
    return str(uuid.uuid5(_NAMESPACE, f"{session}\n{what}\n{content}"))


def _commands(recording: Recording) -> Iterator[tuple[Actor, CommandData]]:
    actors = {player.id: Actor(player.id, player.kind) for player in recording.players}
    opener = next((actor for actor in actors.values() if actor.kind == "user"), next(iter(actors.values())))
    yield opener, opening(recording)
    for player in recording.players:
        yield actors[player.id], presence.Join(name=player.name)
    for step in recording.steps:
        yield actors[step.actor], posting(step)
    for actor in actors.values():
        yield actor, presence.Leave(reason=_END)
    yield opener, lifecycle.CloseSession(reason=_END)


def opening(recording: Recording) -> lifecycle.OpenSession:
    """The command that opens a recording's session: question, ground truth and labelled mistake are its metadata."""
    line = " ".join(recording.question.split())
    title = f"{line[: _TITLE - 1]}…" if len(line) > _TITLE else line
    return lifecycle.OpenSession(title=title, labels={"source": "recording"}, metadata=dict(recording.metadata))


def posting(step: Step) -> messages.PostMessage:
    """The command that says a step: its text as one text part, and beside it what the recording says of the step."""
    parts = (TextPart(text=step.text), DataPart(name="recording", data=step.about))
    return messages.PostMessage(message=step.message, parts=parts, audience=step.audience)
