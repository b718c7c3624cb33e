"""Follows the transcripts in folders, and has sent what comes of them.

Reading goes on while nothing can be sent: a file may be replaced meanwhile.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from .....domain.errors import Invalid
from .....domain.ids import SessionId
from ...session_lines import slug
from ..files import main_files
from .sender import Sender
from .session_recording import SessionRecording
from .sink import Sink
from .spool import Spool

POLL_S = 0.25
DISCOVER_S = 2.0
FORGET_S = 600.0
"""Seconds after which a session without news is no longer kept in memory."""
VOUCH_S = 5.0


class Followed(NamedTuple):
    """What to record: files and folders of transcripts; the id of the only session, or None: each has its own; and
    whether sessions count to which nothing comes."""

    paths: Sequence[Path]
    session: SessionId | None = None
    everything: bool = False


class Recorder:
    """Records sessions. `hooks` is a folder with what hooks said, `spools` one for what must outlive the recorder; two
    must not share that. `say` tells people one line."""

    def __init__(self, followed: Followed, hooks: Path, spools: Path, sink: Sink, say: Callable[[str], None]) -> None:
        self._followed = followed
        self._hooks = hooks
        self._spools = spools
        self._say = say
        self._sender = Sender(sink, say)
        self._recordings: dict[Path, SessionRecording] = {}
        self._seen: dict[Path, tuple[int, int]] = {}
        self._vouched_at: dict[SessionId, float] = {}
        self._main_of: dict[SessionId, Path] = {}
        self._passed_over: set[Path] = set()
        self._wake = asyncio.Event()

    def begin(self) -> None:
        """Look at what is there: what comes afterwards is new."""
        self._discover(first=True)

    async def run(self) -> None:
        """Record until cancelled. Raises what makes it pointless to go on, such as Forbidden."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read())
            group.create_task(self._send())

    async def finish(self) -> None:
        """Record what is there, end each session where its files end, and return when all of it is written."""
        for each in self._recordings.values():
            while each.poll(time.monotonic(), to_the_end=True):
                await self._sender.send(each)
            each.end()
            await self._sender.send(each)

    async def _read(self) -> None:
        discovered_at = time.monotonic()
        while True:
            now = time.monotonic()
            if now - discovered_at >= DISCOVER_S:
                self._discover(first=False)
                discovered_at = now
            more = [each.poll(now) for each in self._recordings.values()]
            self._rest(now)
            self._wake.set()
            await asyncio.sleep(0.001 if any(more) else POLL_S)

    async def _send(self) -> None:
        """Each session for itself: one that cannot be written keeps no other one waiting."""
        sending: dict[SessionId, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                sending = {session: task for session, task in sending.items() if not task.done()}
                for each in self._recordings.values():
                    if each.session not in sending:
                        sending[each.session] = group.create_task(self._send_of(each))
                await self._wake.wait()

    async def _send_of(self, recording: SessionRecording) -> None:
        await self._sender.send(recording)
        now = time.monotonic()
        if not recording.is_idle and now - self._vouched_at.get(recording.session, 0.0) >= VOUCH_S:
            self._vouched_at[recording.session] = now
            await self._sender.vouch(recording)

    def _rest(self, now: float) -> None:
        """Let those leave of whom nothing was heard for long, and forget what nothing comes to."""
        for main, each in tuple(self._recordings.items()):
            if each.is_idle and each.participants:
                each.leave("nothing came for half an hour")
            elif now - each.changed_at > FORGET_S and not each.unsent and not each.participants:
                del self._recordings[main]

    def _discover(self, *, first: bool) -> None:
        """Find sessions that have changed. At first these are the ones that were recorded before, so that nothing of
        them is missed; all, where all are wanted."""
        for main in self._mains():
            try:
                found = main.stat()
            except OSError:
                continue
            stat = found.st_size, found.st_mtime_ns
            known, self._seen[main] = self._seen.get(main), stat
            if known == stat or main in self._recordings:
                continue
            name = self._followed.session or f"claude-{slug(main.stem)}"
            spool = Spool(self._spools, name)
            wanted = self._followed.everything or not first or spool.exists
            if wanted and self._may_record(main, name):
                self._recordings[main] = SessionRecording(main, name, spool, self._hooks / f"{main.stem}.jsonl")

    def _may_record(self, main: Path, name: SessionId) -> bool:
        """Whether a file can be read, and no other one is that session's. Another one that is gone was moved."""
        other = self._main_of.get(name, main)
        if other != main and other.exists():
            why = f"{other} is recorded as {name} already"
        elif not os.access(main, os.R_OK):
            why = "it may not be read"
        else:
            self._recordings.pop(other, None)
            self._main_of[name] = main
            return True
        if main not in self._passed_over:
            self._passed_over.add(main)
            self._say(f"{main} is not recorded: {why}.")
        return False

    def _mains(self) -> Iterable[Path]:
        for path in self._followed.paths:
            try:
                yield from main_files(path)
            except (Invalid, OSError):  # nothing is there yet
                continue
