"""Random sessions, as streams of other protocols follow them from a moment on."""

from stenogram.api.frontends.session_facts import SessionFacts
from stenogram.api.frontends.speech_fold import SpeechFold
from stenogram.api.frontends.transcript import Transcript
from stenogram.domain.audience import Viewer, including, visible
from stenogram.domain.envelope import readers_of
from stenogram.domain.ids import Position
from stenogram.domain.parts import assemble
from stenogram.domain.session import fold
from stenogram.domain.state import State
from stenogram.log.records import Record
from stenogram.testing.rehearsal import Rehearsal


def records(session: Rehearsal) -> list[Record]:
    """The events as a log has them."""
    return [
        Record(
            Position(event.version), session.state.id, event.version, event.data.subject(), event.type, stored, None, 0
        )
        for event, stored in zip(session.events, session.stored, strict=True)
    ]


def moments(session: Rehearsal) -> list[int]:
    """When somebody joins."""
    last = len(session.events)
    return [0, last // 3, last * 2 // 3, last]


def state_at(session: Rehearsal, at: int) -> State:
    """The session as it was at a version."""
    return fold(State(session.state.id), session.events[:at])


class FollowedSession:
    """A session that is followed from a version on; the events from there, as they are published."""

    def __init__(self, session: Rehearsal, at: int, facts: SessionFacts | None = None) -> None:
        past = records(session)
        self.state = state_at(session, at)
        self.transcript = Transcript(session.state.id)
        for record in past[:at]:
            self.transcript.add(record)
        self.facts = facts or SessionFacts(SpeechFold(self.state))
        self.coming = past[at:]
        for record in self.coming:
            self.facts.add(record)  # those that are known are passed over


def said(session: Rehearsal, viewer: Viewer) -> dict[str, str]:
    """What each message says that the viewer may see, by its id; what was thought for it under `{id}/reasoning`."""
    found: dict[str, str] = {}
    for event in session.events:
        if visible(readers_of(session.stored[event.version - 1]), viewer):
            for part in getattr(event.data, "parts", ()) if event.type.startswith("message.") else ():
                id = event.data.message + ("" if part.kind == "text" else "/reasoning")  # type: ignore[attr-defined]
                if part.kind in ("text", "reasoning"):
                    found[id] = found.get(id, "") + part.text
    known = session.state.messages.known
    for message in [known[id] for id in session.state.messages.open.of(None)]:
        if visible(including(message.audience, message.author), viewer):
            for part in assemble(message.streamed):
                id = message.id + ("" if part.kind == "text" else "/reasoning")
                found[id] = found.get(id, "") + part.text
    return {id: text for id, text in found.items() if text}
