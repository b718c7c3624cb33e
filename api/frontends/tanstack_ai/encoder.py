"""Bytes for TanStack AI's client, which all streams of a session share.

That client takes an id for a place behind which it has everything, and passes over an event whose id it has seen. So
no id comes twice, and what ends a run has none.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from ...delivery.resume_point import write_resume_point
from ...delivery.sse_encoder import http_chunk
from ...delivery.websocket_encoder import text_frame
from ..ag_ui import OURS
from ..ag_ui.encoder import joined
from ..envelopes import Members
from ..placed import Group, Placed, epoch_of, sse_group
from ..session_facts import FactsOfLog, SessionFacts
from .translation import tanstack_events

_NOTHING = http_chunk(b": \n\n")


class TanStackEncoder(NamedTuple):
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
        made = (each for wire in wires for each in translated(known, orjson.loads(wire), epoch_of(resume)))
        return self.group(joined(made))

    def notice(self, frame: dict[str, Any], resume: str) -> bytes:
        """The protocol has no word for where a stream has caught up. A gap is an event of ours."""
        if frame["frame"] != "gap":
            return self.group([])
        removed = {"type": "CUSTOM", "name": f"{OURS}.gap", "value": {"from": frame["from"], "to": frame["to"]}}
        return self.group([Placed(removed, resume)])


def translated(known: SessionFacts, members: Members, epoch: str) -> Iterator[Placed]:
    """One event of a session."""
    version = members["version"]
    made = tanstack_events(members, known.of(version), known.kind)
    before = write_resume_point(epoch, version - 1)
    for number, event in enumerate(made, 1):
        last = number == len(made)
        yield Placed(event, write_resume_point(epoch, version) if last else f"{before}_{number}")


def stream_group(events: Sequence[Placed]) -> bytes:
    """Blocks of server-sent events; a comment where there are none."""
    return sse_group(events) if events else _NOTHING


def socket_group(events: Sequence[Placed]) -> bytes:
    """Text frames: `{id, chunk}`, or without a place the event alone."""
    return b"".join(
        [text_frame(orjson.dumps(event if id is None else {"id": id, "chunk": event})) for event, id in events]
    )
