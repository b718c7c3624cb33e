"""A session as it is now, folded here by the domain's own rules from the events that this client gets: description,
presence, shared state, tasks, signals, approvals and floor; not its messages."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from ...domain.envelope import parse
from ...domain.errors import StenogramError
from ...domain.session import evolve
from ...domain.state import State
from ..errors import ClientClosed, ClientError, HistoryGone
from ..transport.outbox import Wire
from ..transport.subscription import Place

TYPES = ("session.*", "presence.*", "state.*", "task.*", "signal.*", "approval.*", "floor.*")
"""What the fold needs. Messages, the bulk of a session, are not among it."""
BEGINS = ("task.claimed", "signal.raised", "approval.requested")
"""What others answer, or go on from, and name as the cause of that."""

T = TypeVar("T")
logger = logging.getLogger("stenogram.client")


class _Waiter(NamedTuple):
    test: Callable[[], object]
    found: "asyncio.Future[object]"


class LiveSession:
    """A sink that folds as it reads, and so never refuses a batch. `version` is that up to which it is current; some of
    the events may be left out, since only those of `TYPES` are asked for."""

    def __init__(self, session: str) -> None:
        self.version = 0
        self.described = 0
        """The last version that was about the session itself: its title, its labels, whether it is open."""
        self._state = State(session)
        self._began: dict[str, str] = {}
        self._caught_up = False
        self._error: StenogramError | None = None
        self._waiters: list[_Waiter] = []
        self._listeners: list[Callable[[], None]] = []

    @property
    def state(self) -> State:
        """The session now. Raises what made it impossible to know."""
        if self._error is not None and not isinstance(self._error, ClientClosed):
            raise self._error.with_traceback(None)
        return self._state

    async def ready(self) -> None:
        """Wait until history has been folded."""
        await self.until(lambda: self._caught_up)

    async def reached(self, version: int) -> None:
        """Wait until it is current up to a version. Raises why it cannot be."""
        await self.until(lambda: self.version >= version)

    async def until(self, test: Callable[[], T]) -> T:
        """Wait until `test` is true, and return what it said. It is asked after every single event, so that it sees
        every state, be it for a moment only. Raises what it raises, and why nothing more will come."""
        if said := test():
            return said
        if self._error is not None:
            raise self._error.with_traceback(None)
        waiter = _Waiter(test, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        try:
            return await waiter.found  # type: ignore[return-value]
        finally:
            self._waiters.remove(waiter)

    def listen(self, listener: Callable[[], None]) -> None:
        """Call it after every single event, before the tests of those who wait, until `ignore`."""
        self._listeners.append(listener)

    def ignore(self, listener: Callable[[], None]) -> None:
        """Call it no more."""
        self._listeners.remove(listener)

    def events(self, events: Sequence[Wire], to: Place, cost: int) -> bool:
        """Fold a batch."""
        if self._error is None:
            try:
                for wire in events:
                    self._state = evolve(self._state, parse(wire))
                    self.version = wire["version"]
                    self._note(wire)
                    # Listeners first: an agent's signals are dispatched before what waits for them to be is woken.
                    self._notify()
                    self.recheck()
            except Exception as fault:
                logger.exception("Session %s cannot be folded", self._state.id)
                self.ended(ClientError(f"The session cannot be folded by this version of the client: {fault!r}"))
        self._advance(to)
        return True

    def began(self, subject: str) -> str | None:
        """The id of the event by which `task:…` was claimed last, or with which `signal:…` or `approval:…` began."""
        return self._began.get(subject)

    def _note(self, wire: Wire) -> None:
        if wire["type"].startswith("session."):
            self.described = wire["version"]
        if wire["type"] in BEGINS:
            kind = wire["type"].partition(".")[0]
            self._began[f"{kind}:{wire['data'][kind]}"] = wire["id"]

    def caught_up(self, frame: Wire) -> None:
        """History has been folded."""
        self._caught_up = True
        self._advance(frame["version"])

    def gap(self, gone: HistoryGone) -> None:
        """Without its beginning a session cannot be folded."""
        self.ended(gone)

    def ended(self, error: StenogramError | None) -> None:
        """Nothing more will come; what is known stays known, unless there was an error."""
        self._error = error or ClientClosed("The session is no longer followed.")
        for waiter in self._waiters:
            if not waiter.found.done():  # cancelled, or answered in this turn: setting it again would raise here
                waiter.found.set_exception(self._error)

    def _notify(self) -> None:
        for listener in list(self._listeners):  # one may remove itself
            try:
                listener()
            except StenogramError as error:
                logger.debug("A change of session %s could not be answered: %s", self._state.id, error)

    def _advance(self, to: Place) -> None:
        if isinstance(to, int) and to > self.version:
            self.version = to
        self.recheck()

    def recheck(self) -> None:
        """Ask the tests of those who wait. Call it when something outside the session has changed what they say."""
        for waiter in self._waiters:
            if waiter.found.done():
                continue
            try:
                if said := waiter.test():
                    waiter.found.set_result(said)
            except Exception as error:
                waiter.found.set_exception(error)
