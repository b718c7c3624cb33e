"""A session as this client sees it now: presence, shared state and description, folded by the domain's own rules."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from ..domain.envelope import parse
from ..domain.errors import StenogramError
from ..domain.session import evolve
from ..domain.state import State
from .errors import ClientClosed, ClientError, HistoryGone
from .transport.subscription import Place, Wire

TYPES = ("session.*", "presence.*", "state.*", "task.*", "signal.*", "approval.*", "floor.*")
"""What the fold needs. Messages, the bulk of a session, are not among it."""

T = TypeVar("T")
logger = logging.getLogger("stenogram.client")


class _Waiter(NamedTuple):
    test: Callable[[], object]
    found: "asyncio.Future[object]"


class LiveSession:
    """A sink that folds as it reads, and so never refuses. `covered` is the version up to which it is current."""

    def __init__(self, session: str) -> None:
        self.covered = 0
        self._state = State(session)
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
        """Wait until the view covers a version."""
        await self.until(lambda: self.covered >= version)

    async def until(self, test: Callable[[], T]) -> T:
        """Wait until `test` is true, and return what it said. It is asked after every single event."""
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
        """Call it after every single event, before those who wait are asked, until `ignore`."""
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
                    self.covered = wire["version"]
                    self._tell()
                    self.ask()
            except Exception as fault:
                logger.exception("Session %s cannot be folded", self._state.id)
                self.ended(ClientError(f"The session cannot be folded by this version of the client: {fault!r}"))
        self._cover(to)
        return True

    def caught_up(self, frame: Wire) -> None:
        """History has been folded."""
        self._caught_up = True
        self._cover(frame["version"])

    def gap(self, gone: HistoryGone) -> None:
        """Without its beginning a session cannot be folded."""
        self.ended(gone)

    def ended(self, error: StenogramError | None) -> None:
        """Nothing more will come; what is known stays known, unless there was an error."""
        self._error = error or ClientClosed("The session is no longer followed.")
        for waiter in self._waiters:
            if not waiter.found.done():
                waiter.found.set_exception(self._error)

    def _tell(self) -> None:
        for listener in list(self._listeners):
            try:
                listener()
            except StenogramError as error:
                logger.debug("Something heard in session %s could not be answered: %s", self._state.id, error)

    def _cover(self, to: Place) -> None:
        if isinstance(to, int) and to > self.covered:
            self.covered = to
        self.ask()

    def ask(self) -> None:
        """Ask those who wait, again: something outside the session may have changed what they would say."""
        for waiter in self._waiters:
            if waiter.found.done():
                continue
            try:
                if said := waiter.test():
                    waiter.found.set_result(said)
            except Exception as error:
                waiter.found.set_exception(error)
