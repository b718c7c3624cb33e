"""Reads recorded runs of agent teams, in the format of the public data set Who&When (Magentic-One, AG2).

A recording is a JSON object: `question`, `history` (a list of `{role, content}` in order, perhaps with a `name`), and
often `ground_truth` and a labelled mistake. A role says who speaks, and in brackets to whom or how:

    human                                   the person, to everyone
    WebSurfer                               an agent, to everyone
    Orchestrator (thought)                  an agent, for the team alone
    Orchestrator (-> WebSurfer)             an agent assigns something to another, for the team alone
    Orchestrator (termination condition)    an agent, to everyone

Each entry becomes one step, its text unchanged to the byte. There are no timestamps in the format. Nothing here does
I/O but `read_recording`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from stenogram.adapters.recordings.session_lines import slug
from stenogram.domain.audience import RESERVED
from stenogram.domain.concepts.messages import MAX_MESSAGE_BYTES
from stenogram.domain.errors import Invalid
from stenogram.domain.model import Kind

_ROLE = re.compile(r"^\s*(?P<name>.*?)\s*(?:\((?P<note>[^()]*)\))?\s*$", re.DOTALL)
_ASSIGNS = re.compile(r"^->\s*(?P<to>.+?)\s*$")
_PEOPLE = ("human", "user")
_MISTAKE = ("mistake_agent", "mistake_step", "mistake_reason", "mistake_type")
_TEAM = ("agents",)


@dataclass(frozen=True, slots=True)
class Player:
    """Someone who takes part in a recording: `id` is made from the `name`, so that a session takes it."""

    id: str
    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of the history. `audience` is None for everyone; `role` is as recorded."""

    index: int
    actor: str
    kind: Kind
    text: str
    role: str
    audience: tuple[str, ...] | None = None
    note: str | None = None
    assignee: str | None = None

    @property
    def message(self) -> str:
        """The id of the message that this step becomes."""
        return f"step-{self.index}"

    @property
    def about(self) -> dict[str, Any]:
        """What the step is besides its text: the value of the message's data part named `recording`."""
        said = {"step": self.index, "role": self.role, "note": self.note, "assignee": self.assignee}
        return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Recording:
    """A whole recorded run. `players` are in the order in which they first speak."""

    question: str
    players: tuple[Player, ...]
    steps: tuple[Step, ...]
    metadata: dict[str, Any] = field(default_factory=dict)


def read_recording(path: Path) -> Recording:
    """Read a file. Raises Invalid, naming the file and the entry, when it is not a recording."""
    try:
        return parse_recording(path.read_bytes())
    except Invalid as error:
        raise Invalid(f"{path}: {error.detail}") from None


def parse_recording(content: bytes) -> Recording:
    """Read a recording's JSON. Raises Invalid."""
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"This is no JSON: {error}.") from None
    history = found.get("history") if isinstance(found, dict) else None
    if not isinstance(history, list):
        raise Invalid("This is no recording: it must be an object whose `history` is a list.")
    if not history:
        raise Invalid("The recording is empty: its `history` has no entries.")
    cast = _Cast()
    steps = tuple(_step(cast, index, entry) for index, entry in enumerate(history))
    question = found.get("question")
    said = question if isinstance(question, str) and question else steps[0].text
    return Recording(said, tuple(cast.players), steps, _metadata(found))


class _Cast:
    """Gives everyone who is named an id of their own."""

    def __init__(self) -> None:
        self.players: list[Player] = []
        self._by_name: dict[str, Player] = {}

    def player(self, name: str, kind: Kind) -> Player:
        if name not in self._by_name:
            player = Player(self._free(slug(name)), name[:128], kind)
            self._by_name[name] = player
            self.players.append(player)
        return self._by_name[name]

    def _free(self, wanted: str) -> str:
        taken = RESERVED | {player.id for player in self.players}
        number, id = 2, wanted
        while id in taken:
            id, number = f"{wanted}-{number}", number + 1
        return id


def _step(cast: _Cast, index: int, entry: Any) -> Step:
    role, name, text = _entry(index, entry)
    matched = _ROLE.match(name or role)
    speaker, note = (matched["name"], matched["note"]) if matched else (role, None)
    assigns = _ASSIGNS.match(note) if note else None
    person = role.lower() == "human" or (name is None and role.lower() in _PEOPLE)
    player = cast.player(speaker or "unnamed", "user" if person else "agent")
    assignee = cast.player(assigns["to"], "agent").id if assigns else None
    for_team = not person and (assigns is not None or note == "thought")
    return Step(
        index,
        player.id,
        player.kind,
        text,
        role,
        _TEAM if for_team else None,
        None if assigns else note,
        assignee,
    )


def _entry(index: int, entry: Any) -> tuple[str, str | None, str]:
    """Role, name and content of an entry, checked."""
    if not isinstance(entry, dict):
        raise Invalid(f"Entry {index} of the history is no object.")
    role, name, content = entry.get("role"), entry.get("name"), entry.get("content")
    if not isinstance(role, str) or not role.strip():
        raise Invalid(f"Entry {index} of the history does not say its `role`.")
    if content is None and "content" in entry:
        content = ""
    if not isinstance(content, str):
        raise Invalid(f"Entry {index} of the history has no `content` of text.")
    size = len(content.encode())
    if size > MAX_MESSAGE_BYTES:
        raise Invalid(f"Entry {index} of the history has {size:,} bytes; a message holds {MAX_MESSAGE_BYTES:,}.")
    return role, name if isinstance(name, str) and name.strip() else None, content


def _metadata(found: dict[str, Any]) -> dict[str, Any]:
    """Everything else that the recording says of itself; the members about the mistake become one."""
    plain = {
        name: value
        for name, value in found.items()
        if name not in ("history", *_MISTAKE) and isinstance(value, str | int | float | bool)
    }
    mistake = {name.removeprefix("mistake_"): found[name] for name in _MISTAKE if found.get(name) is not None}
    if isinstance(mistake.get("step"), str) and mistake["step"].isdecimal():
        mistake["step"] = int(mistake["step"])
    return {**plain, "mistake": mistake} if mistake else plain


def speakers(steps: Sequence[Step]) -> dict[str, list[Step]]:
    """The steps of each actor, in order: what a client that plays one participant has to say."""
    by_actor: dict[str, list[Step]] = {}
    for step in steps:
        by_actor.setdefault(step.actor, []).append(step)
    return by_actor
