"""Transcripts of the Claude Agent SDK in sessions: a `SessionStore` whose sessions are sessions of a gateway.

    store = StenogramSessionStore("http://127.0.0.1:8600", participant="coder")
    options = ClaudeAgentOptions(session_store=store)

A batch of entries is an event (`x.claude_agent_sdk.entries`), of the main transcript or of a sub-agent's (`subpath`);
what is deleted is one, too. An entry that is appended twice (its `uuid` says so) counts once. Two processes that append
to one transcript both do, in the order of their commits.
"""

from typing import Any, NamedTuple, Unpack

from claude_agent_sdk import SessionKey, SessionStore, fold_session_summary
from claude_agent_sdk.types import (
    SessionListSubkeysKey,
    SessionStoreEntry,
    SessionStoreListEntry,
    SessionSummaryEntry,
)

from .background import InBackground
from .folds import Folds
from .journal import Access, Entry, Journal, Reader, session_id

STORE = "claude_agent_sdk"


class Name(NamedTuple):
    """Which transcript: of a project's session, the main one or a sub-agent's."""

    project: str
    session: str
    subpath: str | None


class Transcript:
    """The entries of a transcript; `mtime` is when the last ones were stored, in milliseconds since 1970."""

    def __init__(self) -> None:
        self.entries: list[Any] = []
        self.mtime = 0
        self.summary: SessionSummaryEntry | None = None
        self._known: set[str] = set()

    def add(self, name: Name, entries: list[Any], mtime: int) -> None:
        """Add a batch, without what is known."""
        new = [each for each in entries if each.get("uuid") is None or each["uuid"] not in self._known]
        self._known.update(each["uuid"] for each in new if each.get("uuid") is not None)
        self.entries += new
        self.mtime = mtime
        if name.subpath is None:
            key: SessionKey = {"project_key": name.project, "session_id": name.session}
            self.summary = {**fold_session_summary(self.summary, key, new), "mtime": mtime}


class Transcripts:
    """The transcripts in one session, as its records tell them."""

    def __init__(self) -> None:
        self.reader = Reader()
        self.known: dict[Name, Transcript] = {}

    def fold(self, entry: Entry) -> None:
        """Add a record."""
        record = entry.record
        name = Name(record["project"], record["session"], record.get("subpath"))
        if entry.kind == "entries":
            mtime = int(entry.time.timestamp() * 1_000)
            self.known.setdefault(name, Transcript()).add(name, record["entries"], mtime)
        elif entry.kind == "deleted":
            gone = [each for each in self.known if each[:2] == name[:2] and name.subpath in (None, each.subpath)]
            for each in gone:
                del self.known[each]


class StenogramSessionStore(InBackground, SessionStore):
    """Keeps transcripts at a gateway: `url`, and who this is there (`token`, or on an open gateway `participant` and
    `kind`, an agent by default). It connects with the first call, and may be used from any event loop; `aclose`
    (`async with`) ends it, as does the end of the process."""

    def __init__(self, url: str, **access: Unpack[Access]) -> None:
        self._journal = Journal(STORE, url, access)
        self._background = self._journal.background
        self._folds = Folds(self._journal, Transcripts)

    async def append(self, key: SessionKey, entries: list[SessionStoreEntry]) -> None:
        """Append a batch, all or none."""
        if entries:
            record = {**_record(key), "entries": list(entries)}
            await self._background.arun(self._journal.append(session_id(key["session_id"]), "entries", record))

    async def load(self, key: SessionKey) -> list[SessionStoreEntry] | None:
        """The entries of a transcript; None where there are none."""
        found = await self._background.arun(self._of(key["session_id"]))
        transcript = found.get(Name(key["project_key"], key["session_id"], key.get("subpath")))
        return None if transcript is None else list(transcript.entries)

    async def list_sessions(self, project_key: str) -> list[SessionStoreListEntry]:
        """The sessions of a project, each with when it was stored to last."""
        found = await self._background.arun(self._main_transcripts(project_key))
        return [{"session_id": name.session, "mtime": transcript.mtime} for name, transcript in found]

    async def list_session_summaries(self, project_key: str) -> list[SessionSummaryEntry]:
        """The same with what the SDK shows of them, folded from their entries."""
        found = await self._background.arun(self._main_transcripts(project_key))
        return [transcript.summary for _, transcript in found if transcript.summary is not None]

    async def delete(self, key: SessionKey) -> None:
        """Have a session with its sub-agents, or one sub-agent's transcript, no more. (The log keeps the events.)"""
        await self._background.arun(self._delete(key))

    async def list_subkeys(self, key: SessionListSubkeysKey) -> list[str]:
        """The sub-agents' transcripts of a session."""
        found = await self._background.arun(self._of(key["session_id"]))
        of_this = [name for name in found if name[:2] == (key["project_key"], key["session_id"])]
        return [name.subpath for name in of_this if name.subpath is not None]

    async def _of(self, session: str) -> dict[Name, Transcript]:
        async with self._folds.current(session_id(session)) as transcripts:
            return dict(transcripts.known)

    async def _main_transcripts(self, project: str) -> list[tuple[Name, Transcript]]:
        found: list[tuple[Name, Transcript]] = []
        async for session in self._journal.sessions():
            async with self._folds.current(session) as transcripts:
                known = transcripts.known.items()
                found += [(name, each) for name, each in known if name.project == project and name.subpath is None]
        return found

    async def _delete(self, key: SessionKey) -> None:
        async with self._folds.current(session_id(key["session_id"])) as transcripts:
            if any(name[:2] == (key["project_key"], key["session_id"]) for name in transcripts.known):
                await self._journal.append(session_id(key["session_id"]), "deleted", _record(key))


def _record(key: SessionKey) -> dict[str, Any]:
    named = {"project": key["project_key"], "session": key["session_id"]}
    return {**named, "subpath": key["subpath"]} if "subpath" in key else named
