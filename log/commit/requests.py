"""What waits for the next commit: a command to decide, or appends that are decided already."""

import asyncio
import logging
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...domain.errors import StenogramError
from ...domain.ids import SessionId, Version
from ...domain.model import Command
from ...domain.state import State
from ..records import Append, Appended, Producer

if TYPE_CHECKING:
    from .outcome import Cascade

_logger = logging.getLogger(__name__)

Key = tuple[SessionId, str]
Outcome = Appended | StenogramError
MEASURED = ("document", "session")
COMMAND_WEIGHT = 8
"""What deciding a command weighs, in drafts that are given their places."""
Answered = Callable[[Any, Outcome], None]
"""Called once with the request and what it came to, on the loop, between other work: it must be quick."""


def _nothing(_: object) -> None:
    """Done for a request that was never queued."""


@dataclass(slots=True, eq=False)
class Request:
    """One unit that is accepted or refused as a whole, and answered once, after its commit.

    `sessions` are those that it writes to, `keys` everything of it that must be unique, `weight` is how long planning
    it holds the loop, roughly, in drafts that are given their places. `done`: it was answered or
    withdrawn; `on_done` is the queue's, and called at either. `doubts` counts how often the storage refused a batch
    with it for no reason that could be found. `cascade` works out a command from which a great deal follows. Requests
    of one `sender` are decided in the order of submission, those of several take turns.
    """

    answered: Answered
    size: int
    sessions: tuple[SessionId, ...] = field(default=(), init=False)
    keys: tuple[Key, ...] = field(default=(), init=False)
    weight: int = field(default=COMMAND_WEIGHT, init=False)
    done: bool = field(default=False, init=False)
    on_done: "Callable[[Request], None]" = field(default=_nothing, init=False)
    doubts: int = field(default=0, init=False)
    sender: Hashable = field(default=None, init=False)
    asked_at: float = field(default=0.0, init=False)
    """When it was queued, on the clock of `time.monotonic`."""
    cascade: "Cascade | None" = field(default=None, init=False)

    @property
    def key(self) -> Key | None:
        """What tells that it is a repeat, if anything does."""
        return self.keys[0] if self.keys else None

    def answer(self, outcome: Outcome) -> None:
        """Answer with places or a refusal, unless it was withdrawn."""
        if not self.done:
            self.done = True  # first: what is called below may withdraw it, or answer it again
            self.on_done(self)
            try:
                self.answered(self, outcome)
            except Exception:  # the others must be answered, whatever becomes of this one
                _logger.exception("answering a request failed")

    def withdraw(self) -> None:
        """Nobody asks any more: it is passed over if it still waits, and never answered."""
        if not self.done:
            self.done = True
            self.on_done(self)


@dataclass(slots=True, eq=False)
class Execute(Request):
    """A command, decided when its turn comes against the session as it is then."""

    command: Command
    expect: Mapping[str, Version] | None = None
    producer: Producer | None = None
    fresh: bool = field(default=False, init=False)
    """Whether the log was searched for a first result, in vain: only then a refusal may be put on record."""
    origin: State | None = field(default=None, init=False)
    """Of a fork: its origin, once that has been read."""

    def __post_init__(self) -> None:
        command = self.command
        self.sessions = (command.session,)
        if self.producer is not None:
            self.keys = ((command.session, self.producer.key),)
        elif command.data.keyed or command.recorded:  # otherwise the payload tells repeats
            self.keys = ((command.session, command.id),)

    @property
    def key(self) -> Key | None:
        """The command's id; a producer's number tells repeats before anything is decided."""
        return self.keys[0] if self.keys and self.producer is None else None


def is_measured(request: Request) -> bool:
    """Whether it is to be measured how long it takes to decide: the shared state may be large, and what is forked."""
    return type(request) is Execute and request.command.data.concept in MEASURED


@dataclass(slots=True, eq=False)
class Review(Request):
    """Asks that what the log says of a session's life be set right, by its state."""

    session: SessionId

    def __post_init__(self) -> None:
        self.sessions = (self.session,)


@dataclass(slots=True, eq=False)
class Write(Request):
    """Appends to write as they are, together or not at all."""

    appends: tuple[Append, ...]

    def __post_init__(self) -> None:
        appends = self.appends
        self.sessions = tuple([append.session for append in appends if append.drafts or append.expect])
        self.keys = tuple(
            [(append.session, draft.key) for append in appends for draft in append.drafts if draft.key is not None]
        )
        self.weight = COMMAND_WEIGHT + sum([len(append.drafts) for append in appends])

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
        self._withdraw = None  # the request is done; and this ends the circle of references between the two
        if isinstance(outcome, Appended):
            self.set_result(outcome)
        else:
            self.set_exception(outcome)

    def cancel(self, msg: object = None) -> bool:
        """Withdraw the request; one that is being written is written all the same."""
        withdraw, self._withdraw = self._withdraw, None
        if withdraw is not None:
            withdraw()
        return super().cancel(msg)
