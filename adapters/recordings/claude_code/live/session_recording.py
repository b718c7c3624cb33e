"""One session that is recorded: from the files that grow to the commands that are to be sent.

Lines of several files are taken in the order of their times, as the import takes them. That order is known once new
files were looked for after a line was read, and a second has passed: then whatever was written before it is read, too.
A line that comes later than that, with an earlier time, is taken when it comes.
"""

import time
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import orjson

from .....domain.errors import Invalid
from .....domain.ids import SessionId
from .....domain.model import Actor, Command
from ..entries import Entry
from ..files import about_file, entry_of, find_sessions
from ..notes import note_of
from ..transcript import Transcript
from .growing_file import GrowingFile
from .spool import Spool, SpooledLine

SETTLE_S = 1.0
LIST_S = 1.0
"""Seconds between two looks for files that are new."""
IDLE_S = 1_800.0
MAX_UNSENT = 5_000
"""Commands that wait to be sent; while there are more, nothing is read."""
HOOKS, END = "hooks", "end"
"""What the spool calls lines that are in none of the session's files."""


class _Pending(NamedTuple):
    """A line that was read: where it ends, its number; its time in its file's order; in which round it was read and
    when."""

    line: bytes
    to: int
    number: int
    key: str
    round: int
    at: float


class _Followed:
    """A file of the session, and the lines of it that are not taken yet."""

    def __init__(self, path: Path) -> None:
        self.file = GrowingFile(path)
        self.pending: deque[_Pending] = deque()
        self.last = ""
        self.begun = False


class SessionRecording:
    """Follows the files of a session. `first` is its first command, `unsent` are those that no answer is known to;
    `changed_at` is when something came last, on the clock of `time.monotonic`."""

    def __init__(self, main: Path, session: SessionId, spool: Spool, hooks: Path) -> None:
        self.session = session
        self.spool = spool
        self.first: Command | None = None
        self.unsent: deque[Command] = deque()
        self.changed_at = time.monotonic() - _age(main)
        self.ended = False
        self._main = main
        self._hooks = hooks
        self._transcript = Transcript(session, self._on_command)
        self._followed: dict[str, _Followed] = {}
        self._listed: list[tuple[str, Path]] = []
        self._listed_at = float("-inf")
        self._round = 0
        self._restore()

    @property
    def participants(self) -> list[Actor]:
        """Those who are in the session now."""
        return self._transcript.present

    @property
    def is_idle(self) -> bool:
        """Whether nothing has come for so long that nobody is taken to be at work any more."""
        return time.monotonic() - self.changed_at > IDLE_S

    def poll(self, now: float, *, to_the_end: bool = False) -> bool:
        """Look through the files once; whether there may be more to read at once."""
        if len(self.unsent) > MAX_UNSENT:
            return False
        if to_the_end or now - self._listed_at >= LIST_S:
            self._listed_at, self._round, self._listed = now, self._round + 1, self._files()
        found = False
        for name, path in self._listed:
            followed = self._followed.setdefault(name, _Followed(path))
            for line, to, number in followed.file.read(to_the_end=to_the_end):
                found = True
                followed.last = max(followed.last, _time_of(line))
                followed.pending.append(_Pending(line, to, number, followed.last, self._round, now))
        if found:
            self.changed_at, self.ended = now, False
        self._take(now, to_the_end)
        return found

    def end(self) -> None:
        """End the session where its files end."""
        if not self.ended:
            self._keep_and_apply([SpooledLine(END, 0, 0, {}, b"{}\n")])

    def leave(self, reason: str) -> None:
        """All participants have left, for nothing has come for long."""
        hook = {"hook_event_name": "SessionEnd", "reason": reason, "timestamp": datetime.now(UTC).isoformat()}
        self._keep_and_apply([SpooledLine(HOOKS, 0, 0, {}, orjson.dumps(hook) + b"\n")])

    def sent(self, number: int) -> None:
        """Of `unsent`, the first so many were answered."""
        for _ in range(number):
            self.unsent.popleft()
        self.spool.sent += number

    def send_again(self) -> None:
        """Begin from the first command: what is written to has lost them."""
        self.spool.sent = 0
        self.unsent.clear()
        self._transcript = Transcript(self.session, self._on_command)
        for each in self.spool.lines():
            self._apply(each)

    def _on_command(self, command: Command) -> None:
        self.first = self.first or command
        self.unsent.append(command)

    def _restore(self) -> None:
        paths = dict(self._files())
        for each in self.spool.lines():
            self._apply(each)
            if each.to:
                path = paths.get(each.file, self._main.parent / each.file)
                followed = self._followed.setdefault(each.file, _Followed(path))
                followed.file.resume(each.line, each.to, each.number)
                followed.last, followed.begun = max(followed.last, _time_of(each.line)), True
        for _ in range(min(self.spool.sent, len(self.unsent))):
            self.unsent.popleft()

    def _files(self) -> list[tuple[str, Path]]:
        """The session's files by their names from its folder, in the order of the import; then the hooks."""
        try:
            files = find_sessions([self._main])[0].files
        except (Invalid, OSError):  # it is gone, or was replaced just now
            files = (self._main,)
        named = [(str(file.relative_to(self._main.parent)), file) for file in files]
        return [*named, (f"/{HOOKS}", self._hooks)]

    def _take(self, now: float, everything: bool) -> None:
        """Take what has settled, in the order of its times."""
        taken: list[SpooledLine] = []
        place = {name: at for at, (name, _) in enumerate(self._listed)}
        waiting = {name: each for name, each in self._followed.items() if each.pending}
        while waiting:
            name = min(waiting, key=lambda each: (waiting[each].pending[0].key, place.get(each, -1)))
            followed = waiting[name]
            head = followed.pending[0]
            if not everything and (head.round == self._round or now - head.at < SETTLE_S):
                break
            followed.pending.popleft()
            if not followed.pending:
                del waiting[name]
            about = {} if followed.begun or not head.line.strip() else about_file(followed.file.path)
            followed.begun = followed.begun or bool(head.line.strip())
            taken.append(SpooledLine(name, head.to, head.number, about, head.line))
        self._keep_and_apply(taken)

    def _keep_and_apply(self, lines: list[SpooledLine]) -> None:
        self.spool.add(lines)  # first: what comes of a line that nobody knows of could never be made again
        for each in lines:
            self._apply(each)

    def _apply(self, spooled: SpooledLine) -> None:
        name, _, number, about, line = spooled
        self.ended = name == END
        if name == END:
            made = self._transcript.end()
        elif name in (HOOKS, f"/{HOOKS}"):
            self._note(line)
            return
        elif not line.strip():
            return
        else:
            made = self._transcript.take(entry_of(Path(name), number, line, about, True))
        for _ in made:  # as events they are not needed here
            pass

    def _note(self, line: bytes) -> None:
        try:
            hook: Entry = orjson.loads(line)
            note = note_of(line.decode().strip(), datetime.fromisoformat(hook["timestamp"]), hook)
        except (ValueError, KeyError, TypeError, AttributeError):  # no hook's word
            return
        for _ in () if note is None else self._transcript.note(note):
            pass


def _age(file: Path) -> float:
    """Seconds since it was written to; 0 if it is gone."""
    try:
        return max(0.0, time.time() - file.stat().st_mtime)
    except OSError:
        return 0.0


def _time_of(line: bytes) -> str:
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        return ""
    said = entry.get("timestamp") if isinstance(entry, dict) else None
    return said if isinstance(said, str) else ""
