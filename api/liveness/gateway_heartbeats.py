"""Heartbeats between gateways: what those of one log tell each other about who is attached through which.

Each keeps a row of its own in the log's database and renews it all the time; nobody writes for a single heartbeat. The
row names the instances that are attached, and says how long each has been silent: so one who left a connection behind
on another gateway is lost no later. As long as a gateway renews its row, it sees to the silence of those whom it names.
When it is renewed no more, they may have been heard until it would have been: the others count from there; so they are
lost within their leases, unless they come back.
"""

import secrets
from collections.abc import Callable, Mapping

from ...log.engine import Engine
from ...log.records import GatewayHeartbeat
from .last_seen import NEVER

HEARTBEAT_INTERVAL_S = 1.0
"""Seconds between renewals."""
FORGET_GATEWAY_AFTER_S = 60.0
"""Seconds after which a row that is not renewed is deleted."""


class GatewayHeartbeats:
    """One gateway's row, and what the rows of the others said last. `now` is the clock on which renewals are timed."""

    def __init__(self, engine: Engine, now: Callable[[], float]) -> None:
        self._engine = engine
        self._now = now
        self._own = GatewayHeartbeat(secrets.token_hex(8), 0, {})
        self._beats: dict[str, tuple[int, float]] = {}
        self._exchanged_at = now()
        self._named_at: dict[str, float] = {}
        self._last_heard: dict[str, float] = {}

    async def exchange(self, silent: Mapping[str, float]) -> None:
        """Renew one's own row, and read the others'; `silent` tells who is attached, and how many seconds each has
        been silent. Raises the LogError tree."""
        attached = {each: int(seconds * 1_000) for each, seconds in silent.items()}
        self._own = GatewayHeartbeat(self._own.gateway, self._own.beat + 1, attached)
        now, exchanged_at = self._now(), self._exchanged_at
        self._exchanged_at = now
        gone = [gateway for gateway, (_, at) in self._beats.items() if now - at > FORGET_GATEWAY_AFTER_S]
        heartbeats = await self._engine.exchange_heartbeats(self._own, gone)
        before, self._beats, self._named_at, self._last_heard = self._beats, {}, {}, {}
        for heartbeat in heartbeats:
            known = before.get(heartbeat.gateway)
            at, renewed = now, known is None or known[0] != heartbeat.beat
            # After a pause of its own a gateway cannot tell how long the others were silent: they count as renewed now,
            # or all of their participants would be lost at once.
            if known is not None and not renewed and now - exchanged_at < 3 * HEARTBEAT_INTERVAL_S:
                at = known[1]
            self._beats[heartbeat.gateway] = (heartbeat.beat, at)
            for instance, milliseconds in heartbeat.attached.items():
                heard = at + HEARTBEAT_INTERVAL_S - (milliseconds / 1_000 if renewed else 0.0)
                self._named_at[instance] = max(at, self._named_at.get(instance, at))
                self._last_heard[instance] = max(heard, self._last_heard.get(instance, heard))

    async def leave(self) -> None:
        """Say that nobody is attached through this gateway any more."""
        await self._engine.exchange_heartbeats(self._own._replace(beat=self._own.beat + 1, attached={}), ())

    def others_renewed_at(self) -> float:
        """When any other gateway was last seen to renew its row."""
        return max([at for _, at in self._beats.values()], default=NEVER)

    def named_at(self, instance: str) -> float | None:
        """When another gateway last said that it is attached through that one; None if none does."""
        return self._named_at.get(instance)

    def last_heard(self, instance: str) -> float:
        """Until when another gateway may have heard of it."""
        return self._last_heard.get(instance, NEVER)
