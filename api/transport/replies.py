"""Replies to the frames of one client. Those of one turn of the loop share a message."""

from collections.abc import Iterator
from typing import Any

import orjson

from ...domain.errors import StenogramError
from ...log.records import Appended
from ..delivery.websocket_encoder import text_frame
from ..loop.tick_batcher import TickBatcher
from .transport_sink import TransportSink

MAX_MEMBER_BYTES = 8_192
"""Bytes of JSON. What a problem says beyond that is left out of frames: a client could ask for it any number of times
in one message, and the replies wait in memory."""
MAX_PLACES = 2_000
"""Of a command that led to more events, an ack names the places of the first ones and of the last one."""


class Replies:
    """Collects replies for `sink` and writes them at the end of the turn."""

    def __init__(self, sink: TransportSink, tick: TickBatcher, max_bytes: int) -> None:
        self._sink = sink
        self._max_bytes = max_bytes
        self._tick = tick
        self._waiting: list[str] = []

    def add(self, frame: dict[str, Any]) -> None:
        """Reply with this frame."""
        self._add(orjson.dumps(frame).decode())

    def ack(self, id: str, session: str, result: Appended) -> None:
        """Say at which places a command's events are. The plain case is written by hand: it is the most common."""
        versions, positions, repeated = result
        if len(versions) == 1 and not repeated:
            (version,), (position,) = versions, positions
            return self._add(
                f'{{"frame":"ack","id":"{id}","session":"{session}","versions":[{version}],"positions":[{position}]}}'
            )
        if len(versions) > MAX_PLACES:
            versions, positions = [(*each[: MAX_PLACES - 1], each[-1]) for each in (versions, positions)]
        frame = {"frame": "ack", "id": id, "session": session, "versions": versions, "positions": positions}
        return self.add({**frame, "repeated": True} if repeated else frame)

    def refuse(self, error: StenogramError, **about: Any) -> None:
        """Say that a frame was not carried out; `about` names it, as far as that could be read."""
        named = {name: value for name, value in about.items() if isinstance(value, str)}
        problem = {
            name: value for name, value in error.problem().items() if len(orjson.dumps(value)) <= MAX_MEMBER_BYTES
        }
        self.add({"frame": "refused", **named, "error": problem})

    def flush(self) -> None:
        """Write what waits."""
        waiting, self._waiting = self._waiting, []
        if len(waiting) == 1:
            self._sink.write(text_frame(waiting[0].encode()))
        elif waiting:
            for some in self._messages([each.encode() for each in waiting]):
                self._sink.write(text_frame(b"[%s]" % b",".join(some)))

    def _messages(self, frames: list[bytes]) -> Iterator[list[bytes]]:
        """As many at a time as fit into a message."""
        if sum(map(len, frames)) + len(frames) < self._max_bytes:  # most often
            yield frames
            return
        start, size = 0, 1
        for number, frame in enumerate(frames):
            size += len(frame) + 1
            if size > self._max_bytes and number > start:
                yield frames[start:number]
                start, size = number, len(frame) + 2
        yield frames[start:]

    def _add(self, frame: str) -> None:
        if not self._waiting:
            self._tick.at_end(self.flush)
        self._waiting.append(frame)
