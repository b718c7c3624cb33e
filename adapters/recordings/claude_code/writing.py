"""A session that is being written from entries: who takes part, what is refused, and what is kept as it is."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import orjson

from ....domain.commands import parse_command
from ....domain.errors import Invalid, Refused
from ....domain.ids import recorded_id
from ....domain.model import Actor, Command
from ....domain.state import State
from ..session_lines import SessionLines
from .entries import CONSTANT, MAX_REST_BYTES, Entry, message_rest, rest_of
from .notes import Note

PERSON, CLAUDE = Actor("person", "user"), Actor("claude", "agent")
TEAM = ["agents"]
RAW = "x.claude_code."
"""Types of the events that keep entries as they are."""
MAX_RAW_CHARS = 1_000_000
"""A larger entry is kept in pieces."""


class SessionWriter:
    """Carries out what entries come to. What the rules refuse is kept raw: `kept_raw` counts that, by its reason."""

    def __init__(self, session: str, on_command: Callable[[Command], None] | None = None) -> None:
        self.kept_raw: Counter[str] = Counter()
        self.constants: Entry = {}
        self._lines = SessionLines(session, on_command)
        self._made: list[bytes] = []
        self._time = datetime.fromtimestamp(0, UTC)
        self._refused: str | None = None

    @property
    def state(self) -> State:
        """What the session has come to."""
        return self._lines.state

    def flush(self) -> list[bytes]:
        """The events since the last time."""
        made, self._made = self._made, []
        return made

    def advance(self, entry: Entry) -> None:
        """Go on to the time of an entry. Time never goes back: an earlier one stays in the entry's rest."""
        if isinstance(said := entry.get("timestamp"), str):
            self._time = max(self._time, _time(said))

    def open(self, entry: Entry) -> None:
        """Open the session by what its first entry says that all of them do."""
        self.constants = {name: entry[name] for name in CONSTANT if entry.get(name)}
        self.do(PERSON, "session.open", labels={"source": "claude-code"}, metadata=self.constants)
        self.do(PERSON, "presence.join")

    def note(self, note: Note) -> None:
        """What Claude Code does, by what is known besides its transcript. It does not count among the commands whose
        ids come from their number: with and without it, the transcript's own are the same."""
        self._time = max(self._time, note.time)
        here = self.state.presence.in_order()
        if note.status is None:
            for each in here:
                id = recorded_id(self.state.id, f"leave {each.id}", note.id)
                self.do(Actor(each.id, each.kind), "presence.leave", id, reason=note.said)
        elif any(each.id == CLAUDE.id for each in here):
            id = recorded_id(self.state.id, "status", note.id)
            self.do(CLAUDE, "presence.status", id, status=note.status, activity=note.said)

    def close(self) -> None:
        """End it where its transcript ends."""
        self.do(PERSON, "session.close", reason="The transcript ends.")

    def do(self, actor: Actor, do: str, command: str | None = None, /, **data: Any) -> bool:
        """Carry out a command, as it would be sent, under an id of its own if it has one; whether the rules took it."""
        given = {name: value for name, value in data.items() if value is not None}
        try:
            self._made += self._lines.lines(actor, self._time, parse_command(do, given), command)
        except Refused as refusal:
            self._refused = f"{do}: {refusal.code}"
            return False
        return True

    def refusal(self) -> str | None:
        """Why something was refused since the last time that this was asked."""
        refused, self._refused = self._refused, None
        return refused

    def join(self, actor: Actor, about: Entry) -> None:
        """Let somebody take part, if they do not."""
        known = self.state.presence.get(actor.id)
        if known is None or not known.present:
            self.do(actor, "presence.join", about=about or None)

    def record(self, actor: Actor, kind: str, entry: Entry) -> None:
        """Keep an entry, or what is left of one, as a custom event: in pieces if it is large."""
        text = orjson.dumps(entry).decode()
        pieces = [text[at : at + MAX_RAW_CHARS] for at in range(0, len(text), MAX_RAW_CHARS)]
        type = _type(kind)
        if len(pieces) == 1 and self.do(actor, "custom.record", type=type, data=entry, audience=TEAM):
            return
        for number, piece in enumerate(pieces, 1):
            data = {"type": type, "piece": number, "of": len(pieces), "json": piece}
            if not self.do(actor, "custom.record", type=f"{RAW}piece", data=data, audience=TEAM):
                raise Invalid(f"An entry of type {kind!r} cannot be kept: {self._refused}.")

    def rest(self, entry: Entry, *shown: str) -> Entry:
        """What is left of an entry, besides the members `shown`, its texts and its calls."""
        left = rest_of(entry, self.constants, "message", *shown)
        if isinstance(said := entry.get("timestamp"), str) and _time(said) == self._time:
            left.pop("timestamp", None)
        if isinstance(message := entry.get("message"), dict) and (inner := message_rest(message)):
            left["message"] = inner
        return left

    def fit(self, actor: Actor, rest: Entry) -> Entry:
        """The rest as the metadata of an event; if it is too large for that, an event of its own has it."""
        if not rest or len(orjson.dumps(rest)) <= MAX_REST_BYTES:
            return {"entry": rest} if rest else {}
        self.record(actor, "rest", rest)
        uuid = rest.get("uuid")
        return {"entry": {"uuid": uuid, "rest": "event"}} if uuid else {}


def says_all(entry: Entry) -> bool:
    """Whether an entry says of the session what its entries do, so that no later one is needed for that."""
    return all(entry.get(name) for name in ("cwd", "sessionId", "timestamp"))


def first_of(entries: Iterable[Entry]) -> Entry:
    """What the first entries say of the session: its constants and its time."""
    found: Entry = {}
    for entry in entries:
        for name in (*CONSTANT, "timestamp"):
            if name in entry:
                found.setdefault(name, entry[name])
    return found


def _type(kind: str) -> str:
    name = "".join(each if each.isalnum() and each.isascii() else "_" for each in kind.lower())
    return f"{RAW}{name if name[:1].isalpha() else f'entry_{name}'}"[:128]


def _time(said: str) -> datetime:
    try:
        time = datetime.fromisoformat(said)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (OverflowError, ValueError):  # no time, or in no year that there is in UTC
        return datetime.fromtimestamp(0, UTC)
