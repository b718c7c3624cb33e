"""A process beside the gateway: started, told what to do, watched, and ended.

The two talk by lines of JSON. The process is told, by its stdin, what to do; when its stdin ends it ends, so that it
never outlives a gateway, however that ended. By its stdout it says once a second that it lives, and what it has to log,
which the gateway logs. One that is not heard of is killed: frozen, it would keep its locks. The other side is in
`child`.
"""

import asyncio
import contextlib
import logging
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import orjson

SILENT_S = 10.0
"""Seconds without a word after which a process is killed."""
START_S = 30.0
"""Seconds that it gets to say its first word."""
END_S = 5.0
"""Seconds that it gets to finish what it does."""
_MAX_LINE_BYTES = 2**20
_TICK_S = 0.5


class WatchedProcess:
    """Runs `python -m program`, once. `tell` are the first things that it is told, and `heard` is called with all that
    it says besides what it has to log. `pass_fds`: files that it inherits."""

    def __init__(
        self,
        program: str,
        tell: Sequence[Any] = (),
        heard: Callable[[dict[str, Any]], None] = lambda _: None,
        *,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self._program = program
        self._heard = heard
        self._pass_fds = tuple(pass_fds)
        self._waiting = bytearray(b"".join(orjson.dumps(each) + b"\n" for each in tell))
        self._process: asyncio.subprocess.Process | None = None
        self._ending = False

    @property
    def pid(self) -> int | None:
        """Its id, while there is one."""
        return None if self._process is None else self._process.pid

    async def run(self) -> str:
        """Start it, and wait for its end; how it ended. Cancelled, it kills it."""
        try:
            # In a session of its own: Ctrl-C on the terminal is for the gateway, which then ends it.
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                self._program,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                pass_fds=self._pass_fds,
                start_new_session=True,
                limit=_MAX_LINE_BYTES,
            )
        except OSError as error:
            return f"cannot be started ({error})"
        self._process = process
        try:
            self.write(b"")
            if self._ending:  # it was asked to end while it was being started
                self.end()
            given_up = await self._hear(process)
            return given_up or f"ended with {await process.wait()}"
        finally:
            self.kill()
            await process.wait()
            self._process = None

    def tell(self, what: Any) -> None:
        """Tell it something more; what comes before it runs waits for it."""
        self.write(orjson.dumps(what) + b"\n")

    def write(self, line: bytes) -> None:
        """Write to its stdin."""
        if self._process is None:
            self._waiting += line
        elif (stdin := self._process.stdin) is not None and not stdin.is_closing():
            stdin.write(bytes(self._waiting) + line)
            self._waiting.clear()

    def end(self) -> None:
        """Let it finish what it does, and end."""
        self._ending = True
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _hear(self, process: asyncio.subprocess.Process) -> str:
        """Take what it says, until it says nothing more; why it was given up, if it was."""
        assert process.stdout is not None
        patience = START_S
        while True:
            try:
                line = await _line_within(process.stdout, patience)
            except TimeoutError:
                return f"has said nothing for {patience:.0f} s, and was killed"
            except ValueError:  # a line beyond all bounds; what follows begins somewhere in it
                continue
            if not line:
                return ""
            patience = SILENT_S
            with contextlib.suppress(ValueError):
                said = orjson.loads(line)
                if "logger" in said:
                    logging.getLogger(said["logger"]).log(said["level"], "%s", said["message"])
                else:
                    self._heard(said)


async def _line_within(stdout: asyncio.StreamReader, seconds: float) -> bytes:
    """The next line. Raises TimeoutError when none comes in so many seconds, counted in ticks: while this process
    stands still it hears nothing, and what was said meanwhile is read when it goes on."""
    reading = asyncio.ensure_future(stdout.readline())
    try:
        for _ in range(math.ceil(seconds / _TICK_S)):
            if (await asyncio.wait((reading,), timeout=_TICK_S))[0]:
                return reading.result()
    finally:
        reading.cancel()
    raise TimeoutError
