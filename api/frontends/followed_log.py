"""What the protocols share of one log: its facts, its transcripts, and who waits for the end of a turn."""

from weakref import WeakValueDictionary

from ...domain.ids import SessionId
from ...log.log import Log
from ...log.records import Record
from .session_facts import FactsOfLog, SessionFacts
from .transcript import PAGE_EVENTS, Transcripts
from .turn_watch import TurnWatch


class FollowedLog:
    """One of them for each log; it lives as long as that."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.facts = FactsOfLog(log)
        self.transcripts = Transcripts(log)
        self.watch = TurnWatch()
        log.hub.listen(self._published)

    async def with_transcript(self, session: SessionId, facts: SessionFacts) -> None:
        """Have the facts of a session know what was said in it, from now on."""
        if facts.transcript is not None:
            return
        async with self.transcripts.now(session) as (_, known):
            transcript = known.copy()
        # What is published meanwhile is added here; behind the last look at the version nothing is awaited.
        while transcript.version < facts.version:
            for record in await self.log.read_session(session, transcript.version, PAGE_EVENTS):
                transcript.add(record)
        facts.transcript = transcript

    def _published(self, records: list[Record]) -> None:
        self.facts.published(records)
        self.watch.published(records)


_followed: WeakValueDictionary[int, FollowedLog] = WeakValueDictionary()
"""By the log's identity. The log's hub holds it, and it the log: they go together."""


def followed_log(log: Log) -> FollowedLog:
    """What is shared of this log."""
    found = _followed.get(id(log))
    if found is None:
        found = _followed[id(log)] = FollowedLog(log)
    return found
