"""Which messages and tool calls are finished: folded readings leave out their deltas.

A subscriber that did not get the first deltas of one must not get the rest either, live or from the past, nor on
its next connection. So what is known must never shrink, and is determined when frames are made: the sessions in memory
are as new as everything that was published to the feed.
"""

from collections.abc import Iterable

from ...domain.state import State
from ...log.log import Log
from ...log.records import Record
from .event_filter import DELTAS, Finished, stream_of

_FINISHING = ("message.completed", "message.aborted", "tool.returned", "tool.abandoned")


def finished_now(log: Log, records: Iterable[Record]) -> Finished:
    """The messages and calls of these records that are finished, as far as they and the sessions in memory say."""
    finished, streaming = set(), set()
    for record in records:
        if record.type in DELTAS:
            streaming.add(stream_of(record))
        elif record.type in _FINISHING:
            finished.add(stream_of(record))
    for session, subject in streaming - finished:
        state = log.cached_state(session)
        if state is not None and _is_finished(state, subject):
            finished.add((session, subject))
    return frozenset(finished)


def _is_finished(state: State, subject: str) -> bool:
    kind, _, id = subject.partition(":")
    if kind == "tool":
        call = state.tools.known.get(id)
        return call is not None and not call.open
    message = state.messages.known.get(id)
    return message is not None and message.status != "open"


async def load_finished(log: Log, records: Iterable[Record]) -> None:
    """Have in memory the sessions in which something streams in these records. Folds those that are not."""
    for session in {record.session for record in records if record.type in DELTAS}:
        await log.state(session)
