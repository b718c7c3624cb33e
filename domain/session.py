"""The session as a whole: its state, and the two functions that everything rests on.

    decide(state, command) -> Decision        evolve(state, event) -> State

Both are pure. The state is persistent: evolving makes a new one that shares all that did not change, so that any
earlier state stays valid and costs nothing to keep. Each concept (sessions, presence, messages, tools, the shared
document, custom events) is a module with a state, a `decide` and an `evolve` of its own; this one only puts them
together.
"""

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, NamedTuple

from . import custom as _custom
from . import document as _document
from . import messages as _messages
from . import presence as _presence
from . import sessions
from . import tools as _tools
from .document import Document
from .errors import NotFound, SessionClosed
from .ids import SessionId, Version
from .messages import Messages
from .model import Command, Decision, Event
from .presence import Presence
from .sessions import Session
from .tools import Calls


class State(NamedTuple):
    """A session folded up to `version`."""

    id: SessionId
    version: Version = Version(0)
    session: Session = sessions.EMPTY
    presence: Presence = _presence.EMPTY
    messages: Messages = _messages.EMPTY
    tools: Calls = _tools.EMPTY
    document: Document = _document.EMPTY
    custom: None = _custom.EMPTY


CONCEPTS: dict[str, ModuleType] = {
    "session": sessions,
    "presence": _presence,
    "messages": _messages,
    "tools": _tools,
    "document": _document,
    "custom": _custom,
}
_CONCEPT_OF_TYPE = {
    "session": "session",
    "presence": "presence",
    "message": "messages",
    "tool": "tools",
    "state": "document",
}

_FOLDS: dict[str, tuple[int, Callable[[Any, Event], Any]]] = {
    family: (State._fields.index(concept), CONCEPTS[concept].evolve) for family, concept in _CONCEPT_OF_TYPE.items()
}
"""By the first word of an event's type: where in a State its concept stands, and how that is folded."""


def decide(state: State, command: Command) -> Decision:
    """Decide one command. Raises the `Refused` tree; then nothing happened."""
    data = command.data
    if state.session.status != "open" and not data.revives:
        raise _not_open(state, command)
    if state.session.status == "none" and data.do != "session.open":
        raise _not_open(state, command)
    decision: Decision = CONCEPTS[data.concept].decide(getattr(state, data.concept), command)
    return decision


def _not_open(state: State, command: Command) -> NotFound | SessionClosed:
    if state.session.status == "none":
        return NotFound(f"There is no session {command.session!r}; send session.open first.")
    return SessionClosed(f"Session {command.session!r} is closed; send session.reopen first.")


def evolve(state: State, event: Event) -> State:
    """Fold one event. Never fails on what `decide` decided; unknown types only advance the version."""
    found = _FOLDS.get(event.type.partition(".")[0])
    if found is None:
        return state._replace(version=event.version)
    place, evolve_concept = found
    members = list(state)  # and not _replace, which takes three times as long
    members[1] = event.version
    members[place] = evolve_concept(members[place], event)
    return State._make(members)


def fold(state: State, events: Iterable[Event]) -> State:
    """Fold events in order."""
    for event in events:
        state = evolve(state, event)
    return state
