"""A session as a page replays it without a gateway: its events, and how each of them changed the views.

The page folds nothing but text, so everything else is folded here: of a document the patches that its changes are, of
a table the rows that changed, each with the version that did it.
"""

from datetime import datetime
from typing import Any, Final

import orjson

from ...domain.envelope import parse, timestamp
from ...domain.ids import ParticipantId, SessionId
from ...domain.json.diff import difference
from ...projections.authoring.projection import AnyProjection
from ...projections.folding import Fold
from ...projections.views import agents, attention, sessions, state, tasks, timeline, transcript, usage
from ..source.port import Page, json_value

DOCUMENTS: Final = (sessions, agents, attention, state, usage)
ROWS: Final = (tasks, transcript, timeline)


class Recording:
    """Takes a session's events in order. Raises FoldFailed for one that does not follow from those before."""

    def __init__(self, session: SessionId) -> None:
        self._session = session
        self._events: list[bytes] = []
        self._documents = {each.name: _Changes(each) for each in DOCUMENTS}
        self._rows = {each.name: _Changes(each) for each in ROWS}

    def __len__(self) -> int:
        return len(self._events)

    def add(self, page: Page) -> None:
        """Take a page of events."""
        for wire in page:
            event = parse(wire)
            for changes in (*self._documents.values(), *self._rows.values()):
                if changes.handlers.of(event.type):
                    changes.fold.fold(event)
                    changes.note(event.version)
            self._events.append(wire)

    @property
    def title(self) -> str | None:
        """What the session is called."""
        overview = self._documents[sessions.name].value
        return None if overview is None else overview["title"]

    def json(self, now: datetime, reader: ParticipantId | None) -> bytes:
        """All of it, as the page reads it. It holds what `reader` may see; None: everything."""
        about = {"session": self._session, "exported": timestamp(now), "reader": reader}
        views = {
            "documents": {name: each.patches for name, each in self._documents.items()},
            "rows": {name: each.rows for name, each in self._rows.items()},
        }
        return b'%s,"events":[%s]}' % (orjson.dumps({**about, **views})[:-1], b",".join(self._events))


class _Changes:
    """How a view has changed: `patches` of the session's document, or `rows` as each has become."""

    def __init__(self, projection: AnyProjection) -> None:
        self.handlers = projection.handlers
        self.fold: Fold[Any, Any] = Fold(projection)
        self.patches: list[tuple[int, list[Any]]] = []
        self.rows: list[tuple[int, Any]] = []
        self.value: Any = None
        """The document as it is; None before there is one."""

    def note(self, version: int) -> None:
        """Note what has changed since the last time."""
        folder = self.fold.folder
        for place in sorted(folder.changed):
            value = json_value(folder.values[place])
            if isinstance(place, tuple):
                self.rows.append((version, value))
                continue
            if self.value is None:
                self.patches.append((version, [{"op": "add", "path": "", "value": value}]))
            elif patch := difference(self.value, value):
                self.patches.append((version, patch))
            self.value = value
        folder.changed.clear()
