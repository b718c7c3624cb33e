"""What the screen shows of a session: its views, and what is fresh in them.

A subscription or a replay gives it events, and the time at which each was seen, so that changes can glow for a moment.
It knows nothing of terminals.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from ...domain.concepts import document, messages, tools
from ...domain.ids import SessionId
from ...domain.json.pointer import pointer
from ...domain.model import Event
from ...projections.views.transcript import TranscriptRow
from ..text.event_words import in_words
from .live_views import LiveViews

TICKER_LINES = 60
ENTRIES_PER_SPEAKER = 8


@dataclass(slots=True)
class TickerLine:
    """A line of the ticker. Deltas of one message or call share a line: `count` of them, the first at `version`."""

    version: int
    actor: str
    type: str
    words: str
    about: str = ""
    count: int = 1


class Change(NamedTuple):
    """Who changed a place of the shared state, in which version, and when that was seen."""

    actor: str
    version: int
    seen: float


@dataclass
class ScreenModel:
    """The session so far. `speakers` have the entries of the transcript that each began or ended last, and are in the
    order in which they first acted."""

    session: SessionId
    views: LiveViews = field(init=False)
    ticker: deque[TickerLine] = field(default_factory=lambda: deque(maxlen=TICKER_LINES))
    speakers: dict[str, deque[str]] = field(default_factory=dict)
    changes: dict[str, Change] = field(default_factory=dict)
    first: Event | None = None
    last: Event | None = None
    note: str = ""

    def __post_init__(self) -> None:
        self.views = LiveViews(self.session)

    def fold(self, event: Event, now: float) -> None:
        """Fold one event, seen at `now` (seconds of any steady clock)."""
        self.views.fold(event)
        self.first, self.last = self.first or event, event
        subject = event.data.subject()
        if entry := self.views.entry(subject):
            entries = self.speakers.setdefault(entry.actor, deque(maxlen=ENTRIES_PER_SPEAKER))
            if subject not in entries:
                entries.append(subject)
        if event.version == self.views.state.version:
            self._touch(event, now)
        self._tick(event)

    @property
    def version(self) -> int:
        """The last event's."""
        return self.last.version if self.last else 0

    @property
    def seconds(self) -> float:
        """How long it has gone on, from the first event to the last."""
        return (self.last.time - self.first.time).total_seconds() if self.first and self.last else 0.0

    def entries(self, speaker: str) -> list[TranscriptRow]:
        """What a speaker said and did last."""
        return [row for row in map(self.views.entry, self.speakers[speaker]) if row is not None]

    def _touch(self, event: Event, now: float) -> None:
        for path in _written(event):
            below = f"{path}/"
            self.changes = {place: each for place, each in self.changes.items() if not place.startswith(below)}
            self.changes[path] = Change(event.actor, event.version, now)

    def _tick(self, event: Event) -> None:
        if isinstance(event.data, messages.MessageDelta | tools.ToolOutput):
            about = event.data.subject()
            for tick in list(self.ticker)[-4:]:
                if tick.about == about:
                    tick.count += 1
                    return
            self.ticker.append(TickerLine(event.version, event.actor, event.type, event.data.text, about))
        else:
            self.ticker.append(TickerLine(event.version, event.actor, event.type, in_words(event, 200)))


def _written(event: Event) -> list[str]:
    match event.data:
        case document.StatePatched() as data:
            return [str(operation["path"]) for operation in data.patch if operation.get("op") != "test"]
        case document.StateMerged() as data:
            return _leaves(data.patch, ())
        case document.StateIncremented() as data:
            return [data.path]
    return []


def _leaves(patch: object, path: tuple[str, ...]) -> list[str]:
    if not isinstance(patch, dict) or not patch:
        return [pointer(list(path))]
    return [leaf for name, value in patch.items() for leaf in _leaves(value, (*path, name))]
