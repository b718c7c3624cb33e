"""Heartbeats between gateways: what those of one log tell each other about whom they heard, and when.

Each keeps a row of its own in the log's database and renews it all the time; nobody writes for a single heartbeat. The
row names the instances that the gateway hears, or has heard within the longest of their leases, and says how long each
has been silent: so one who left a connection behind on another gateway is lost no later, and one who has lost its
connection no earlier. As long as a gateway renews its row, it sees to the silence of those whom it heard last. When it
is renewed no more, they may have been heard until it would have been: the others count from there. They remember that
when the row is gone; so its participants are lost within their leases, unless they come back.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping

from ...log.engine import Engine
from ...log.records import GatewayHeartbeat
from .last_seen import NEVER, note_latest

HEARTBEAT_INTERVAL_S = 1.0
"""Seconds between renewals."""
OTHER_GATEWAY_GRACE_S = 2.5 * HEARTBEAT_INTERVAL_S
"""Seconds after which a gateway that has not renewed its row is not relied on any more."""
FORGET_GATEWAY_AFTER_S = 60.0
"""Seconds after which a row that is not renewed is deleted."""
LEFT = -1
"""The beat of a gateway that has ended in good order: its row says for the last time whom it heard when."""


class GatewayHeartbeats:
    """One gateway's row, and what the rows of the others said last. `now` is the clock on which renewals are timed."""

    def __init__(self, engine: Engine, now: Callable[[], float]) -> None:
        self._engine = engine
        self._now = now
        self._own = GatewayHeartbeat(secrets.token_hex(8), 0, {})
        self._beats: dict[str, tuple[int, float]] = {}
        self._exchanged_at = now()
        self._named_at: dict[str, float] = {}
        self._last_heard: OrderedDict[str, float] = OrderedDict()

    async def exchange(self, silent: Mapping[str, float], *, leaving: bool = False) -> None:
        """Renew one's own row, for the last time when `leaving`, and read the others'; `silent` tells who was heard
        here, and how many seconds each has been silent. Raises the LogError tree."""
        heard = {each: int(seconds * 1_000) for each, seconds in silent.items()}
        self._own = GatewayHeartbeat(self._own.gateway, LEFT if leaving else self._own.beat + 1, heard)
        now, exchanged_at = self._now(), self._exchanged_at
        self._exchanged_at = now
        gone = [gateway for gateway, (_, at) in self._beats.items() if now - at > FORGET_GATEWAY_AFTER_S]
        heartbeats = await self._engine.exchange_heartbeats(self._own, gone)
        # After a pause of its own a gateway cannot tell how long the others were silent: they count as renewed now, or
        # all of their participants would be lost at once.
        paused = now - exchanged_at >= 3 * HEARTBEAT_INTERVAL_S
        before, self._beats, self._named_at = self._beats, {}, {}
        for heartbeat in heartbeats:
            self._take_over(heartbeat, None if paused else before.get(heartbeat.gateway))

    def _take_over(self, heartbeat: GatewayHeartbeat, known: tuple[int, float] | None) -> None:
        """Take over what another gateway says; `known` is its last beat, and when that was seen first."""
        now = self._now()
        at = known[1] if known is not None and known[0] == heartbeat.beat else now
        self._beats[heartbeat.gateway] = (heartbeat.beat, at)
        # One that lives may come a moment late, and has heard nobody for that. Of one that does not come again it is
        # not known whom it still heard.
        left, lives = heartbeat.beat == LEFT, now - at < OTHER_GATEWAY_GRACE_S
        for instance, milliseconds in heartbeat.attached.items():
            silent = milliseconds / 1_000 if left or lives else 0.0
            note_latest(self._last_heard, instance, at - silent + (0.0 if left else HEARTBEAT_INTERVAL_S))
            if not left:
                self._named_at[instance] = max(at, self._named_at.get(instance, at))

    def others_renewed_at(self) -> float:
        """When any other gateway was last seen to renew its row."""
        return max([at for _, at in self._beats.values()], default=NEVER)

    def named_at(self, instance: str) -> float | None:
        """When another gateway last said that it heard it there; None if none says so."""
        return self._named_at.get(instance)

    def last_heard(self, instance: str) -> float:
        """Until when another gateway may have heard of it, as far as is remembered: a row that is gone is no reason to
        forget it."""
        return self._last_heard.get(instance, NEVER)
