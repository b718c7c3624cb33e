"""Names in an audience that are almost somebody's: who writes `user` means `users`, and would tell nobody.

Anyone may be addressed before they come. So a name that nobody in the session has is refused only when it is nearly the
name of a group, or of a participant who has been here; `@name` is who is called exactly so, here or yet to come.
"""

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from ..audience import AGENTS, EVERYONE, RESERVED, USERS, normal
from ..errors import Conflict
from ..ids import ParticipantId
from ..model import Command, CommandData
from ..state import State

ADDRESSING = ("audience", "of")
"""The members of commands that name recipients."""
SYNONYMS = {"all": EVERYONE, "anyone": EVERYONE, "everybody": EVERYONE}
MIN_CHARS = 4
"""Shorter words are close to each other by chance."""
MAX_LISTED = 20
_SEPARATORS = re.compile(r"[-_.:@+]")


def addressed(state: State, command: Command) -> Command:
    """The command with its recipients as they are written in events. Raises Conflict for a name that is mistaken."""
    members = _addressing(type(command.data))
    if not members:
        return command
    data, changed = command.data, dict[str, Any]()
    for member in members:
        names: tuple[str, ...] | None = getattr(data, member)
        if names is None:
            continue
        for name in names:
            _refuse_mistaken(state, command.actor.id, name)
        if any(name.startswith("@") for name in names):
            changed[member] = normal(tuple([name.removeprefix("@") for name in names]))
    return command._replace(data=data.model_copy(update=changed)) if changed else command


@cache
def _addressing(command: type[CommandData]) -> tuple[str, ...]:
    # By type: to ask an object of pydantic's for a member that it has not takes longer than to decide a delta.
    return tuple([member for member in ADDRESSING if member in command.model_fields])


def _refuse_mistaken(state: State, actor: ParticipantId, name: str) -> None:
    if name.startswith("@") or name in RESERVED or name == actor or name in state.presence:
        return
    meant = SYNONYMS.get(name.lower()) or _meant(name, (USERS, AGENTS, EVERYONE, *state.presence))
    if meant is None:
        return
    here = [f"{id} ({each.kind})" for id, each in sorted(state.presence.items()) if each.present]
    listed = f"{', '.join(here[:MAX_LISTED]) or 'nobody'}{' …' if len(here) > MAX_LISTED else ''}"
    raise Conflict(
        f"Nobody called {name!r} is in this session; did you mean {meant!r}? Here are {listed}; groups are users, "
        f"agents and everyone. For somebody of that name who comes later, write '@{name}'.",
        name=name,
        meant=meant,
    )


def _meant(name: str, known: Iterable[str]) -> str | None:
    return next((each for each in known if _is_almost(name, each)), None)


def _is_almost(one: str, other: str) -> bool:
    """Whether the names differ in capitals, or by one slip in one of their words. Numbers, and words of a few letters,
    tell siblings apart: worker-1 and worker-2, team-a and team-b."""
    if one.lower() == other.lower():
        return True
    words = list(zip(_SEPARATORS.split(one), _SEPARATORS.split(other), strict=False))
    differing = [pair for pair in words if pair[0] != pair[1]]
    if len(differing) != 1 or len(_SEPARATORS.findall(one)) != len(_SEPARATORS.findall(other)):
        return False
    first, second = differing[0]
    return min(len(first), len(second)) >= MIN_CHARS and _is_one_slip(first, second)


def _is_one_slip(one: str, other: str) -> bool:
    """Whether one letter is missing, too much or another, or two neighbours are swapped."""
    start = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    one, other = one[start:], other[start:]
    if any(each.isdigit() for each in one[:1] + other[:1]):
        return False
    swapped = one[:2] == other[1::-1] and one[2:] == other[2:]
    return one[1:] == other or one == other[1:] or one[1:] == other[1:] or (len(one) > 1 and swapped)
