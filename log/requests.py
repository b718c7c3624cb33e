"""What waits for the next commit: a command to decide, or appends that are decided already."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from ..domain.errors import HansardError
from ..domain.ids import SessionId, Version
from ..domain.model import Command
from ..domain.session import State
from .records import Append, Appended, Producer

_logger = logging.getLogger(__name__)

Key = tuple[SessionId, str]
Outcome = Appended | HansardError
DECIDING = 8
"""What deciding a command weighs, in drafts that are given their places."""
Answered = Callable[[Any, Outcome], None]
"""Is told once what a request came to, and which, on the loop, between other work: it must be quick."""


def _nobody(_: object) -> None:
    """Who is told of nothing."""


class Request:
    """One unit that is accepted or refused as a whole, and answered once, after its commit.

    `sessions` are those that it writes to, `keys` everything of it that must be unique, `weight` is how long planning
    it holds the loop, roughly, in drafts that are given their places. `done`: it was answered, or withdrawn by whoever
    asked. `leave` is the queue's, and told of either. `doubts` counts how often the storage refused a batch with it for
    no reason that could be found.
    """

    __slots__ = ("answered", "done", "doubts", "keys", "leave", "sessions", "size", "weight")

    def __init__(
        self,
        answered: Answered,
        size: int,
        sessions: tuple[SessionId, ...],
        keys: tuple[Key, ...] = (),
        weight: int = DECIDING,
    ) -> None:
        self.answered = answered
        self.size = size
        self.sessions = sessions
        self.keys = keys
        self.weight = weight
        self.done = False
        self.doubts = 0
        self.leave: Callable[[Request], None] = _nobody

    @property
    def key(self) -> Key | None:
        """What tells that it is a repeat, if anything does."""
        return self.keys[0] if self.keys else None

    def answer(self, outcome: Outcome) -> None:
        """Answer with places or a refusal, unless whoever asked has gone."""
        if not self.done:
            self.done = True
            self.leave(self)
            try:
                self.answered(self, outcome)
            except Exception:  # the others must be answered, whatever becomes of this one
                _logger.exception("answering a request failed")

    def withdraw(self) -> None:
        """Nobody asks any more: it is passed over if it still waits, and never answered."""
        if not self.done:
            self.done = True
            self.leave(self)


class Execute(Request):
    """A command, decided when its turn comes against the session as it is then.

    `fresh`: the log was searched for a first result, in vain; only then a refusal may be put on record. `origin` is
    that of a fork, once it has been read.
    """

    __slots__ = ("command", "expect", "fresh", "origin", "producer")

    def __init__(
        self,
        answered: Answered,
        size: int,
        command: Command,
        expect: Mapping[str, Version] | None = None,
        producer: Producer | None = None,
    ) -> None:
        id, session, _, _, data, _, _ = command
        keyed = data.keyed and producer is None  # otherwise the payload or the producer tells repeats
        super().__init__(answered, size, (session,), ((session, id),) if keyed else ())
        self.command = command
        self.expect = expect
        self.producer = producer
        self.fresh = False
        self.origin: State | None = None


class Review(Request):
    """Asks that what the log says of a session's life be set right, by its state."""

    __slots__ = ()

    def __init__(self, answered: Answered, session: SessionId) -> None:
        super().__init__(answered, 0, (session,))


class Write(Request):
    """Appends to write as they are, together or not at all."""

    __slots__ = ("appends",)

    def __init__(self, answered: Answered, size: int, appends: tuple[Append, ...]) -> None:
        sessions = [append.session for append in appends if append.drafts or append.expect]
        drafts = [(append.session, draft) for append in appends for draft in append.drafts]
        keys = [(session, draft.key) for session, draft in drafts if draft.key is not None]
        super().__init__(answered, size, tuple(sessions), tuple(keys), DECIDING + len(drafts))
        self.appends = appends

    @property
    def key(self) -> Key | None:
        """The first draft's key."""
        first = next((append for append in self.appends if append.drafts), None)
        return None if first is None or first.drafts[0].key is None else (first.session, first.drafts[0].key)


class Answer(asyncio.Future[Appended]):
    """What a request comes to, to be awaited. Cancelling it withdraws the request."""

    def __init__(self) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self._withdraw: Callable[[], None] | None = None

    def of(self, request: Request) -> "Answer":
        """Stand for this request, which answers to `answered`."""
        self._withdraw = request.withdraw
        return self

    def answered(self, _: Request, outcome: Outcome) -> None:
        """Be done."""
        self._withdraw = None
        if isinstance(outcome, Appended):
            self.set_result(outcome)
        else:
            self.set_exception(outcome)

    def cancel(self, msg: object = None) -> bool:
        """Withdraw the request; what is under way is written all the same."""
        withdraw, self._withdraw = self._withdraw, None
        if withdraw is not None:
            withdraw()
        return super().cancel(msg)
