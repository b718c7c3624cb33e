"""Rights finer than `write`: which command takes which, and what a token's scopes come to."""

import json
import re
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from stenogram.api.access.principal import Principal
from stenogram.api.access.rights import RIGHT_OF, RIGHTS, TAKE_PART, WORDS
from stenogram.api.access.tokens import Authenticator
from stenogram.api.settings import Settings
from stenogram.domain.audience import Viewer, readers, visible
from stenogram.domain.commands import COMMANDS, parse_command
from stenogram.domain.errors import Forbidden
from stenogram.domain.restriction import WITHHELD

PAGE = Path(__file__).parents[3].joinpath("docs/reference/permissions.md").read_text()
SECRET = "a secret of at least thirty-two bytes"
SAMPLES: dict[str, tuple[str, dict[str, Any]]] = {
    "speak": ("message.post", {"message": "m", "text": "Hi."}),
    "state": ("state.increment", {"path": "/n"}),
    "tasks": ("task.claim", {"task": "t"}),
    "signal": ("signal.raise", {"signal": "s", "kind": "cancel", "target": "session"}),
    "session": ("session.close", {}),
    "floor": ("floor.move", {}),
    "answer": ("approval.answer", {"approval": "a", "option": "yes"}),
    TAKE_PART: ("presence.join", {}),
}
"""For each right, a command that takes it."""


def principal(*scopes: str) -> Principal:
    """Whom a gateway with keys takes the bearer of a token for."""
    claims = {"sub": "ana", "exp": time.time() + 600, "scopes": list(scopes)}
    return Authenticator(Settings(jwt_secret=SECRET)).principal(jwt.encode(claims, SECRET, "HS256"), {})


def allowed(who: Principal, session: str) -> set[str]:
    """The rights whose command the principal may send to a session."""
    found = set()
    for right, (do, data) in SAMPLES.items():
        try:
            who.require_command(parse_command(do, data), session)
        except Forbidden:
            continue
        found.add(right)
    return found


def test_every_command_takes_a_right_and_every_right_has_a_command() -> None:
    assert set(RIGHT_OF) == set(COMMANDS)
    assert set(RIGHT_OF.values()) == {*RIGHTS, TAKE_PART} == set(SAMPLES) == set(WORDS) - {"read"}
    assert all(RIGHT_OF[do] == right for right, (do, _) in SAMPLES.items())


@pytest.mark.parametrize("right", RIGHTS)
def test_a_right_gives_its_commands_and_taking_part_and_no_more(right: str) -> None:
    who = principal("read:*", f"{right}:trip-*")
    assert allowed(who, "trip-7") == {right, TAKE_PART}
    assert allowed(who, "other") == set()


def test_write_is_all_of_them() -> None:
    assert allowed(principal("write:*"), "trip-7") == set(SAMPLES)
    assert allowed(principal("write:trip-*"), "trip-7") == set(SAMPLES)
    assert allowed(principal("write:trip-*", "speak:*"), "other") == {"speak", TAKE_PART}
    assert allowed(principal("read:*", "audit:*"), "trip-7") == set()


def test_to_fork_takes_the_right_to_read_the_origin_too() -> None:
    fork = parse_command("session.fork", {"origin": "secret"})
    for who in (principal("session:*", "read:trip-*"), principal("write:*", "read:trip-*")):
        with pytest.raises(Forbidden):
            who.require_command(fork, "trip-8")
    principal("session:trip-*", "read:secret").require_command(fork, "trip-8")


def test_the_documented_table_is_the_one_that_is_used() -> None:
    rows = re.findall(r"^\| (?:`(\w+)`|any of them) \| (`[a-z]+\.[a-z`., ]+) \|$", PAGE, re.MULTILINE)
    documented = {do: right or TAKE_PART for right, commands in rows for do in re.findall(r"`([\w.]+)`", commands)}
    assert documented == RIGHT_OF


def test_the_documented_words_are_those_that_are_withheld() -> None:
    rows = re.findall(r"^\| `([a-z]+\.[a-z]+)` \| (`[a-z`, ]+) \|$", PAGE, re.MULTILINE)
    documented = {type: set(re.findall(r"`(\w+)`", members)) for type, members in rows}
    assert documented == {data.type: set(members) for data, members in WITHHELD.items()}


def test_the_documented_audiences_are_who_is_shown_something() -> None:
    rows = re.findall(r"^\| (?:none, or )?`(\[.*\])` \| (.*) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 4
    for listed, cells in rows:
        named = json.loads(listed)
        audience = None if named == ["everyone"] else tuple(named)
        began = readers("message.posted", audience, "planner")
        viewers = [
            Viewer("ana", "user"),
            Viewer("hotels", "agent"),
            Viewer("ben", "agent" if named == ["agents"] else "user"),
            Viewer("planner", "service"),
            Viewer("auditor", "user", sees_all=True),
        ]
        assert cells.split(" | ") == ["yes" if visible(began, viewer) else "no" for viewer in viewers], listed
