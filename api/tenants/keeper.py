"""Keeps one tenant open: in a task of its own, from the opening of its log to the end.

What a tenant's log, feed or views fail at ends that task, and nothing beyond it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from ...domain.errors import StenogramError
from .tenant import Tenant

Open = Callable[[str, asyncio.TaskGroup, AsyncExitStack], Awaitable[Tenant]]
"""Opens a tenant, with tasks of its own; what is to be closed is put on the stack."""


class Keeper:
    """Opens a tenant at once. `settled` is set when it is open, or could not be opened: then `fault` says why.
    `on_open` and `on_close` are called when it may be used, and before anything of it is closed."""

    def __init__(
        self, name: str, open: Open, on_open: Callable[[Tenant], None], on_close: Callable[[Tenant], None]
    ) -> None:
        self.name = name
        self.settled = asyncio.Event()
        self.fault: BaseException | None = None
        self._open = open
        self._on_open = on_open
        self._on_close = on_close
        self._close = asyncio.Event()
        self.task = asyncio.create_task(self._keep())

    def close(self) -> None:
        """Close it: `task` ends when that is done. What waits in its log is still answered. One that is still being
        opened is given up."""
        self._close.set()
        if not self.settled.is_set():
            self.task.cancel()  # a database that does not answer may take long to be given up

    async def _keep(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks, AsyncExitStack() as stack:
                tenant = await self._open(self.name, tasks, stack)
                self._on_open(tenant)
                self.settled.set()
                try:
                    await self._close.wait()  # cancelled by `tasks` when one of them fails
                finally:
                    # Before the log closes: nobody may come by it any more, and those who have it must hear why.
                    self._on_close(tenant)
        except Exception as fault:
            self.fault = _first(fault)
        finally:
            self.settled.set()

    @property
    def refusal(self) -> BaseException:
        """What to tell somebody who wanted to use it: not what is an operator's to know, such as paths."""
        if isinstance(self.fault, StenogramError):
            told = "The log of this tenant cannot be used now; the operator finds the reason in the gateway's log."
            return type(self.fault)(told, fault=self.fault.detail, **{"retry_after": 1.0, **self.fault.extra})
        return self.fault or asyncio.CancelledError()


def _first(fault: BaseException) -> BaseException:
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    return fault
