"""How a lost agent is noticed: by its silence.

An instance of a participant is lost when nothing has come from it for its lease, and stalled when it has shown no
progress with a task for that task's `stall_after`. What comes in over this gateway is in `last_seen`. Where several
gateways serve one log, each tells the others whom it hears (`gateway_heartbeats`): an agent that has moved to another
gateway is not lost.
"""

from collections.abc import Collection

from ...domain.ids import SessionId
from ...domain.model import Deadline
from ...log.engine import Engine
from .gateway_heartbeats import HEARTBEAT_INTERVAL_S, GatewayHeartbeats
from .last_seen import NEVER, LastSeen

RETURN_GRACE_S = 15.0
"""Seconds that participants have to report progress again after the gateway has started."""
OTHER_GATEWAY_GRACE_S = 2.5 * HEARTBEAT_INTERVAL_S
"""Seconds after which a gateway that has not renewed its row is not relied on any more."""


class LostAgents:
    """Judges silence. All times are on the clock of `last_seen`."""

    def __init__(self, engine: Engine, last_seen: LastSeen) -> None:
        self._last_seen = last_seen
        self._heartbeats = GatewayHeartbeats(engine, last_seen.now) if engine.shared else None
        self._exchanged_at = NEVER

    def due_at(self, session: SessionId, deadline: Deadline, at: float) -> float:
        """When a deadline is due which is due at `at` by itself: not before its participant has been silent, or has
        made no progress with the task that it names, for as long as it says."""
        silence, after, last_seen = deadline.silence, deadline.after, self._last_seen
        if silence is None:
            return at
        named_at = None if self._heartbeats is None else self._heartbeats.named_at(silence)
        if named_at is not None and self._is_theirs(silence):
            # That gateway sees to it. Judged here as well, an agent would be lost that is heard there.
            at = max(at, named_at + OTHER_GATEWAY_GRACE_S)
        if deadline.under is None:
            return max(at, self._last_heard(silence) + after)
        progress = last_seen.last_progress(silence.partition("/")[0], session, deadline.under) + after
        # Progress is reported to one gateway and held in memory: a gateway that has just started knows of none yet.
        return max(at, progress, last_seen.listening_since + min(after, RETURN_GRACE_S))

    def _is_theirs(self, silence: str) -> bool:
        """Whether another gateway names it with better reason: it has no connection here, and was heard there last."""
        last_seen, heartbeats = self._last_seen, self._heartbeats
        if heartbeats is None or last_seen.is_connected(silence):
            return False
        return not last_seen.is_attached(silence) or heartbeats.last_heard(silence) > last_seen.last_heard(silence)

    def _last_heard(self, silence: str) -> float:
        here = self._last_seen.last_heard(silence)
        if self._heartbeats is None:
            return here
        if self._heartbeats.others_renewed_at() > self._last_seen.now() - OTHER_GATEWAY_GRACE_S:
            # It may have moved to another gateway just now, which says so with its next heartbeat.
            here += OTHER_GATEWAY_GRACE_S
        return max(here, self._heartbeats.last_heard(silence))

    async def exchange_heartbeats(self, waited_for: Collection[str]) -> None:
        """Tell the other gateways which of these are attached here, and hear whom they name; once a second. Raises the
        LogError tree."""
        last_seen, now = self._last_seen, self._last_seen.now()
        if self._heartbeats is None or now - self._exchanged_at < HEARTBEAT_INTERVAL_S:
            return
        # Before it is tried: a database that fails is asked once a second, too.
        self._exchanged_at = now
        attached = [each for each in waited_for if last_seen.is_attached(each)]
        await self._heartbeats.exchange({each: now - last_seen.last_heard(each) for each in attached})

    async def leave(self) -> None:
        """Tell the other gateways that nobody is attached here any more. Raises the LogError tree."""
        if self._heartbeats is not None:
            await self._heartbeats.leave()
