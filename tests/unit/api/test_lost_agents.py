"""Silence is counted from when an agent was last heard of, here or through another gateway."""

from collections.abc import Collection
from datetime import UTC, datetime
from random import Random
from typing import cast

import pytest

from stenogram.api.liveness.deadline_queue import DeadlineQueue
from stenogram.api.liveness.gateway_heartbeats import OTHER_GATEWAY_GRACE_S
from stenogram.api.liveness.last_seen import MAX_VOUCHED, LastSeen, vouched_in
from stenogram.api.liveness.lost_agents import RETURN_GRACE_S, LostAgents
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


async def test_whom_a_recorder_vouches_for_is_kept_in_that_session_alone() -> None:
    world = World()
    world.now += 5
    world.last_seen.note_vouched("hotels", "s")
    assert world.due_at() == 1_005 + LEASE_S
    assert world.lost_agents.due_at("other", LOSS, world.now) == 1_000 + LEASE_S
    assert world.lost_agents.due_at("s", LOSS._replace(silence="hotels/r1"), world.now) == 1_000 + LEASE_S


async def test_however_many_are_vouched_for_what_was_heard_is_not_forgotten() -> None:
    world = World()
    world.now += 5
    world.last_seen.note_request("hotels")
    for number in range(MAX_VOUCHED + 1):
        world.last_seen.note_vouched(f"a{number}", "s")
    assert world.due_at() == 1_005 + LEASE_S
    assert not world.last_seen.was_heard(vouched_in("a0", "s"))


async def test_the_other_gateways_are_told_for_whom_somebody_vouches_here() -> None:
    world, vouched = World(), vouched_in("hotels", "s")
    queue = DeadlineQueue()
    for session in ("s", "other"):
        queue.put(session, [LOSS])
    world.last_seen.note_vouched("hotels", "s")
    world.now += 2
    await world.lost_agents.exchange_heartbeats(queue.waited_for(world.last_seen.vouched_sessions()))
    assert world.engine.own is not None
    assert world.engine.own.attached == {vouched: 2_000}


async def test_whom_another_gateway_s_recorder_vouches_for_is_kept_here_in_that_session_alone() -> None:
    world = World()
    for beat in range(100):
        world.now += 1
        world.engine.others = [GatewayHeartbeat("other", beat, {vouched_in("hotels", "s"): 0})]
        await world.lost_agents.exchange_heartbeats({"hotels": LEASE_S})
    assert world.due_at() >= world.now + LEASE_S
    assert world.lost_agents.due_at("other", LOSS, world.now) <= world.now
    world.engine.others = []
    for _ in range(40):
        world.now += 1
        await world.lost_agents.exchange_heartbeats({"hotels": LEASE_S})
    assert world.due_at() <= world.now, "it is lost once nobody vouches for it any more"


async def test_an_agent_that_another_gateway_hears_is_not_lost_here() -> None:
    world = World()
    for beat in range(100):
        world.now += 1
        world.engine.others = [GatewayHeartbeat("other", beat, {"hotels": 0})]
        await world.lost_agents.exchange_heartbeats(dict.fromkeys(["hotels"], LEASE_S))
    assert world.due_at() >= world.now + LEASE_S


async def test_an_agent_that_another_gateway_finds_silent_is_left_to_it_while_it_renews_its_row() -> None:
    world = World()
    for beat in range(100):
        world.now += 1
        world.engine.others = [GatewayHeartbeat("other", beat, {"hotels": 1_000 * beat})]
        await world.lost_agents.exchange_heartbeats(dict.fromkeys(["hotels"], LEASE_S))
    assert world.due_at() == world.now + OTHER_GATEWAY_GRACE_S


async def test_the_other_gateways_are_told_who_is_attached_here_and_how_long_they_were_silent() -> None:
    world = World()
    world.last_seen.note_request("hotels")
    world.now += 2
    await world.lost_agents.exchange_heartbeats(dict.fromkeys(["hotels", "flights"], LEASE_S))
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
    await world.lost_agents.exchange_heartbeats(dict.fromkeys(["hotels/r1", "hotels/r2"], LEASE_S))
    assert world.engine.own is not None
    assert world.engine.own.attached == {"hotels/r1": 2_000}


async def test_a_process_that_another_gateway_hears_keeps_no_other_one() -> None:
    world = World()
    for beat in range(100):
        world.now += 1
        world.engine.others = [GatewayHeartbeat("other", beat, {"hotels/r1": 0})]
        await world.lost_agents.exchange_heartbeats(dict.fromkeys(["hotels/r1", "hotels/r2"], LEASE_S))
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
    await world.lost_agents.exchange_heartbeats(dict.fromkeys(["hotels"], LEASE_S))
    assert world.due_at() == world.now + OTHER_GATEWAY_GRACE_S


