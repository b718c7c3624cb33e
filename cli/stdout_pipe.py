"""The pipe that stdout may be: its reader can close it while there is nothing to write."""

import asyncio
import os
import stat
import sys
from collections.abc import Coroutine


async def while_stdout_is_read(work: Coroutine[None, None, None]) -> None:
    """Do `work` as long as somebody reads stdout. Raises BrokenPipeError when nobody does any more, so that a command
    that waits for events does not outlive its reader; the first write would be too late."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_nobody_reads())
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if gone.done() and not task.done():
            raise BrokenPipeError
    finally:
        gone.cancel()
        task.cancel()
        await asyncio.wait({task, gone})
    task.result()


async def _nobody_reads() -> None:
    """Return when the other end of a pipe was closed; for anything but a pipe, never."""
    loop, closed = asyncio.get_running_loop(), asyncio.Event()
    file = sys.stdout.fileno()
    if not stat.S_ISFIFO(os.fstat(file).st_mode):
        await asyncio.Event().wait()
    # Nothing can be read from this end: that it becomes ready for reading means that the other end is gone.
    loop.add_reader(file, closed.set)
    try:
        await closed.wait()
    finally:
        loop.remove_reader(file)
