"""A connection is closed as slow when its transport was full for long and not a byte has left it."""

import asyncio
from typing import cast

import pytest

from stenogram.api.protocol.close_codes import SLOW_CONSUMER, CloseCode
from stenogram.api.transport.slow_consumers import SlowConsumers
from stenogram.api.transport.transport_sink import TransportSink


class FullTransport:
    """Holds so many bytes that were not sent."""

    unsent = 1_000

    def write(self, data: bytes) -> None:
        """Never called."""

    def get_write_buffer_size(self) -> int:
        """What asyncio's transports say."""
        return self.unsent


class Connection(TransportSink):
    """Remembers how it was closed."""

    close_code: CloseCode | None = None

    def close_with_bye(self, close_code: CloseCode, reason: str, retry_after: float = 0.0) -> None:
        """Close."""
        self.close_code = close_code


@pytest.fixture
def transport() -> FullTransport:
    return FullTransport()


@pytest.fixture
def connection(transport: FullTransport) -> Connection:
    made = Connection(cast(asyncio.Transport, transport))
    made.drained.set()
    assert not SlowConsumers(10.0).close_if_slow(made, 100.0)
    made.paused()
    return made


def test_a_transport_that_sends_nothing_for_too_long_is_closed(connection: Connection) -> None:
    slow = SlowConsumers(10.0)
    assert not slow.close_if_slow(connection, 110.0)
    assert slow.close_if_slow(connection, 110.5)
    assert (connection.close_code, slow.closed) == (SLOW_CONSUMER, 1)


def test_every_byte_that_leaves_counts_as_progress(connection: Connection, transport: FullTransport) -> None:
    slow = SlowConsumers(10.0)
    for now in range(101, 150):
        transport.unsent -= 1
        assert not slow.close_if_slow(connection, float(now))
    assert connection.close_code is None


def test_a_transport_that_is_not_full_is_never_slow(connection: Connection) -> None:
    slow = SlowConsumers(10.0)
    connection.resumed()
    assert not slow.close_if_slow(connection, 1_000.0)
