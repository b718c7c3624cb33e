"""An encoder turns events into bytes on the wire. It is stateless, and shared by all subscribers of its kind."""

from collections.abc import Sequence
from typing import Any, Protocol


class Encoder(Protocol):
    """Turns the frames of one subscription into bytes."""

    @property
    def max_part_bytes(self) -> int | None:
        """How large an event or a document may be to be written; None: of any size."""

    def events(
        self, sub: str, session: str | None, to: int, resume: str, wires: Sequence[bytes], cursors: bytes = b""
    ) -> bytes:
        """Consecutive events, and the place `to` up to which the subscriber is then current, which is to `resume` from;
        `cursors`, where they have any, is a JSON list of the places behind each of them."""

    def notice(self, frame: dict[str, Any], resume: str) -> bytes:
        """A `caught_up`, `gap`, `view` or `bye`, behind which is to `resume` from."""
