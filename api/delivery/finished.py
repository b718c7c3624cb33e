"""Which messages are finished: folded readings leave out their deltas.

Whoever was spared the first deltas of a message must be spared the rest, too, on whatever way they come and on the next
connection. So what is known must never shrink, and is looked up when frames are made: the sessions at hand are as new
as everything that the feed has been told of.
"""

from collections.abc import Iterable

from ...log.log import Log
from ...log.records import Record
from .event_filter import DELTA, Finished, message_of

_FINISHING = ("message.completed", "message.aborted")


def finished_now(log: Log, records: Iterable[Record]) -> Finished:
    """The messages of these records that are finished, as far as the records and the sessions at hand tell."""
    finished, streaming = set(), set()
    for record in records:
        if record.type == DELTA:
            streaming.add(message_of(record))
        elif record.type in _FINISHING:
            finished.add(message_of(record))
    for session, message in streaming - finished:
        state = log.at_hand(session)
        known = state.messages.known.get(message) if state is not None else None
        if known is not None and known.status != "open":
            finished.add((session, message))
    return frozenset(finished)


async def learn(log: Log, records: Iterable[Record]) -> None:
    """Have the sessions at hand whose messages stream in these records. Folds those that are not."""
    for session in {record.session for record in records if record.type == DELTA}:
        await log.state(session)
