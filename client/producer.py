"""A stream of events of your own that repeats itself harmlessly: each is numbered, and a number is recorded once."""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from ..domain.model import EventData
from .arguments import To, custom_record
from .session_port import SessionPort
from .transport.command_pipeline import CommandPipeline


class Producer:
    """Records a stream of events into one session; made by `Session.producer`. Use it with `async with`.

    - The gateway remembers the newest epoch of each producer of a participant in a session, and the last number in it.
      A number that it has is acknowledged and not recorded again, so a tap that starts over may send what it sent
      before, under the same numbers and the same epoch. Another event under such a number raises Conflict. A new epoch
      may begin with any number.
    - Once a newer epoch has written, everything from an older one raises StaleProducer: of two processes that think
      they are the tap, one is fenced.
    - Events are recorded in the order of their numbers. A number that leaves some out raises Conflict, whose
      `extra["expected"]` is the next one.
    - The first is committed before the second is sent; then at most 64 are on their way. A lost connection and a busy
      gateway are waited out: what was not committed is sent again.

    A refusal ends it: what was sent behind the refused event was not recorded. Make another one to go on.
    """

    def __init__(self, session: SessionPort, id: str, epoch: int) -> None:
        self.id = id
        self.epoch = epoch
        self.next_seq = 0
        """The number of the next event, unless you say it yourself."""
        self._session = session
        self._changed = asyncio.Event()
        self._pipeline = CommandPipeline(session.commands, session.id, "custom.record", self._changed.set)

    @property
    def repeated(self) -> int:
        """How many of the acknowledged events had been recorded before."""
        return self._pipeline.repeated

    async def record(
        self,
        type: str | EventData,
        data: Mapping[str, Any] | None = None,
        *,
        about: str | None = None,
        to: To | None = None,
        seq: int | None = None,
    ) -> int:
        """Send an event (a type that begins with `x.` and its data, or an instance of its model); its number. `seq` is
        a number of your own, such as the line that the event was read from; the next one goes on from there.

        Returns without waiting for the commit, except when too many are on their way. Raises the refusal of an earlier
        event; then this one is not sent. When cancelled, it was not sent.
        """
        task = self._session.current_task
        if task is not None:
            await task.checkpoint()
        while True:
            await self._session.commands.wait_for_room()
            if self._pipeline.error is not None or not self._must_wait:
                break
            await self._change()
        self._raise()
        # No await from here on: two that record at once must not get the same number, or be sent out of turn.
        seq = self.next_seq if seq is None else seq
        under = {} if task is None else task.members
        place = {"id": self.id, "epoch": self.epoch, "seq": seq}
        self._pipeline.send(custom_record(type, data, about, to), producer=place, **under)
        self.next_seq = seq + 1
        return seq

    async def flush(self) -> None:
        """Wait until all that was sent is committed. Raises the refusal."""
        while not self._pipeline.idle:
            await self._change()
        self._raise()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the commits, unless an exception leaves the block; what was sent stays sent."""
        if error is None:
            await self.flush()

    @property
    def _must_wait(self) -> bool:
        """Whether too many are on their way. The first one goes alone: it opens the epoch, in which any number may be
        the first. Were it refused for a while and the second one not, it would count as a repeat when it comes again.
        """
        return self._pipeline.full or (self._pipeline.count > 0 and self._pipeline.committed == 0)

    async def _change(self) -> None:
        self._changed.clear()  # by callers that have just looked: nothing can change between their look and the wait
        await self._changed.wait()

    def _raise(self) -> None:
        if self._pipeline.error is not None:
            raise self._pipeline.error.with_traceback(None)
