"""How a lost agent is noticed: by its silence.

An instance of a participant is lost when nothing has come from it for its lease, and stalled when it has shown no
progress with a task for that task's `stall_after`. Whom a recorder vouches for in a session is not silent there. What
comes in over this gateway is in `last_seen`. Where several gateways serve one log, each tells the others whom it heard
when (`gateway_heartbeats`): an agent that has moved to another gateway is not lost, and one that has lost its
connection keeps its whole lease.
"""

from collections.abc import Mapping

from ...domain.ids import SessionId
from ...domain.model import Deadline
from ...log.engine import Engine
from .gateway_heartbeats import HEARTBEAT_INTERVAL_S, OTHER_GATEWAY_GRACE_S, GatewayHeartbeats
from .last_seen import NEVER, LastSeen, vouched_in

RETURN_GRACE_S = 15.0
"""Seconds that participants have to report progress again after the gateway has started, or they have come to it."""


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
        at = self._left_to_another(silence, at)
        if deadline.under is None:
            vouched = vouched_in(silence, session)
            at = self._left_to_another(vouched, at)
            return max(at, self._last_heard(silence) + after, self._last_heard(vouched) + after)
        progress = last_seen.last_progress(silence.partition("/")[0], session, deadline.under) + after
        # Progress is reported to one gateway and held in memory: one that has just started knows of none yet, nor does
        # the one that an agent has come to from another.
        since = max(last_seen.listening_since, last_seen.connected_since(silence))
        return max(at, progress, since + min(after, RETURN_GRACE_S))

    def _left_to_another(self, silence: str, at: float) -> float:
        """When it may be judged here: not while another gateway sees to it. Judged here as well, an agent would be lost
        that is heard there."""
        named_at = None if self._heartbeats is None else self._heartbeats.named_at(silence)
        return max(at, named_at + OTHER_GATEWAY_GRACE_S) if named_at is not None and self._is_theirs(silence) else at

    def _is_theirs(self, silence: str) -> bool:
        """Whether another gateway has better reason to judge it: it has no connection here, and was heard there last
        beyond doubt. What others say is up to that much later than it was; two gateways that each took it for the
        other's would both leave it alone."""
        last_seen, heartbeats = self._last_seen, self._heartbeats
        if heartbeats is None or last_seen.is_connected(silence):
            return False
        here = last_seen.last_heard(silence) if last_seen.was_heard(silence) else NEVER
        return heartbeats.last_heard(silence) > here + HEARTBEAT_INTERVAL_S + OTHER_GATEWAY_GRACE_S

    def _last_heard(self, silence: str) -> float:
        here = self._last_seen.last_heard(silence)
        if self._heartbeats is None:
            return here
        if self._heartbeats.others_renewed_at() > self._last_seen.now() - OTHER_GATEWAY_GRACE_S:
            # It may have moved to another gateway just now, which says so with its next heartbeat.
            here += OTHER_GATEWAY_GRACE_S
        return max(here, self._heartbeats.last_heard(silence))

    @property
    def exchange_is_due(self) -> bool:
        """Whether there may be other gateways, and a second has passed."""
        return self._heartbeats is not None and self._last_seen.now() - self._exchanged_at >= HEARTBEAT_INTERVAL_S

    async def exchange_heartbeats(self, waited_for: Mapping[str, float]) -> None:
        """Tell the other gateways which of these were heard here, within the seconds of silence that each is given, and
        hear whom they name; once a second. Raises the LogError tree."""
        if self._heartbeats is None or not self.exchange_is_due:
            return
        # Before it is tried: a database that fails is asked once a second, too.
        self._exchanged_at = self._last_seen.now()
        await self._heartbeats.exchange(self._silent(waited_for))

    async def leave(self, waited_for: Mapping[str, float]) -> None:
        """Tell the other gateways that nobody is heard here any more, and when these were. Raises the LogError tree."""
        if self._heartbeats is not None:
            await self._heartbeats.exchange(self._silent(waited_for), leaving=True)

    def _silent(self, waited_for: Mapping[str, float]) -> dict[str, float]:
        """How long those have been silent who are heard here, or were within the seconds that each is given."""
        last_seen, now = self._last_seen, self._last_seen.now()
        silent = {each: now - last_seen.last_heard(each) for each in waited_for if last_seen.was_heard(each)}
        return {
            each: seconds
            for each, seconds in silent.items()
            if seconds < waited_for[each] or last_seen.is_connected(each)
        }
