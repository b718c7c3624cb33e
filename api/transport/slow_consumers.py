"""Where a slow subscriber is closed: one whose client does not take what it is sent.

Nothing is dropped for it and nothing is kept for it beyond what its transport holds; it may resume where it was.
"""

from ..liveness.last_seen import NEVER
from ..protocol.close_codes import SLOW_CONSUMER
from .transport_sink import TransportSink

LINGER_S = 60.0
"""Seconds in which a slow client may still find out where to resume. It costs what its transport holds, and no more."""


class SlowConsumers:
    """Closes connections whose transport was full for `slow_after` seconds without sending a byte."""

    def __init__(self, slow_after: float) -> None:
        self._slow_after = slow_after
        self.closed = 0
        """How many there were."""

    def close_if_slow(self, sink: TransportSink, now: float, awake_since: float = NEVER) -> bool:
        """Close the connection if it is slow; whether it was. Called regularly, `now` being `time.monotonic`, by which
        this process has not stood still since `awake_since`."""
        if min(sink.stuck_for(now), now - awake_since) <= self._slow_after:
            return False
        self.closed += 1
        sink.close_with_bye(SLOW_CONSUMER, f"No progress for {self._slow_after:g} seconds.")
        return True
