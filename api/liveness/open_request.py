"""An HTTP request that is answered later, or bit by bit: its participant is heard for as long as it is open.

Somebody who follows a stream, or waits for what comes next, sends nothing meanwhile. What there is to be heard is that
the connection is there. One that ended is known to be gone; whether the machine at its other end still is, the kernel
knows where it says so (Linux): since when it has waited for what was sent to be acknowledged.
"""

import socket
import struct
import time

from aiohttp import web

_TCP_INFO = getattr(socket, "TCP_INFO", None)
_INFO_BYTES, _UNACKED, _LAST_ACK_RECEIVED = 60, 24, 56
"""Of Linux's `struct tcp_info`: its length so far, and where two of its numbers are (segments, milliseconds)."""


class OpenRequest:
    """Heard until it is found to be gone, or what was sent has not been acknowledged."""

    def __init__(self, request: web.BaseRequest) -> None:
        self._request = request
        self._heard_at = time.monotonic()
        self._gone = False

    @property
    def heard_at(self) -> float:
        """When it was last there, on the clock of `time.monotonic`."""
        if not self._gone:
            transport = self._request.transport
            self._gone = transport is None or transport.is_closing()
            # Once more, if it is gone now: it may have been there until a moment ago.
            silent = 0.0 if transport is None else _unacknowledged_for(transport.get_extra_info("socket"))
            self._heard_at = max(self._heard_at, time.monotonic() - silent)
        return self._heard_at


def _unacknowledged_for(connection: socket.socket | None) -> float:
    """For how many seconds nothing has been acknowledged while something waits for that; 0 if nothing does, or it is
    not known."""
    if _TCP_INFO is None or connection is None or connection.family not in (socket.AF_INET, socket.AF_INET6):
        return 0.0
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _INFO_BYTES)
    except OSError:  # it has just ended
        return 0.0
    if len(info) < _INFO_BYTES or not struct.unpack_from("=I", info, _UNACKED)[0]:
        return 0.0
    return float(struct.unpack_from("=I", info, _LAST_ACK_RECEIVED)[0]) / 1_000
