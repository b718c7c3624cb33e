"""What the processes beside a gateway have in common: the line to it, its log, and that they end with it.

Threads read stdin and say that the process lives, so that both work while the loop is blocked. What an application's
code prints goes to stderr, which is the gateway's.
"""

import asyncio
import contextlib
import logging
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from .watched_process import END_S

BEAT_EVERY_S = 1.0


class Line:
    """The line to the gateway. Any thread may use it. Once nobody listens, nothing more is said."""

    def __init__(self) -> None:
        self._file = os.dup(1)
        os.dup2(2, 1)  # what an application's code prints must not come between

    def say(self, what: Any) -> None:
        """Send a line, whole."""
        try:
            os.write(self._file, orjson.dumps(what, default=str) + b"\n")
        except OSError:
            return

    def first(self) -> Any:
        """What the gateway says first; None if it has gone already."""
        said = sys.stdin.buffer.readline()
        return orjson.loads(said) if said else None

    def listen(
        self, on_line: Callable[[bytes], None], on_end: Callable[[], None], *, stuck_s: float = math.inf
    ) -> None:
        """From now on call `on_line` with each further line, and `on_end` when the gateway wants this process to end,
        or has ended; both on the loop. A process that has not ended by itself after `END_S` seconds is ended, also when
        its loop is blocked; and so is one whose loop is blocked for `stuck_s` seconds."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, on_end)
        threading.Thread(target=_listen, args=(loop, on_line, on_end), daemon=True).start()
        threading.Thread(target=_beat, args=(self, loop, stuck_s), daemon=True).start()


class _ToGateway(logging.Handler):
    """Has the gateway log what is logged here."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line
        self.setFormatter(logging.Formatter())

    def emit(self, record: logging.LogRecord) -> None:
        message = self.format(record).encode(errors="replace").decode()
        self._line.say({"logger": record.name, "level": record.levelno, "message": message})


def make_way(nice: int) -> None:
    """Have the gateway go before this process where there are too few cores."""
    os.nice(nice)
    with contextlib.suppress(OSError):  # Linux weighs sessions against each other before the processes within
        Path("/proc/self/autogroup").write_text(str(nice))


def log_to_gateway(line: Line, level: str) -> None:
    """From now on the gateway logs what is logged here."""
    logging.basicConfig(handlers=[_ToGateway(line)], level=level.upper(), force=True)


def _listen(loop: asyncio.AbstractEventLoop, on_line: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended before
        for line in sys.stdin.buffer:
            loop.call_soon_threadsafe(on_line, line)
        loop.call_soon_threadsafe(on_end)
    time.sleep(END_S)
    os._exit(1)


def _beat(line: Line, loop: asyncio.AbstractEventLoop, stuck_s: float) -> None:
    turned, blocked_s = threading.Event(), 0.0
    while blocked_s <= stuck_s:
        line.say({})
        with contextlib.suppress(RuntimeError):  # the loop has ended before
            loop.call_soon_threadsafe(turned.set)
        time.sleep(BEAT_EVERY_S)
        # In beats, not by the clock: that would take a process that stood still as a whole for one with a blocked loop.
        blocked_s = 0.0 if turned.is_set() else blocked_s + BEAT_EVERY_S
        turned.clear()
    os._exit(1)
