"""What an agent says, while it says it: a message stream that can be interrupted by itself."""

import asyncio
from types import TracebackType
from typing import Any, Self

from ...domain.concepts.signals import Signal
from ...domain.concepts.tasks import Tasks
from ...domain.parts import StreamedKind
from ..message import ABORT_TIMEOUT_S, MessageStream
from ..session_port import SessionPort
from .cancel_scope import CancelScope
from .signal_dispatcher import SignalDispatcher
from .steering import Steering


class Speech(MessageStream):
    """A message that a signal can be aimed at (`message:…`).

    A cancel ends the block, without an error: what had been said is kept, and `stopped` is true. A pause of the
    message, its task, the agent or the session holds `write`.
    """

    steer: Steering | None = None

    def __init__(self, session: SessionPort, start: dict[str, Any], signals: SignalDispatcher, **more: Any) -> None:
        super().__init__(session, start, **more)
        self.stopped = False
        self.target = f"message:{self.id}"
        self.targets = signals.current_targets | {self.target}
        self._signals = signals
        self._scope = CancelScope()

    async def __aenter__(self) -> Self:
        await self._signals.checkpoint(self.targets)
        await super().__aenter__()
        self._scope.enter()
        self._signals.attach(self)  # behind `enter`: a cancel that waits for the message must find a block to end
        return self

    async def write(self, text: str, part: StreamedKind | None = None) -> None:
        await self._signals.checkpoint(self.targets)
        await super().write(text, part)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        # First: what is awaited below must not be hit by the cancellation that ends the block.
        ours = self._scope.leave(error)
        try:
            if ours:
                self.stop_here()
            else:
                await super().__aexit__(kind, error, trace)
        finally:
            answers = self._signals.detach(self)
        if ours and answers:
            await asyncio.wait(answers, timeout=ABORT_TIMEOUT_S)
        return ours

    def stop(self, signal: Signal) -> None:
        """End the block; the signal is honoured when it has ended, and that ends the message."""
        self.stopped = True
        self._scope.cancel()

    def check(self, tasks: Tasks) -> None:
        """A message is not held."""
