"""Agents in processes of their own, which can be killed like any other; and the program that such a process runs.

python -m stenogram.cli.demo.agent_processes URL SESSION NAME KIND SPEED
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ...client.client import Client
from .pace import Pace
from .team import work

LEASE_S = 3.0
"""Seconds of silence after which an agent of the demo is lost; fifteen, where nobody waits to see it. With fewer, a
slow machine loses agents that live."""
LEAVE_TIMEOUT_S = 5.0


class AgentProcesses:
    """Starts agents, and kills or stops them."""

    def __init__(self, url: str, session: str, speed: float) -> None:
        self._about = (url, session)
        self._speed = speed
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._names: dict[str, int] = {}

    @property
    def names(self) -> list[str]:
        """Who is at work."""
        return list(self._processes)

    async def start(self, kind: str) -> str:
        """Start an agent that takes tasks of a kind; its name."""
        number = self._names[kind] = self._names.get(kind, 0) + 1
        name = kind if number == 1 else f"{kind}-{number}"
        program = (sys.executable, "-m", __spec__.name, *self._about, name, kind, str(self._speed))
        # In a process group of its own: Ctrl-C on the terminal is for the demo, which then sends its agents away.
        self._processes[name] = await asyncio.create_subprocess_exec(
            *program, stderr=asyncio.subprocess.PIPE, start_new_session=True
        )
        return name

    def pid(self, name: str) -> int:
        """The id of its process."""
        return self._processes[name].pid

    async def kill(self, name: str) -> None:
        """`kill -9`: the agent cannot say goodbye."""
        process = self._processes.pop(name)
        process.kill()
        await process.communicate()

    async def watch(self) -> None:
        """Raise if an agent ends by itself, which none should."""
        while True:
            for name, process in list(self._processes.items()):
                if process.returncode is not None and name in self._processes:
                    _, said = await process.communicate()
                    raise RuntimeError(f"The agent {name} ended with {process.returncode}: {said.decode()[-2000:]}")
            await asyncio.sleep(0.2)

    async def stop_all(self) -> None:
        """Ask everyone to go, and wait until they have; kill those who do not."""
        processes, self._processes = list(self._processes.values()), {}
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        for process in processes:
            try:
                async with asyncio.timeout(LEAVE_TIMEOUT_S):
                    await process.communicate()
            except TimeoutError:
                process.kill()
                await process.communicate()


@asynccontextmanager
async def agent_processes(url: str, session: str, speed: float) -> AsyncIterator[AgentProcesses]:
    """Agents for the time of the block; at its end they are asked to go."""
    agents = AgentProcesses(url, session, speed)
    try:
        yield agents
    finally:
        await agents.stop_all()


async def main(url: str, session: str, name: str, kind: str, speed: str) -> None:
    """Be an agent until told to go, or until the process that started it is gone."""
    parent = os.getppid()
    async with (
        Client(url, participant=name) as client,
        client.agent(name.capitalize(), session=session, lease=LEASE_S) as agent,
    ):
        working = asyncio.create_task(work(agent, kind, Pace(float(speed))))
        for each in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(each, working.cancel)
        while not working.done() and os.getppid() == parent:
            await asyncio.wait([working], timeout=0.5)
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
