"""What the screen shows of a session: the picture, and what is fresh in it.

Fed with events by whoever has them (a subscription, a replay) and with the time at which they were seen, so that
changes can glow for a moment. It knows nothing of terminals.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from ...domain.concepts import document, messages, presence
from ...domain.concepts.presence import Participant
from ...domain.ids import SessionId
from ...domain.json.pointer import pointer
from ...domain.model import Event
from ..text.event_words import in_words
from ..text.picture import Picture
from ..text.transcript import Item

TICKS = 60
ITEMS = 8


@dataclass(slots=True)
class Tick:
    """A line of the ticker. Deltas of one message share a line: `count` of them, the first at `version`."""

    version: int
    actor: str
    type: str
    words: str
    about: str = ""
    count: int = 1


class Touch(NamedTuple):
    """Who changed a place of the shared state, in which version, and when that was seen."""

    actor: str
    version: int
    seen: float


@dataclass
class Scene:
    """The session so far. `speakers` stand in the order in which they first acted."""

    session: SessionId
    picture: Picture = field(init=False)
    ticker: deque[Tick] = field(default_factory=lambda: deque(maxlen=TICKS))
    speakers: dict[str, deque[Item]] = field(default_factory=dict)
    touched: dict[str, Touch] = field(default_factory=dict)
    people: list[str] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    events: int = 0
    note: str = ""

    def __post_init__(self) -> None:
        self.picture = Picture(self.session)

    def see(self, event: Event, now: float) -> None:
        """Take in one event, seen at `now` (seconds of any steady clock)."""
        before = self.picture.state.document
        item = self.picture.see(event)
        self.events += 1
        match event.data:
            case presence.PresenceJoined(participant=who):
                self.lost.discard(who)
                self.people += [who] if who not in self.people else []
            case presence.PresenceLost(participant=who):
                self.lost.add(who)
        if item is not None:
            items = self.speakers.setdefault(item.author, deque(maxlen=ITEMS))
            if not any(item is each for each in items):
                items.append(item)
        if self.picture.state.document is not before:
            self._touch(event, now)
        self._tick(event)

    def participants(self) -> list[Participant]:
        """Who has joined, in the order in which they first acted."""
        presence = self.picture.state.presence
        return [presence[name] for name in self.people if name in presence]

    def _touch(self, event: Event, now: float) -> None:
        for path in _written(event):
            below = f"{path}/"
            self.touched = {place: each for place, each in self.touched.items() if not place.startswith(below)}
            self.touched[path] = Touch(event.actor, event.version, now)

    def _tick(self, event: Event) -> None:
        if isinstance(event.data, messages.MessageDelta):
            about = event.data.message
            for tick in list(self.ticker)[-4:]:
                if tick.about == about:
                    tick.count += 1
                    return
            self.ticker.append(Tick(event.version, event.actor, event.type, event.data.text, about))
        else:
            self.ticker.append(Tick(event.version, event.actor, event.type, in_words(event, 200)))


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
