"""Conversations of Pydantic AI in sessions: a `ConversationStore` whose conversations are sessions of a gateway.

    store = StenogramConversationStore("http://127.0.0.1:8600", participant="concierge")
    conversation = await store.load("trip-7") or Conversation(conversation_id="trip-7")
    result = await agent.run("A hotel in Lisbon?", conversation=conversation)
    await store.save(result)

A save is an event (`x.pydantic_ai.saved`: the messages that are new, and the record), and so is a delete. A fork is a
fork of the session: it shares the entries, and keeps them when the origin is deleted. Of two that save what both have
loaded, the second gets `ConversationConflict`.
"""

from collections.abc import Sequence
from typing import Any, Unpack

from pydantic import TypeAdapter
from pydantic_ai.conversation_store import (
    ConversationConflict,
    ConversationEntry,
    ConversationRecord,
    ConversationStore,
)
from pydantic_ai.messages import ModelMessagesTypeAdapter

from ..domain.errors import Conflict
from ..domain.ids import SessionId
from .background import InBackground
from .folds import Folds
from .journal import Access, Entry, Journal, Reader, session_id

STORE = "pydantic_ai"
_RECORD: TypeAdapter[ConversationRecord] = TypeAdapter(ConversationRecord)
Stored = dict[str, Any]
"""An entry as JSON: id, parent, message."""


class Log:
    """A conversation as its records tell it. Entries outlive the conversation: a fork may rest on them."""

    def __init__(self) -> None:
        self.reader = Reader()
        self.record: dict[str, Any] | None = None
        self.entries: dict[str, Stored] = {}

    def fold(self, entry: Entry) -> None:
        """Add a record."""
        if entry.kind == "saved":
            self.record = entry.record["record"]
            self.entries |= {each["id"]: each for each in entry.record["entries"]}
        elif entry.kind == "deleted":
            self.record = None

    def of(self, conversation: str) -> dict[str, Any] | None:
        """The record, if it is this conversation's: a fork begins with its origin's."""
        return self.record if self.record and self.record["conversation_id"] == conversation else None

    def history(self, head: str | None, limit: int | None) -> list[Stored]:
        """The entries up to `head`, in order, or the last ones of them. Raises LookupError."""
        found: list[Stored] = []
        while head is not None and (limit is None or len(found) < limit):
            found.append(self.entries[head])
            head = found[-1]["parent"]
        return found[::-1]


