"""The views of a session that is followed event by event: what the screen draws."""

from ...domain.ids import SessionId
from ...domain.model import Event
from ...projections.folding import Fold
from ...projections.views import agents, sessions, state, tasks, transcript
from ...projections.views.agents import AgentRow, Agents
from ...projections.views.sessions import Overview
from ...projections.views.state import SharedState
from ...projections.views.tasks import TaskRow
from ...projections.views.transcript import TranscriptRow
from ..text.session_views import OpenStreams


class LiveViews:
    """The built-in views, folded up to the last event. Events come in version order; those that an audience hides may
    be missing."""

    def __init__(self, session: SessionId) -> None:
        self._session = session
        self._sessions = Fold(sessions)
        self._agents = Fold(agents)
        self._tasks = Fold(tasks)
        self._transcript = Fold(transcript)
        self._state = Fold(state)
        self._open_streams = OpenStreams()

    def fold(self, event: Event) -> None:
        """Fold one event. Raises FoldFailed for one that does not follow from what was before."""
        for fold in (self._sessions, self._agents, self._tasks, self._transcript, self._state):
            fold.fold(event)
        self._open_streams.fold(event)

    @property
    def title(self) -> str:
        """The session's title; empty while it has none."""
        overview = self._sessions.values().get(self._session, Overview())
        return overview.title or ""

    @property
    def agents(self) -> dict[str, AgentRow]:
        """Who has joined, by id, in the order in which each first did."""
        return self._agents.values().get(self._session, Agents()).agents

    @property
    def tasks(self) -> list[TaskRow]:
        """The tasks, in the order in which they were created."""
        return sorted(self._tasks.values().values(), key=lambda each: each.since)

    @property
    def state(self) -> SharedState:
        """The shared state."""
        return self._state.values().get(self._session, SharedState())

    def entry(self, subject: str) -> TranscriptRow | None:
        """An entry of the transcript: a message or a call with its text so far, a question. None if there is none."""
        row = self._transcript.folder.values.get((self._session, subject))
        return None if row is None else self._open_streams.with_text(row)
