"""What a session is at one moment, as the built-in views hold it: what `show` prints.

Views leave token streams out. What an open message has said so far, and an open call has put out, the rules tell, from
their own events.
"""

from typing import Any, NamedTuple

from ...domain.concepts import messages, tools
from ...domain.ids import SessionId, Version
from ...domain.model import Event
from ...domain.parts import assemble, text_of
from ...projections.views.agents import AgentRow, Agents
from ...projections.views.metadata import Metadata
from ...projections.views.sessions import Overview
from ...projections.views.state import SharedState
from ...projections.views.tasks import TaskRow
from ...projections.views.transcript import TranscriptRow

MESSAGE_KINDS = ("message", "progress")
"""Kinds of the transcript's entries that are messages, not calls or questions."""


class OpenStreams:
    """What open messages have said, and open calls have put out so far."""

    def __init__(self) -> None:
        self._messages = messages.EMPTY
        self._calls = tools.EMPTY

    def fold(self, event: Event) -> None:
        """Fold one event; those of a message or a call come from its first one on."""
        if event.type.startswith("tool."):
            self._calls = tools.evolve(self._calls, event)
        else:
            self._messages = messages.evolve(self._messages, event)

    def with_text(self, row: TranscriptRow) -> TranscriptRow:
        """The row of a message or a call that is open, with what was streamed; any other as it is."""
        if row.status != "open":
            return row
        if row.kind in MESSAGE_KINDS and (message := self._messages.known.get(id_of(row))) is not None:
            return row.model_copy(update={"parts": assemble(message.streamed)})
        if row.kind == "tool" and (call := self._calls.known.get(id_of(row))) is not None and call.index:
            return row.model_copy(update={"output": "".join(part.text for part in assemble(call.streamed))})
        return row


class SessionViews(NamedTuple):
    """A session after an event. Tasks and the transcript are in the order in which each began."""

    session: SessionId
    version: Version
    overview: Overview
    metadata: Metadata
    agents: dict[str, AgentRow]
    tasks: list[TaskRow]
    transcript: list[TranscriptRow]
    state: SharedState


def id_of(row: TranscriptRow) -> str:
    """The id of a message, a call or a question."""
    return row.entry.partition(":")[2]


def session_views(
    session: SessionId, version: int, overview: Any, about: Any, team: Any, board: Any, entries: Any, shared: Any
) -> SessionViews:
    """The views from their JSON values; None for a document that there is not."""
    return SessionViews(
        session,
        Version(version),
        Overview.model_validate(overview or {}),
        Metadata.model_validate(about or {}),
        Agents.model_validate(team or {}).agents,
        [TaskRow.model_validate(each) for each in board],
        [TranscriptRow.model_validate(each) for each in entries],
        SharedState.model_validate(shared or {}),
    )


def for_programs(views: SessionViews) -> dict[str, Any]:
    """The same as JSON values: what `show --json` prints."""
    entries = views.transcript
    return {
        "session": views.session,
        "version": views.version,
        **views.overview.model_dump(mode="json", include={"status", "title", "labels"}),
        "metadata": views.metadata.value,
        "participants": [each.model_dump(mode="json") for each in views.agents.values()],
        "messages": [_message(each) for each in entries if each.kind in MESSAGE_KINDS],
        "tasks": [each.model_dump(mode="json", exclude={"session"}) for each in views.tasks],
        "approvals": [_approval(each) for each in entries if each.kind == "approval"],
        "state": views.state.value,
        "state_version": views.state.version,
    }


def _message(row: TranscriptRow) -> dict[str, Any]:
    said = row.model_dump(mode="json", include={"actor", "kind", "status", "audience"})
    about = {"message": id_of(row), "version": row.since, "time": row.began}
    return {**about, **said, "text": text_of(row.parts)}


def _approval(row: TranscriptRow) -> dict[str, Any]:
    asked = {"actor", "status", "question", "options", "own_words", "questions"}
    answered = {"answer", "words", "value", "answers", "answered_by", "comment", "reason"}
    said = row.model_dump(mode="json", include=asked | answered)
    return {"approval": id_of(row), "version": row.since, "time": row.began, **said}