class Conversations:
    """The conversations of a gateway, as JSON; to be used in the journal's loop."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._folds = Folds(journal, Log)

    async def read(self, conversation: str) -> dict[str, Any] | None:
        """The record of a conversation."""
        async with self._folds.current(session_id(conversation)) as log:
            return log.of(conversation)

    async def all(self) -> list[dict[str, Any]]:
        """The records of all conversations."""
        found = list[dict[str, Any]]()
        async for session in self._journal.sessions():
            async with self._folds.current(session) as log:
                if log.record is not None and session_id(log.record["conversation_id"]) == session:
                    found.append(log.record)
        return found

    async def write(self, record: dict[str, Any], entries: list[Stored], expected: str | None) -> None:
        """Store a record with its new entries. Raises ConversationConflict."""
        conversation = record["conversation_id"]
        session, origin, shared = session_id(conversation), record["forked_from"], list[Stored]()
        if origin is not None and expected is None:
            shared = await self.history(record["head_id"], None)
            if await self._journal.fork(session_id(origin), session):
                shared = []
        async with self._folds.current(session) as log:
            known = log.of(conversation)
            head = record["head_id"]
            reachable = head is None or head in log.entries or any(each["id"] == head for each in [*entries, *shared])
            if (known and known["revision"]) != expected or not reachable:
                raise ConversationConflict(conversation)
            await self._append(session, log, conversation, "saved", {"record": record, "entries": [*shared, *entries]})

    async def delete(self, conversation: str, expected: str) -> None:
        """Have a conversation no more. Raises ConversationConflict."""
        session = session_id(conversation)
        async with self._folds.current(session) as log:
            known = log.of(conversation)
            if known is None or known["revision"] != expected:
                raise ConversationConflict(conversation)
            await self._append(session, log, conversation, "deleted", {})

    async def _append(self, session: SessionId, log: Log, conversation: str, kind: str, record: Any) -> None:
        try:
            await self._journal.append(session, kind, record, expect=log.reader.head)
        except Conflict as conflict:
            raise (ConversationConflict(conversation) if type(conflict) is Conflict else conflict) from None

    async def history(self, head: str | None, limit: int | None) -> list[Stored]:
        """The entries up to this one, or the last ones: looked for in the conversations that are in memory, and then in
        all. Raises LookupError."""
        if head is None:
            return []
        for log in self._folds.known():
            if head in log.entries:
                return log.history(head, limit)
        async for session in self._journal.sessions():
            async with self._folds.current(session) as log:
                if head in log.entries:
                    return log.history(head, limit)
        raise LookupError(head)


class StenogramConversationStore(InBackground, ConversationStore):
    """Keeps conversations at a gateway: `url`, and who this is there (`token`, or on an open gateway `participant` and
    `kind`, an agent by default). It connects with the first call, and may be used from any event loop; `aclose`
    (`async with`) ends it, as does the end of the process.

    A deleted conversation no longer loads or lists; its events stay in the log.
    """

    def __init__(self, url: str, **access: Unpack[Access]) -> None:
        journal = Journal(STORE, url, access)
        self._conversations = Conversations(journal)
        self._background = journal.background

    async def read_record(self, conversation_id: str) -> ConversationRecord | None:
        """The record of a conversation."""
        found = await self._background.arun(self._conversations.read(conversation_id))
        return None if found is None else _RECORD.validate_python(found)

    async def read_records(self, *, scope: str | None = None, limit: int | None = None) -> Sequence[ConversationRecord]:
        """The records of all conversations that this participant may read, or of a scope, saved last first."""
        found = [_RECORD.validate_python(each) for each in await self._background.arun(self._conversations.all())]
        chosen = [each for each in found if scope is None or each.scope == scope]
        return sorted(chosen, key=lambda each: each.updated_at, reverse=True)[:limit]

    async def write_record(
        self,
        record: ConversationRecord,
        *,
        new_entries: Sequence[ConversationEntry] = (),
        expected_revision: str | None,
    ) -> None:
        """Store a record with its new entries, both or none. Raises ConversationConflict."""
        dumped, entries = _RECORD.dump_python(record, mode="json"), [_dumped(each) for each in new_entries]
        await self._background.arun(self._conversations.write(dumped, entries, expected_revision))

    async def delete_record(self, conversation_id: str, *, expected_revision: str) -> None:
        """Have a conversation no more. Raises ConversationConflict."""
        await self._background.arun(self._conversations.delete(conversation_id, expected_revision))

    async def read_entry(self, entry_id: str) -> ConversationEntry:
        """An entry of any conversation. Raises LookupError."""
        return (await self.read_history(entry_id, limit=1))[0]

    async def read_history(self, head_id: str | None, *, limit: int | None = None) -> list[ConversationEntry]:
        """The entries up to this one, in order, or the last ones of them. Raises LookupError."""
        found = await self._background.arun(self._conversations.history(head_id, limit))
        messages = ModelMessagesTypeAdapter.validate_python([each["message"] for each in found])
        return [
            ConversationEntry(id=each["id"], parent_id=each["parent"], message=message)
            for each, message in zip(found, messages, strict=True)
        ]


def _dumped(entry: ConversationEntry) -> Stored:
    (message,) = ModelMessagesTypeAdapter.dump_python([entry.message], mode="json")
    return {"id": entry.id, "parent": entry.parent_id, "message": message}
