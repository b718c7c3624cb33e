"""Writes recorded commands: by others than who sends them, at times that have passed.

The rules decide each as any other command, on the session as it is. What they refuse is told and the rest goes on; what
fails for another reason fails all that comes after it, so that sending the same again writes it in the same order. A
command's id makes a repeat of it nothing, as always.
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


class RefusedCommand(NamedTuple):
    """Which command the rules refused, and why."""

    id: str
    refusal: Refused


class Written(NamedTuple):
    """What commands came to: how many were carried out now, and before, and which were refused."""

    done: int
    repeated: int
    refused: list[RefusedCommand]


async def write_recorded(tenant: Tenant, principal: Principal, commands: Sequence[Command]) -> Written:
    """Carry out commands in order. Raises Forbidden before anything is written; Busy and the LogError tree when only
    the first ones were."""
    for session in {command.session for command in commands}:
        principal.require_record(session)
    for command in commands:
        if isinstance(command.data, ForkSession):
            principal.require_read(command.data.origin)
    asked: list[asyncio.Future[Appended]] = []
    latest = tenant.log.clock.now() + AHEAD
    try:
        for each in commands:
            command = each if each.time <= latest else each._replace(time=latest)
            asked.append(tenant.log.submit(command, sender=principal.participant))
    finally:  # also when the queue is full: what it took is waited for, or its failure would be nobody's
        answers = await asyncio.gather(*asked, return_exceptions=True)
    return _written(commands, answers)


def _written(commands: Sequence[Command], answers: Sequence[Appended | BaseException]) -> Written:
    done, repeated, refused = 0, 0, list[RefusedCommand]()
    for command, answer in zip(commands, answers, strict=True):
        if isinstance(answer, Refused) and not isinstance(answer, Busy):
            refused.append(RefusedCommand(command.id, answer))
        elif isinstance(answer, BaseException):
            raise answer
        else:
            done, repeated = done + (not answer.repeated), repeated + answer.repeated
    return Written(done, repeated, refused)
