"""An encoder turns events into bytes on the wire. It is stateless, and shared by all subscribers of its kind."""

from collections.abc import Sequence
from typing import Any, Protocol


class Encoder(Protocol):
    """Turns the frames of one subscription into bytes."""

    def events(
        self, sub: str, session: str | None, to: int, resume: str, wires: Sequence[bytes], cursors: bytes = b""
    ) -> bytes:
        """Consecutive events, and the place `to` up to which the subscriber is then current, which is to `resume` from;
        `cursors`, where they have any, is a JSON list of the places behind each of them."""

    def notice(self, frame: dict[str, Any], resume: str) -> bytes:
        """A `caught_up`, `gap` or `bye`, behind which is to `resume` from."""
