"""An HTTP request that is answered later, or bit by bit: its participant is heard for as long as it is open.

Somebody who follows a stream, or waits for what comes next, sends nothing meanwhile. That the connection is there is
what there is to be heard.
"""

import socket
import time

from aiohttp import web

VANISHED_AFTER_S = 15
"""Seconds after which the connection of a peer ends that does not take what was sent, because its machine or the way to
it is gone. Without this the kernel would try for a quarter of an hour."""


class OpenRequest:
    """Heard until it is found to be gone, which ends it as soon as something is written, or its participant's silence
    is judged."""

    def __init__(self, request: web.BaseRequest) -> None:
        self._request = request
        self._heard_at = time.monotonic()
        self._gone = False
        _give_up_on_vanished(request)

    @property
    def heard_at(self) -> float:
        """When it was last there, on the clock of `time.monotonic`."""
        if not self._gone:
            transport = self._request.transport
            self._gone = transport is None or transport.is_closing()
            # Once more, if it is gone now: it may have been there until a moment ago.
            self._heard_at = time.monotonic()
        return self._heard_at


def _give_up_on_vanished(request: web.BaseRequest) -> None:
    option, transport = getattr(socket, "TCP_USER_TIMEOUT", None), request.transport
    found = None if transport is None else transport.get_extra_info("socket")
    if option is not None and found is not None and found.family in (socket.AF_INET, socket.AF_INET6):
        found.setsockopt(socket.IPPROTO_TCP, option, VANISHED_AFTER_S * 1_000)
