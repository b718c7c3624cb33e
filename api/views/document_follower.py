"""A follower of one document, and what it was sent last."""

from typing import Any

import orjson

from ...domain.audience import Viewer
from ...domain.ids import Position
from ...domain.json.diff import difference
from ...projections.authoring.projection import AnyProjection
from ..delivery.encoder import Encoder
from ..delivery.subscriber import SubscriberSink
from .rendering import etag_of


class RenderedDocument:
    """A document as some viewers see it; None where there is none."""

    def __init__(self, text: bytes | None) -> None:
        self.text = b"null" if text is None else text
        self.etag = etag_of(text)
        self._patches: dict[str, bytes] = {}

    def value(self) -> Any:
        """What the text says."""
        return orjson.loads(self.text)

    def patch_from(self, before: "RenderedDocument") -> bytes:
        """A patch that makes this of what was sent before; made once for all followers that have that."""
        patch = self._patches.get(before.etag)
        if patch is None:
            patch = self._patches[before.etag] = orjson.dumps(difference(before.value(), self.value()))
        return patch


class DocumentFollower:
    """Sends one document, and its changes, under the name of a subscription. `known` is the etag of the one
    that the client has."""

    def __init__(
        self,
        projection: AnyProjection,
        key: str,
        viewer: Viewer,
        sink: SubscriberSink,
        sub: str,
        encoder: Encoder,
        known: str,
    ) -> None:
        self.projection = projection
        self.key = key
        self.viewer = viewer
        self.known = known
        self._sink = sink
        self._sub = sub
        self._encoder = encoder
        self._sent: RenderedDocument | None = None

    @property
    def is_behind(self) -> bool:
        """Whether it must be sent the whole document next."""
        return self._sent is None

    def place(self) -> dict[str, str]:
        """What to subscribe to in order to go on from here."""
        return {"view": self.projection.name, "key": self.key, "known": self.known}

    def send(self, now: RenderedDocument, position: Position) -> None:
        """Write the document, or how it has changed. If the transport is full, the whole of it is written later."""
        before, self._sent = self._sent, now
        if not self._sink.open:
            # Forgotten, not queued: by the time it is open the document may have changed many times more.
            self._sent = None
        elif before is None:
            self._write(now, position, {} if self.known == now.etag else {"value": now.text})
        elif before.etag != now.etag:
            patch = now.patch_from(before)
            self._write(now, position, {"patch": patch} if len(patch) < len(now.text) else {"value": now.text})

    def _write(self, now: RenderedDocument, position: Position, what: dict[str, bytes]) -> None:
        self.known = now.etag
        about = {"frame": "view", "sub": self._sub, "view": self.projection.name, "key": self.key}
        rest = {name: orjson.Fragment(text) for name, text in what.items()}
        frame = {**about, "position": position, "etag": now.etag, **rest}
        self._sink.write(self._encoder.notice(frame, now.etag))
