"""Recorded commands into a log that nobody serves."""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from ...adapters.recordings.claude_code.live import Outcome
from ...domain.errors import Busy, Refused
from ...domain.ids import SessionId
from ...domain.model import Command
from ...domain.refusals.stopped_agents import is_of_a_stop
from ...log.log import Log
from ...log.storage import Storage


class LogSink:
    """Opens the log itself; a file only where no gateway has it open. Nobody is lost: nothing keeps the time."""

    def __init__(self, address: str) -> None:
        self._log = Log(Storage(address).engine())

    async def __aenter__(self) -> Self:
        await self._log.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._log.__aexit__(kind, error, trace)

    async def write(self, session: SessionId, commands: Sequence[Command], here: Sequence[str]) -> Outcome:
        """Carry them out in order. Raises the LogError tree."""
        asked = [self._log.submit(command, sender=session) for command in commands]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        done, refused, stopped = 0, dict[str, str](), set[str]()
        for command, answer in zip(commands, answers, strict=True):
            if isinstance(answer, Refused) and not isinstance(answer, Busy):
                refused[command.id] = answer.code
                if is_of_a_stop(answer):
                    stopped.add(command.id)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                done += not answer.repeated
        return Outcome(done, refused, frozenset(stopped))
