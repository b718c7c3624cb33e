"""Conversations of OpenAI Agents in sessions: a `Session` of the SDK that is a session of a gateway.

    sessions = StenogramSessions("http://127.0.0.1:8600", participant="concierge")
    await Runner.run(agent, "A hotel in Lisbon?", session=sessions.session("trip-7"))

What is added is an event (`x.openai_agents.items`), and so is what is taken back (`.popped`) or cleared (`.cleared`).
Two that add to one conversation both do, in the order of their commits; of two that pop each gets an item of its own.
"""

from typing import Any, Unpack

from agents.items import TResponseInputItem
from agents.memory import SessionSettings

from ..domain.errors import Conflict
from .background import InBackground
from .folds import Folds
from .journal import Access, Entry, Journal, Reader, session_id

STORE = "openai_agents"


class Conversation:
    """The items of a conversation, as its records tell them."""

    def __init__(self) -> None:
        self.reader = Reader()
        self.items: list[Any] = []

    def fold(self, entry: Entry) -> None:
        """Add a record."""
        match entry.kind:
            case "items":
                self.items.extend(entry.record["items"])
            case "popped":
                self.items.pop()
            case "cleared":
                self.items.clear()


class StenogramSessions(InBackground):
    """Makes sessions of one gateway: `url`, and who this is there (`token`, or on an open gateway `participant` and
    `kind`, an agent by default). All share one connection, which is made with the first call; `aclose` (`async with`)
    ends it, as does the end of the process. They may be used from any event loop."""

    def __init__(self, url: str, **access: Unpack[Access]) -> None:
        self._journal = Journal(STORE, url, access)
        self._background = self._journal.background
        self._folds = Folds(self._journal, Conversation)

    def session(self, id: str, settings: SessionSettings | None = None) -> "StenogramSession":
        """The conversation of this name: the session of a gateway that is called so."""
        return StenogramSession(id, self._journal, self._folds, settings)


class StenogramSession:
    """A conversation (`agents.memory.Session`); made by `StenogramSessions.session`."""

    def __init__(self, id: str, journal: Journal, folds: Folds[Conversation], settings: SessionSettings | None) -> None:
        self.session_id = id
        self.session_settings: SessionSettings | None = settings
        self._journal = journal
        self._folds = folds
        self._session = session_id(id)

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """All items, or the last ones, in order."""
        if limit is None and self.session_settings is not None:
            limit = self.session_settings.limit
        items = await self._journal.background.arun(self._items())
        return items if limit is None or limit < 0 else items[max(0, len(items) - limit) :]

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Add items, all or none."""
        if items:
            await self._journal.background.arun(self._journal.append(self._session, "items", {"items": list(items)}))

    async def pop_item(self) -> TResponseInputItem | None:
        """Take the last item back; None when there is none. No other gets it."""
        return await self._journal.background.arun(self._pop())

    async def clear_session(self) -> None:
        """Take all items back."""
        await self._journal.background.arun(self._clear())

    async def _items(self) -> list[Any]:
        async with self._folds.current(self._session) as conversation:
            return list(conversation.items)

    async def _pop(self) -> Any:
        while True:
            async with self._folds.current(self._session) as conversation:
                if not conversation.items:
                    return None
                last = conversation.items[-1]
                try:
                    await self._journal.append(self._session, "popped", {}, expect=conversation.reader.head)
                except Conflict as conflict:
                    if type(conflict) is not Conflict:
                        raise
                    continue  # another has written meanwhile: the last one is another now
                return last

    async def _clear(self) -> None:
        async with self._folds.current(self._session) as conversation:
            if conversation.items:
                await self._journal.append(self._session, "cleared", {})
