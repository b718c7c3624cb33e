"""Where a session's events become AG-UI's, as bytes that all streams of the session share.

Each one has the place behind it as its id.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from ...delivery.websocket_encoder import text_frame
from ..envelopes import KindOf, Members
from ..placed import Group, Placed, epoch_of, places_behind
from ..session_facts import FactsOfLog, SessionFacts
from ..speech_fold import EventFact
from . import OURS
from .translation import AgUiEvent, ag_ui_events

_PIECES = ("TEXT_MESSAGE_CONTENT", "REASONING_MESSAGE_CONTENT")
Translate = Callable[[Members, EventFact, KindOf], list[AgUiEvent]]
"""What an event of a session is for clients of one kind."""


class AgUiEncoder(NamedTuple):
    """Groups of one form, for clients of one kind."""

    facts: FactsOfLog
    group: Group
    translate: Translate = ag_ui_events
    max_part_bytes: int | None = None

    def events(
        self, sub: str, session: str | None, to: int, resume: str, wires: Sequence[bytes], cursors: bytes = b""
    ) -> bytes:
        """One group. Raises NotReady where what came before is not known."""
        assert session is not None
        known = self.facts.of(session)
        epoch, translate = epoch_of(resume), self.translate
        made = joined(each for wire in wires for each in translated(known, orjson.loads(wire), epoch, translate))
        return self.group(made or [Placed({}, resume)])

    def notice(self, frame: dict[str, Any], resume: str) -> bytes:
        """AG-UI has no word for where a stream has caught up. A gap is an event of ours."""
        if frame["frame"] != "gap":
            return self.group([Placed({}, resume)])
        removed = {"type": "CUSTOM", "name": f"{OURS}.gap", "value": {"from": frame["from"], "to": frame["to"]}}
        return self.group([Placed(removed, resume)])


def translated(
    known: SessionFacts, members: Members, epoch: str, translate: Translate = ag_ui_events
) -> Iterator[Placed]:
    """One event of a session."""
    version = members["version"]
    made = translate(members, known.of(version), known.kind)
    return map(Placed, made, places_behind(epoch, version, len(made)))


def joined(events: Iterable[Placed]) -> list[Placed]:
    """The same, with pieces of one text that follow on each other made one."""
    made = list[Placed]()
    for event, id in events:
        last = made[-1].event if made else {}
        if event["type"] in _PIECES and last.get("type") == event["type"] and last["messageId"] == event["messageId"]:
            made[-1] = Placed({**last, "delta": last["delta"] + event["delta"]}, id)
        else:
            made.append(Placed(event, id))
    return made


def socket_group(events: Sequence[Placed]) -> bytes:
    """Text frames: `{id, chunk}`."""
    return b"".join([text_frame(orjson.dumps({"id": id, "chunk": event})) for event, id in events if event])
