"""The roll: what the gateways of one log tell each other about who is attached through which.

Each keeps a row of its own in the log's database and renews it all the time; nobody writes for a single heartbeat. As
long as a gateway renews its row, it hears those whom it names, and sees to their silence. When it is renewed no more,
the others count their silence from the last renewal; so they are lost within their leases, unless they come back.
"""

import secrets
from collections.abc import Callable, Iterable

from ..domain.ids import ParticipantId
from ..log.engine import Engine
from ..log.records import Roll

EVERY = 1.0
"""Seconds between renewals."""
FORGOTTEN = 60.0
"""Seconds after which a row that is not renewed is struck off."""


class Rolls:
    """One gateway's part in the roll. `now` is the clock on which renewals are timed."""

    def __init__(self, engine: Engine, now: Callable[[], float]) -> None:
        self._engine = engine
        self._now = now
        self._own = Roll(secrets.token_hex(8), 0, ())
        self._beats: dict[str, tuple[int, float]] = {}
        self._called = now()
        self._named: dict[ParticipantId, float] = {}

    async def call(self, attached: Iterable[ParticipantId]) -> None:
        """Renew one's own row, and look at the others'. Raises the LogError tree."""
        self._own = Roll(self._own.gateway, self._own.beat + 1, tuple(sorted(attached)))
        now, called = self._now(), self._called
        self._called = now
        gone = [gateway for gateway, (_, at) in self._beats.items() if now - at > FORGOTTEN]
        rolls = await self._engine.call_roll(self._own, gone)
        before, self._beats, self._named = self._beats, {}, {}
        for roll in rolls:
            known = before.get(roll.gateway)
            at = now
            # Who could not look for a while cannot tell how long the others were silent.
            if known is not None and known[0] == roll.beat and now - called < 3 * EVERY:
                at = known[1]
            self._beats[roll.gateway] = (roll.beat, at)
            for participant in roll.attached:
                self._named[participant] = max(at, self._named.get(participant, at))

    async def leave(self) -> None:
        """Say that nobody is attached through this gateway any more."""
        await self._engine.call_roll(self._own._replace(beat=self._own.beat + 1, attached=()), ())

    def named(self, participant: ParticipantId) -> float | None:
        """When another gateway last said that they are attached through it; None if none does."""
        return self._named.get(participant)
