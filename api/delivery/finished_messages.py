"""Which messages are finished: folded readings leave out their deltas.

A subscriber that did not get the first deltas of a message must not get the rest either, live or from the past, nor on
its next connection. So what is known must never shrink, and is determined when frames are made: the sessions in memory
are as new as everything that was published to the feed.
"""

from collections.abc import Iterable

from ...log.log import Log
from ...log.records import Record
from .event_filter import MESSAGE_DELTA, Finished, message_of

_FINISHING = ("message.completed", "message.aborted")


def finished_now(log: Log, records: Iterable[Record]) -> Finished:
    """The messages of these records that are finished, as far as the records and the sessions in memory say."""
    finished, streaming = set(), set()
    for record in records:
        if record.type == MESSAGE_DELTA:
            streaming.add(message_of(record))
        elif record.type in _FINISHING:
            finished.add(message_of(record))
    for session, message in streaming - finished:
        state = log.cached_state(session)
        known = state.messages.known.get(message) if state is not None else None
        if known is not None and known.status != "open":
            finished.add((session, message))
    return frozenset(finished)


async def load_finished(log: Log, records: Iterable[Record]) -> None:
    """Have in memory the sessions whose messages stream in these records. Folds those that are not."""
    for session in {record.session for record in records if record.type == MESSAGE_DELTA}:
        await log.state(session)
