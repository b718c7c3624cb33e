"""A request is heard while it is open, and its peer takes what it is sent."""

import socket
import struct
import time
from typing import Any

import pytest
from aiohttp import web

from stenogram.api.liveness.open_request import OpenRequest

pytestmark = pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="only Linux tells what was acknowledged")


class Connection:
    """A connection, as its transport, its socket and its request."""

    family = socket.AF_INET
    unacknowledged = 0
    last_ack_ms = 0
    closing = False

    @property
    def transport(self) -> "Connection":
        """What carries it."""
        return self

    def is_closing(self) -> bool:
        """Whether it ends."""
        return self.closing

    def get_extra_info(self, _: str) -> "Connection":
        """The socket."""
        return self

    def getsockopt(self, *_: Any) -> bytes:
        """As Linux fills `struct tcp_info`."""
        return struct.pack("=8B13I", *[0] * 8, *[0] * 4, self.unacknowledged, *[0] * 7, self.last_ack_ms)


class Request(web.BaseRequest):
    """A request over it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @property
    def transport(self) -> Any:
        """What carries it."""
        return self.connection.transport


def silent_for(request: OpenRequest) -> float:
    """To a tenth of a second."""
    return round(time.monotonic() - request.heard_at, 1)


def test_one_who_has_taken_everything_is_heard() -> None:
    connection = Connection()
    request = OpenRequest(Request(connection))
    connection.last_ack_ms = 9_000
    assert silent_for(request) == 0.0


def test_one_who_does_not_take_what_it_is_sent_is_silent_since_it_last_did() -> None:
    connection = Connection()
    request = OpenRequest(Request(connection))
    request._heard_at -= 20
    connection.unacknowledged, connection.last_ack_ms = 1, 9_000
    assert silent_for(request) == 9.0


def test_one_who_is_gone_is_heard_no_more() -> None:
    connection = Connection()
    request = OpenRequest(Request(connection))
    connection.closing = True
    request._heard_at -= 20
    assert silent_for(request) == 0.0, "it may have ended just now"
    request._heard_at -= 20
    assert silent_for(request) == 20.0
