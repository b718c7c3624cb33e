"""The facts of the sessions that somebody follows by a foreign protocol (`speech_fold`), by version.

They are found out once, when an event is published, and shared by all encoders and subscribers. Facts of earlier events
are added when somebody resumes there. Those of a session are kept while somebody follows it.
"""

from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from ...domain.audience import Viewer
from ...domain.concepts.document import Document
from ...domain.errors import NotReady
from ...domain.ids import MessageId, ParticipantId, SessionId, TaskId, Version
from ...domain.model import Kind
from ...log.log import Log
from ...log.records import Record
from .snapshot_steps import SnapshotSteps
from .speech_fold import NOTHING, EventFact, SpeechFold
from .transcript import PAGE_EVENTS, Transcript

MOST_FACTS = 50_000
"""Facts kept of one session, about 20 MB; who is further behind than these reach resumes."""


class SessionFacts:
    """What is known of one session's events behind the version `start`."""

    def __init__(self, fold: SpeechFold) -> None:
        self.start = fold.version
        self.followers = 0
        self.broken = False
        """Whether the session has turned out to have another history: it has become a fork."""
        self.transcript: Transcript | None = None
        """What was said, where a protocol wants to know it with every event; `FollowedLog.with_transcript`."""
        self.encoded: dict[Hashable, bytes] = {}
        """What was encoded last, for readers of another group that get the same."""
        self.snapshots = SnapshotSteps()
        self._fold = fold
        self._facts: dict[int, EventFact] = {}

    def of(self, version: int) -> EventFact:
        """The fact of an event. Raises NotReady where it is not known: then its reader has to begin again."""
        if self.broken or not self.start < version <= self._fold.version:
            raise NotReady("What came before is not at hand any more; connect again.", retry_after=0.1)
        return self._facts.get(version, NOTHING)

    def kind(self, participant: ParticipantId) -> Kind | None:
        """What a participant is, who has ever joined."""
        return self._fold.kinds.get(participant)

    @property
    def version(self) -> int:
        """Up to which events are known."""
        return self._fold.version

    @property
    def document(self) -> Document:
        """The shared state, with all that is known."""
        return self._fold.document

    def latest_run(self, viewer: Viewer) -> int:
        """The version with which the newest run began that a viewer sees; 0 before the first."""
        return self._fold.runs.latest(viewer)

    def thought_first(self, message: MessageId) -> bool:
        """Whether a message that is streamed began with a thought."""
        return message in self._fold.thought_first

    def run_of(self, task: TaskId | None) -> TaskId | None:
        """The run that a task is a part of."""
        return self._fold.run_of(task)

    def author(self, message: MessageId) -> ParticipantId | None:
        """Whose a message is: somebody else may end it."""
        return self._fold.author(message)

    def since(self, subject: str) -> int:
        """The version with which a message, a call or an approval began, by its subject."""
        return self._fold.since(subject)

    def add(self, record: Record) -> None:
        """An event was published."""
        if record.version <= self._fold.version or self.broken:
            return
        if record.version != self._fold.version + 1:
            self.broken = True
            return
        fact = self._fold.add(record)
        self.snapshots.add(record, fact.run)
        if self.transcript is not None:
            self.transcript.add(record)
        if fact is not NOTHING:
            self._facts[record.version] = fact
            if len(self._facts) > MOST_FACTS:
                self._forget()

    def extend(self, start: int, facts: dict[int, EventFact], fold: SpeechFold, snapshots: SnapshotSteps) -> None:
        """Facts from an earlier version on, up to `start` or beyond, that a fold has found."""
        if start < self.start:
            self.snapshots.add_earlier(snapshots)
            self._facts = {**facts, **self._facts}
            self._fold.thought_first |= fold.thought_first
            self.start = start

    def _forget(self) -> None:
        oldest = sorted(self._facts)[: MOST_FACTS // 2]
        self.start = oldest[-1]
        for version in oldest:
            del self._facts[version]


class FactsOfLog:
    """The sessions of one log that are followed."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._sessions: dict[SessionId, SessionFacts] = {}

    def of(self, session: SessionId) -> SessionFacts:
        """Those of a session that is followed. Raises NotReady when it is not."""
        found = self._sessions.get(session)
        if found is None:
            raise NotReady("Nobody follows this session any more; connect again.", retry_after=0.1)
        return found

    @asynccontextmanager
    async def followed(self, session: SessionId) -> AsyncIterator[SessionFacts]:
        """Known for the time of the block, from now on."""
        facts = self._sessions.get(session)
        if facts is None or facts.broken:
            state = await self._log.state(session)
            # Again: another one may have begun to follow it while the state was read.
            facts = self._sessions.get(session)
            if facts is None or facts.broken:
                facts = self._sessions[session] = SessionFacts(SpeechFold(self._log.cached_state(session) or state))
        facts.followers += 1
        try:
            yield facts
        finally:
            facts.followers -= 1
            if not facts.followers and self._sessions.get(session) is facts:
                del self._sessions[session]

    async def reach_back(self, session: SessionId, facts: SessionFacts, start: int) -> None:
        """Have the facts of all events behind a version that is in the past."""
        if start >= facts.start:
            return
        fold, found, upto = SpeechFold(await self._log.state_at(session, Version(start))), dict[int, EventFact](), start
        snapshots = SnapshotSteps()
        while upto < facts.start and (page := await self._log.read_session(session, upto, PAGE_EVENTS)):
            for record in page:
                if record.version > facts.start:
                    break
                fact = fold.add(record)
                snapshots.add(record, fact.run)
                if fact is not NOTHING:
                    found[record.version] = fact
            upto = page[-1].version
        facts.extend(start, found, fold, snapshots)

    def published(self, records: list[Record]) -> None:
        """These were committed."""
        if self._sessions:
            for record in records:
                facts = self._sessions.get(record.session)
                if facts is not None:
                    facts.add(record)
