"""What waits for the next commit: a command to decide, or an append that is decided already."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..domain.errors import HansardError
from ..domain.ids import SessionId, Version
from ..domain.model import Command
from .records import Append, Appended, Producer


@dataclass(slots=True, eq=False)
class Request:
    """One unit that is accepted or refused as a whole, and answered once, after its commit."""

    answer: "asyncio.Future[Appended]"
    size: int

    @property
    def session(self) -> SessionId:
        """The session it writes to."""
        raise NotImplementedError

    @property
    def key(self) -> str | None:
        """What makes it unique in its session, if anything does."""
        raise NotImplementedError

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

    @property
    def session(self) -> SessionId:
        """The command's session."""
        return self.command.session

    @property
    def key(self) -> str | None:
        """The command's id, unless its payload or producer tells repeats."""
        return self.command.id if self.command.data.keyed and self.producer is None else None


@dataclass(slots=True, eq=False)
class Write(Request):
    """Drafts to write as they are."""

    append: Append

    @property
    def session(self) -> SessionId:
        """The append's session."""
        return self.append.session

    @property
    def key(self) -> str | None:
        """The first draft's key."""
        return self.append.drafts[0].key if self.append.drafts else None

    @property
    def expect(self) -> Mapping[str, Version]:
        """The heads it expects."""
        return self.append.expect

    @property
    def producer(self) -> Producer | None:
        """The producer it belongs to."""
        return self.append.producer
