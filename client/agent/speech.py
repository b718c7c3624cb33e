"""What an agent says, while it says it: a message stream that can be interrupted by itself."""

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ...domain.concepts.signals import Signal
from ...domain.concepts.tasks import Tasks
from ...domain.parts import StreamedKind
from ..message import ABORT_TIMEOUT, MessageStream
from .cancel_scope import CancelScope
from .signal_dispatcher import SignalDispatcher
from .steering import Steering

if TYPE_CHECKING:
    from ..session import Session


class Speech(MessageStream):
    """A message that a signal can be aimed at (`message:…`).

    A cancel ends the block, without an error: what had been said is kept, and `stopped` is true. A pause of the
    message, its task, the agent or the session holds `write`.
    """

    steer: Steering | None = None

    def __init__(
        self, session: "Session", start: dict[str, Any], hearing: SignalDispatcher, targets: frozenset[str], **more: Any
    ) -> None:
        super().__init__(session, start, **more)
        self.stopped = False
        self.target = f"message:{self.id}"
        self.targets = targets | {self.target}
        self._hearing = hearing
        self._scope = CancelScope()

    async def __aenter__(self) -> Self:
        await self._hearing.checkpoint(self.targets)
        await super().__aenter__()
        self._scope.enter()
        self._hearing.attend(self)
        return self

    async def write(self, text: str, part: StreamedKind | None = None) -> None:
        await self._hearing.checkpoint(self.targets)
        await super().write(text, part)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        ours = self._scope.leave(error)
        try:
            if ours:
                self.stop_here()
            else:
                await super().__aexit__(kind, error, trace)
        finally:
            answers = self._hearing.dismiss(self)
        if ours and answers:
            await asyncio.wait(answers, timeout=ABORT_TIMEOUT)
        return ours

    def stop(self, signal: Signal) -> None:
        """End the block; the signal is honoured when it has ended, and that ends the message."""
        self.stopped = True
        self._scope.cancel()

    def check(self, tasks: Tasks) -> None:
        """A message is not held."""
