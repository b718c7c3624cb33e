"""Bytes for TanStack AI's client, which all streams of a session share.

That client takes an id for a place behind which it has everything, and passes over an event whose id it has seen. So
no id comes twice, and what ends a run has none.
"""

from collections.abc import Sequence

import orjson

from ...delivery.sse_encoder import http_chunk
from ...delivery.websocket_encoder import text_frame
from ..placed import Placed, sse_group

_NOTHING = http_chunk(b": \n\n")


def stream_group(events: Sequence[Placed]) -> bytes:
    """Blocks of server-sent events; a comment where there are none, since a place alone is none here."""
    shown = [each for each in events if each.event]
    return sse_group(shown) if shown else _NOTHING


def socket_group(events: Sequence[Placed]) -> bytes:
    """Text frames: `{id, chunk}`, or without a place the event alone."""
    shown = [event if id is None else {"id": id, "chunk": event} for event, id in events if event]
    return b"".join([text_frame(orjson.dumps(each)) for each in shown])
