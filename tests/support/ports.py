"""Ports that nobody else is given while a server that listens there comes and goes.

The system gives a port that is free to whoever asks for any, such as the next test's gateway; and clients of the one
that is away would find that one.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held_port() -> Iterator[int]:
    """A port of this machine for the time of the block. Nothing listens there before a server does that may reuse an
    address, as asyncio's may."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
