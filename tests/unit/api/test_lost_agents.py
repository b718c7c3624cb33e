"""Silence is counted from when an agent was last heard of, here or through another gateway."""

from datetime import UTC, datetime
from typing import cast

from stenogram.api.liveness.last_seen import LastSeen
from stenogram.api.liveness.lost_agents import OTHER_GATEWAY_GRACE_S, LostAgents
from stenogram.domain.concepts.stalls import RecoverParticipant
from stenogram.domain.model import Deadline
from stenogram.log.engine import Engine
from stenogram.log.records import GatewayHeartbeat

LEASE_S = 15.0
RECOVER = RecoverParticipant(participant="hotels", task="t-1", stalled=1)
LOSS = Deadline(datetime.now(UTC), "d", RECOVER, "hotels", LEASE_S)


class SharedEngine:
    """Where this gateway finds the rows of the others."""

    shared = True

    def __init__(self) -> None:
        self.others: list[GatewayHeartbeat] = []
        self.own: GatewayHeartbeat | None = None

    async def exchange_heartbeats(self, own: GatewayHeartbeat, gone: object) -> list[GatewayHeartbeat]:
        """As engines do it."""
        self.own = own
        return self.others


class World:
    """A gateway with a clock of ours."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.engine = SharedEngine()
        self.last_seen = LastSeen(lambda: self.now)
        self.lost_agents = LostAgents(cast(Engine, self.engine), self.last_seen)

    def due_at(self) -> float:
        """When the agent is lost."""
        return self.lost_agents.due_at("s", LOSS, self.now)


async def test_an_agent_is_lost_a_lease_after_it_was_last_heard_of() -> None:
    world = World()
    world.now += 5
    world.last_seen.note_request("hotels")
    world.now += 3
    assert world.due_at() == 1_005 + LEASE_S


async def test_silence_counts_from_the_start_of_a_gateway_that_has_just_started() -> None:
    assert World().due_at() == 1_000 + LEASE_S


async def test_an_agent_that_another_gateway_hears_is_not_lost_here() -> None:
    world = World()
    for beat in range(100):
        world.now += 1
        world.engine.others = [GatewayHeartbeat("other", beat, {"hotels": 0})]
        await world.lost_agents.exchange_heartbeats(["hotels"])
    assert world.due_at() >= world.now + LEASE_S


async def test_an_agent_that_another_gateway_finds_silent_is_left_to_it_while_it_renews_its_row() -> None:
    world = World()
    for beat in range(100):
        world.now += 1
        world.engine.others = [GatewayHeartbeat("other", beat, {"hotels": 1_000 * beat})]
        await world.lost_agents.exchange_heartbeats(["hotels"])
    assert world.due_at() == world.now + OTHER_GATEWAY_GRACE_S


async def test_the_other_gateways_are_told_who_is_attached_here_and_how_long_they_were_silent() -> None:
    world = World()
    world.last_seen.note_request("hotels")
    world.now += 2
    await world.lost_agents.exchange_heartbeats(["hotels", "flights"])
    assert world.engine.own is not None
    assert world.engine.own.attached == {"hotels": 2_000}


async def test_what_comes_from_one_process_says_nothing_of_another() -> None:
    world = World()
    for run in ("r1", "r2"):
        world.last_seen.note_request("hotels", run)
    world.now += 10
    world.last_seen.note_request("hotels", "r2")
    for silence, heard in (("hotels/r1", 1_000), ("hotels/r2", 1_010), ("hotels", 1_010)):
        due = world.lost_agents.due_at("s", LOSS._replace(silence=silence), world.now)
        assert due == heard + LEASE_S, silence


async def test_the_other_gateways_are_told_of_each_process() -> None:
    world = World()
    world.last_seen.note_request("hotels", "r1")
    world.now += 2
    await world.lost_agents.exchange_heartbeats(["hotels/r1", "hotels/r2"])
    assert world.engine.own is not None
    assert world.engine.own.attached == {"hotels/r1": 2_000}


async def test_a_process_that_another_gateway_hears_keeps_no_other_one() -> None:
    world = World()
    for beat in range(100):
        world.now += 1
        world.engine.others = [GatewayHeartbeat("other", beat, {"hotels/r1": 0})]
        await world.lost_agents.exchange_heartbeats(["hotels/r1", "hotels/r2"])
    assert world.lost_agents.due_at("s", LOSS._replace(silence="hotels/r1"), world.now) >= world.now + LEASE_S
    assert (
        world.lost_agents.due_at("s", LOSS._replace(silence="hotels/r2"), 0.0)
        == 1_000 + LEASE_S + OTHER_GATEWAY_GRACE_S
    )


async def test_who_moved_to_another_gateway_just_now_is_not_lost_before_that_can_say_so() -> None:
    world = World()
    world.last_seen.note_request("hotels")
    world.now += LEASE_S
    world.engine.others = [GatewayHeartbeat("other", 1, {})]
    await world.lost_agents.exchange_heartbeats(["hotels"])
    assert world.due_at() == world.now + OTHER_GATEWAY_GRACE_S


async def test_who_was_heard_last_by_another_gateway_is_left_to_that_one() -> None:
    world = World()
    world.last_seen.note_request("hotels")
    for beat in range(6):
        world.now += 1
        world.engine.others = [GatewayHeartbeat("other", beat, {"hotels": 0})]
        await world.lost_agents.exchange_heartbeats(["hotels"])
    assert world.due_at() >= world.now + OTHER_GATEWAY_GRACE_S
