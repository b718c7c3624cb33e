"""A session as it is at one moment: the domain's state and the transcript, folded side by side."""

from datetime import datetime

from ...domain.errors import LogError
from ...domain.ids import SessionId
from ...domain.model import Event
from ...domain.session import evolve
from ...domain.state import State
from .transcript import Item, Transcript


class Picture:
    """Folded up to `state.version`. Events must come in version order; those that an audience hides may be missing."""

    def __init__(self, session: SessionId) -> None:
        self.state = State(session)
        self.transcript = Transcript()
        self.began: datetime | None = None
        self.now: datetime | None = None

    def see(self, event: Event) -> Item | None:
        """Fold one event; the item of the transcript that it began or changed."""
        try:
            self.state = evolve(self.state, event)
            item = self.transcript.see(event)
        except Exception as error:
            raise LogError(
                f"Version {event.version} ({event.type}) does not follow from what was before: {error!r}."
            ) from error
        self.began = self.began or event.time
        self.now = event.time
        return item

    @property
    def seconds(self) -> float:
        """How long it has gone on, from the first event to the last."""
        return (self.now - self.began).total_seconds() if self.now and self.began else 0.0
