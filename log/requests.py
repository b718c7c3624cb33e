"""What waits for the next commit: a command to decide, or appends that are decided already."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..domain.errors import HansardError
from ..domain.ids import SessionId, Version
from ..domain.model import Command
from .records import Append, Appended, Producer

Key = tuple[SessionId, str]


@dataclass(slots=True, eq=False)
class Request:
    """One unit that is accepted or refused as a whole, and answered once, after its commit.

    `doubts` counts how often the storage refused a batch with it for no reason that could be found.
    """

    answer: "asyncio.Future[Appended]"
    size: int
    doubts: int = field(default=0, init=False)

    @property
    def sessions(self) -> tuple[SessionId, ...]:
        """The sessions it writes to."""
        raise NotImplementedError

    @property
    def weight(self) -> int:
        """How many events it may come to, roughly."""
        return 1

    @property
    def key(self) -> Key | None:
        """What tells that it is a repeat, if anything does."""
        raise NotImplementedError

    @property
    def keys(self) -> tuple[Key, ...]:
        """Everything of it that must be unique."""
        key = self.key
        return () if key is None else (key,)

    def accept(self, result: Appended) -> None:
        """Answer, unless whoever asked has gone."""
        if not self.answer.done():
            self.answer.set_result(result)

    def refuse(self, error: HansardError) -> None:
        """Answer with a refusal, unless whoever asked has gone."""
        if not self.answer.done():
            self.answer.set_exception(error)


@dataclass(slots=True, eq=False)
class Execute(Request):
    """A command, decided when its turn comes against the session as it is then."""

    command: Command
    expect: Mapping[str, Version] = field(default_factory=dict)
    producer: Producer | None = None
    fresh: bool = field(default=False, init=False)
    """Whether the log was searched for a first result, in vain: only then a refusal may be put on record."""

    @property
    def sessions(self) -> tuple[SessionId, ...]:
        """The command's session."""
        return (self.command.session,)

    @property
    def key(self) -> Key | None:
        """The command's id, unless its payload or producer tells repeats."""
        command = self.command
        return (command.session, command.id) if command.data.keyed and self.producer is None else None


@dataclass(slots=True, eq=False)
class Write(Request):
    """Appends to write as they are, together or not at all."""

    appends: tuple[Append, ...]

    @property
    def sessions(self) -> tuple[SessionId, ...]:
        """The appends' sessions; what only advances a tracking belongs to none."""
        return tuple([append.session for append in self.appends if append.drafts or append.expect])

    @property
    def weight(self) -> int:
        """The number of drafts."""
        return sum([len(append.drafts) for append in self.appends])

    @property
    def key(self) -> Key | None:
        """The first draft's key."""
        first = next((append for append in self.appends if append.drafts), None)
        return None if first is None or first.drafts[0].key is None else (first.session, first.drafts[0].key)

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys of all drafts."""
        return tuple(
            [(append.session, draft.key) for append in self.appends for draft in append.drafts if draft.key is not None]
        )
