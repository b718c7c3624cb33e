"""Writes recorded commands: by others than who sends them, at times that have passed.

The rules decide each as any other command, on the session as it is. What they refuse is told and the rest goes on. What
fails for another reason fails the request: of the commands that were asked at once with it, those behind it may be done
already, and no later ones are. Sending the same again writes what is missing; a command's id makes a repeat of it
nothing, as always.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from ...domain.concepts.lifecycle import ForkSession
from ...domain.errors import Busy, Refused
from ...domain.model import Command
from ...log.records import Appended
from ..access.principal import Principal
from ..tenants.tenant import Tenant

AHEAD = timedelta(minutes=5)
"""By which a clock elsewhere may be ahead of the log's. What is said to have happened later happened then: time never
goes back in a session, and all that follows would be as late."""

AT_ONCE = 500
"""Commands of one request that wait to be decided: others' come in between."""


class RefusedCommand(NamedTuple):
    """Which command the rules refused, and why."""

    id: str
    refusal: Refused


class Written(NamedTuple):
    """What commands came to: how many were carried out now, and before, and which were refused."""

    done: int
    repeated: int
    refused: list[RefusedCommand]


async def write_recorded(tenant: Tenant, principal: Principal, commands: Sequence[Command], size: int) -> Written:
    """Carry out commands in order, which came in so many bytes at most. Raises Forbidden before anything is written;
    Busy and the LogError tree when not all of them are done."""
    for session in {command.session for command in commands}:
        principal.require_record(session)
    for command in commands:
        if isinstance(command.data, ForkSession):
            principal.require_read(command.data.origin)
    latest, answers = tenant.log.clock.now() + AHEAD, list[Appended | Refused]()
    timed = [each if each.time <= latest else each._replace(time=latest) for each in commands]
    each_size = size // max(1, len(timed))
    for first in range(0, len(timed), AT_ONCE):
        answers += await _answers(tenant, principal, timed[first : first + AT_ONCE], each_size)
    return _written(commands, answers)


async def _answers(
    tenant: Tenant, principal: Principal, commands: Sequence[Command], size: int
) -> list[Appended | Refused]:
    """Carry out a few, of so many bytes each. A fault that is no refusal is raised, when all of them are answered."""
    asked: list[asyncio.Future[Appended]] = []
    try:
        for command in commands:
            asked.append(tenant.log.submit(command, size=size, sender=principal.participant))
    finally:  # also when the queue is full: what it took is waited for, or its failure would be nobody's
        answers = await asyncio.gather(*asked, return_exceptions=True)
    decided: list[Appended | Refused] = []
    for each in answers:
        if isinstance(each, BaseException) and (not isinstance(each, Refused) or isinstance(each, Busy)):
            raise each
        decided.append(each)
    return decided


def _written(commands: Sequence[Command], answers: Sequence[Appended | Refused]) -> Written:
    refused = [
        RefusedCommand(command.id, answer)
        for command, answer in zip(commands, answers, strict=True)
        if isinstance(answer, Refused)
    ]
    repeated = sum(not isinstance(answer, Refused) and answer.repeated for answer in answers)
    return Written(len(answers) - len(refused) - repeated, repeated, refused)
