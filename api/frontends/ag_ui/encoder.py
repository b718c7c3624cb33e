"""Where a session's events become AG-UI's, as bytes that all streams of the session share.

Each one has the place behind it as its id. Where a session's event is several of AG-UI's, all but the last have a place
within it: `epoch.v41_2` is behind the second event of what follows version 41. So a connection may be cut anywhere.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from ...delivery.resume_point import write_resume_point
from ...delivery.websocket_encoder import text_frame
from ..envelopes import Members
from ..placed import Group, Placed, epoch_of
from ..session_facts import FactsOfLog, SessionFacts
from . import OURS
from .translation import ag_ui_events

_PIECES = ("TEXT_MESSAGE_CONTENT", "REASONING_MESSAGE_CONTENT")


class AgUiEncoder(NamedTuple):
    """Groups of one form."""

    facts: FactsOfLog
    group: Group
    max_part_bytes: int | None = None

    def events(
        self, sub: str, session: str | None, to: int, resume: str, wires: Sequence[bytes], cursors: bytes = b""
    ) -> bytes:
        """One group. Raises NotReady where what came before is not known."""
        assert session is not None
        known = self.facts.of(session)
        made = joined(each for wire in wires for each in translated(known, orjson.loads(wire), epoch_of(resume)))
        return self.group(made or [Placed({}, resume)])

    def notice(self, frame: dict[str, Any], resume: str) -> bytes:
        """AG-UI has no word for where a stream has caught up. A gap is an event of ours."""
        if frame["frame"] != "gap":
            return self.group([Placed({}, resume)])
        removed = {"type": "CUSTOM", "name": f"{OURS}.gap", "value": {"from": frame["from"], "to": frame["to"]}}
        return self.group([Placed(removed, resume)])


def translated(known: SessionFacts, members: Members, epoch: str) -> Iterator[Placed]:
    """One event of a session."""
    version = members["version"]
    made = ag_ui_events(members, known.of(version), known.kind)
    before = write_resume_point(epoch, version - 1)
    for number, event in enumerate(made[:-1], 1):
        yield Placed(event, f"{before}_{number}")
    for event in made[-1:]:
        yield Placed(event, write_resume_point(epoch, version))


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
