"""Which events of a session bring a snapshot of something, where a protocol has snapshots only.

One that a later event replaces need not be made for who gets both at once, or reads the past: each may be a mebibyte,
and come of an event of a hundred bytes.
"""

from collections import deque
from typing import NamedTuple

from ...domain.audience import Viewer, visible
from ...domain.envelope import readers_of
from ...log.records import Record
from .run_fold import RunStep

THREAD, STATE = "/thread", "/state"
"""What they are of, besides agents: no agent's id has a slash."""
KEPT = 64


class Bringing(NamedTuple):
    """An event that brings one, who sees that event, and what has become of a run by it."""

    version: int
    readers: tuple[str, ...] | None
    step: RunStep | None

    def shown_to(self, viewer: Viewer) -> bool:
        """Whether it brings one to this viewer."""
        return visible(self.readers, viewer) and (self.step is None or self.step.shows(viewer))


class SnapshotSteps:
    """The last such events, some of each kind."""

    def __init__(self) -> None:
        self._last: dict[str, deque[Bringing]] = {}

    def add(self, record: Record, step: RunStep | None) -> None:
        """The next event."""
        if record.type.startswith("state."):
            self._note(STATE, record, None)
        elif step is not None and step.agent is None:
            self._note(THREAD, record, step)
        elif step is not None and step.agent is not None and step.step == "part_ended":
            self._note(step.agent, record, None)

    def add_earlier(self, earlier: "SnapshotSteps") -> None:
        """What came before all of these."""
        for what, found in earlier._last.items():
            self._last[what] = deque([*found, *self._last.get(what, ())], KEPT)

    def replaced(self, what: str, version: int, viewer: Viewer) -> bool:
        """Whether a later event than this brings a viewer another one."""
        for each in reversed(self._last.get(what, ())):
            if each.version <= version:
                break
            if each.shown_to(viewer):
                return True
        return what == STATE and self.replaced(THREAD, version, viewer)

    def _note(self, what: str, record: Record, step: RunStep | None) -> None:
        kept = self._last.setdefault(what, deque(maxlen=KEPT))
        kept.append(Bringing(record.version, readers_of(record.data), step))
