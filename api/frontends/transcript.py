"""What was said in a session, for who joins late: messages and tool calls that are over, in the order in which they
began; and apart from these, questions.

It is folded from the log, of the events that end things, which hold them whole, and kept while memory allows; whoever
comes next reads on from there. Deltas are passed over unread. What is open is in the session's state.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from operator import itemgetter
from typing import Any, NamedTuple

import orjson

from ...domain.audience import Viewer, including, visible
from ...domain.ids import SessionId
from ...domain.state import State
from ...log.log import Log
from ...log.records import Record
from ...log.weighted_cache import WeightedCache
from .turn import RUN

PAGE_EVENTS = 1_000
KEPT_BYTES = 64 * 2**20
EMPTY_BYTES = 1_000
"""Of a transcript in which nothing was said; anybody may ask for those of sessions that there are not."""
RESULT_OF_PAGE = "x.ag_ui.tool_call_result"
"""Of a call of a tool that a page has: what the page says it came to."""
_RUNS = f"task:{RUN}"
_BEGINS = ("message.posted", "message.started", "tool.called", RESULT_OF_PAGE)
_ENDS = (RESULT_OF_PAGE, "message.posted", "message.completed", "message.aborted", "tool.returned", "tool.abandoned")


class Entry(NamedTuple):
    """A message or a tool call: the envelopes with which it began and ended; the same one where it was posted."""

    subject: str
    begun: dict[str, Any]
    ended: dict[str, Any] | None = None

    def visible(self, viewer: Viewer) -> bool:
        """Whether a viewer may see it, and all of it. Who ended it decides nothing."""
        last = self.ended or self.begun
        audience = last.get("audience")
        return visible(including(None if audience is None else tuple(audience), self.begun["actor"]), viewer)


class Transcript:
    """The entries of a session up to a version."""

    def __init__(self, session: SessionId) -> None:
        self.session = session
        self.version = 0
        self.bytes = EMPTY_BYTES
        self.reading = asyncio.Lock()
        self.runs: dict[str, int] = {}
        """The tasks that are runs, each with the version of its last event."""
        self.encoded: dict[str, tuple[Any, str, bytes]] = {}
        """Messages as a protocol shows them, by their subjects, each with its end and its role (`langchain.values`)."""
        self.encoded_bytes = 0
        self.questions: dict[str, Entry] = {}
        """Approvals, by their subjects."""
        self._asked: list[tuple[int, str]] = []
        self._entries: dict[str, Entry] = {}
        self._begun: list[tuple[int, str]] = []

    def add(self, record: Record) -> None:
        """The next event; one that was added before is passed over."""
        if record.version <= self.version:
            return
        self.version = record.version
        if record.type in _BEGINS:
            self.bytes += len(record.data)
            begun = _members(record)
            ended = begun if record.type in _ENDS else None
            # Several may be about the same: none of them ends another.
            subject = f"{record.subject}/{record.version}" if record.type == RESULT_OF_PAGE else record.subject
            self._entries[subject] = Entry(subject, begun, ended)
            self._begun.append((record.version, subject))
        elif record.type in _ENDS and (entry := self._entries.get(record.subject)) is not None:
            self.bytes += len(record.data)
            self._entries[record.subject] = entry._replace(ended=_members(record))
        elif record.type == "approval.requested":
            self.bytes += len(record.data)
            self.questions[record.subject] = Entry(record.subject, _members(record))
        elif record.subject in self.questions:
            self.bytes += len(record.data)
            asked = self.questions[record.subject]
            self.questions[record.subject] = asked._replace(ended=_members(record))
        elif record.subject.startswith(_RUNS):
            self.runs[record.subject.removeprefix("task:")] = record.version

    def get(self, subject: str) -> Entry | None:
        """A message or a call."""
        return self._entries.get(subject)

    def copy(self) -> "Transcript":
        """One that goes its own way from here."""
        made = Transcript(self.session)
        made.version, made.bytes, made._entries = self.version, self.bytes, dict(self._entries)
        made.runs, made.questions = dict(self.runs), dict(self.questions)
        made._begun, made._asked = [*self._begun], [*self._asked]
        return made

    def between(self, since: int, until: int) -> list[Entry]:
        """Those that began behind one version and up to another."""
        return [self._entries[subject] for subject in _between(self._begun, since, until)]

    def asked_between(self, since: int, until: int) -> list[Entry]:
        """The approvals that were asked for then."""
        if len(self._asked) < len(self.questions):
            self._asked = [(each.begun["version"], subject) for subject, each in self.questions.items()]
        return [self.questions[subject] for subject in _between(self._asked, since, until)]

    def newest_first(self) -> Iterator[Entry]:
        """All of them; also those that are open, without what they say."""
        return reversed(self._entries.values())


def _between(begun: list[tuple[int, str]], since: int, until: int) -> list[str]:
    first, last = [bisect_right(begun, version, key=itemgetter(0)) for version in (since, until)]
    return [subject for _, subject in begun[first:last]]


def _members(record: Record) -> dict[str, Any]:
    return {"version": record.version, **orjson.loads(record.data)}


class Transcripts:
    """The transcripts of one log."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._kept = WeightedCache[SessionId, Transcript](KEPT_BYTES)

    @asynccontextmanager
    async def now(self, session: SessionId) -> AsyncIterator[tuple[State, Transcript]]:
        """A session as it is now, and what was said in it up to there. Others wait for the block to end."""
        transcript = self._kept.use(session)
        if transcript is None:
            transcript = Transcript(session)
            self._kept.put(session, transcript, transcript.bytes)
        async with transcript.reading:
            state = await self._log.state(session)
            await self._read(transcript, state.version)
            if self._kept.get(session) is transcript:
                self._kept.put(session, transcript, transcript.bytes)
            yield state, transcript

    async def _read(self, transcript: Transcript, version: int) -> None:
        while transcript.version < version:
            page = await self._log.read_session(transcript.session, transcript.version, PAGE_EVENTS)
            for record in page:
                if record.version > version:
                    return
                transcript.add(record)
            if not page:
                return