async def test_who_was_heard_last_by_another_gateway_is_left_to_that_one() -> None:
    world = World()
    world.last_seen.note_request("hotels")
    for beat in range(6):
        world.now += 1
        world.engine.others = [GatewayHeartbeat("other", beat, {"hotels": 0})]
        await world.lost_agents.exchange_heartbeats(dict.fromkeys(["hotels"], LEASE_S))
    assert world.due_at() >= world.now + OTHER_GATEWAY_GRACE_S


async def test_who_has_lost_its_connection_is_named_until_its_longest_lease_is_over() -> None:
    world = World()
    world.last_seen.note_request("hotels")
    for silent in range(61):
        await world.lost_agents.exchange_heartbeats({"hotels": 60.0})
        assert world.engine.own is not None
        assert world.engine.own.attached == ({"hotels": 1_000 * silent} if silent < 60 else {})
        world.now += 1


async def test_what_another_gateway_heard_is_not_forgotten_with_its_row() -> None:
    world = World()
    world.now += 100
    world.engine.others = [GatewayHeartbeat("other", 1, {"hotels": 5_000})]
    await world.lost_agents.exchange_heartbeats({"hotels": LEASE_S})
    world.engine.others = []
    world.now += 5
    await world.lost_agents.exchange_heartbeats({"hotels": LEASE_S})
    assert world.due_at() == 1_100 + 1 - 5 + LEASE_S


class Connection:
    """A connection over which something came at a time."""

    def __init__(self, heard_at: float) -> None:
        self.heard_at = heard_at


async def test_who_comes_from_another_gateway_has_time_to_say_that_it_makes_progress() -> None:
    world = World()
    stall = LOSS._replace(after=300.0, under="t-1")
    world.now += 1_000
    world.last_seen.attach("hotels", Connection(world.now))
    assert world.lost_agents.due_at("s", stall, world.now - 500) == world.now + RETURN_GRACE_S
    world.now += 10
    world.last_seen.note_progress("hotels", "s", "t-1")
    world.last_seen.attach("hotels", Connection(world.now))
    assert world.lost_agents.due_at("s", stall, world.now - 500) == world.now + 300


class Gateways:
    """Two gateways over one log, on one clock, each with a row that both can read."""

    def __init__(self, chance: Random) -> None:
        self.now = 0.0
        self.rows: dict[str, GatewayHeartbeat] = {}
        self.living = {"a", "b"}
        self.last_seen = {name: LastSeen(lambda: self.now) for name in "ab"}
        self.lost_agents = {name: LostAgents(cast(Engine, self), each) for name, each in self.last_seen.items()}
        self._next_at = {name: chance.uniform(0, 1) for name in "ab"}
        self._chance = chance

    shared = True

    async def exchange_heartbeats(self, own: GatewayHeartbeat, gone: Collection[str]) -> list[GatewayHeartbeat]:
        """As engines do it."""
        self.rows[own.gateway] = own
        for each in gone:
            self.rows.pop(each, None)
        return [row for row in self.rows.values() if row.gateway != own.gateway]

    async def step(self, leases: dict[str, float]) -> list[float]:
        """A tenth of a second passes; returns the leases that some gateway finds over."""
        self.now += 0.1
        over = []
        for name in sorted(self.living):
            if self.now >= self._next_at[name]:
                await self.lost_agents[name].exchange_heartbeats({"hotels": max(leases.values())})
                self._next_at[name] = self.now + self._chance.uniform(1, 1.6)
            for lease in leases.values():
                deadline = LOSS._replace(after=lease)
                if self.lost_agents[name].due_at("s", deadline, 0.0) <= self.now:
                    over.append(lease)
        return over


@pytest.mark.parametrize("seed", range(20))
async def test_leases_are_kept_whole_whichever_gateways_heard_the_agent_and_whichever_of_them_is_left(
    seed: int,
) -> None:
    """An agent is heard by either gateway, in turns or at once, then by neither; one of them may end, or crash."""
    chance = Random(seed)
    gateways, leases = Gateways(chance), {"presence": chance.uniform(5, 30), "task": chance.uniform(30, 90)}
    for _ in range(200):
        if chance.random() < 0.2:
            gateways.last_seen[chance.choice("ab")].note_request("hotels")
        assert await gateways.step({"task": 1_000.0}) == []
    gateways.last_seen[chance.choice("ab")].note_request("hotels")
    heard_at, ending, way = gateways.now, gateways.now + chance.uniform(0, 60), chance.choice(["crash", "end", "stay"])
    over: dict[float, float] = {}
    while len(over) < 2 and gateways.now < heard_at + 200:
        for lease in await gateways.step({name: each for name, each in leases.items() if each not in over}):
            over.setdefault(lease, gateways.now - heard_at)
        if way != "stay" and gateways.now >= ending and len(gateways.living) == 2:
            gone = chance.choice("ab")
            gateways.living.remove(gone)
            if way == "end":
                await gateways.lost_agents[gone].leave({"hotels": max(leases.values())})
    for lease in leases.values():
        # A gateway that crashed may have heard it until the end.
        latest = max(lease, ending - heard_at + lease if way == "crash" else 0.0)
        assert lease <= over[lease] <= latest + 6, (way, leases, over)
