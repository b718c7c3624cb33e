"""Whatever a team and its gateways go through, the session is as a simple model says.

Hypothesis lets participants come, go, fall silent, work, take over, interrupt, close and fork, gateways die and start,
and time pass. One of them is two processes at once. The model knows no rules of the product but these: a task has one
holder, a holder whose claim is over writes nothing more, what is over stays over, nobody is lost who was heard within
their lease and everybody is who was not, what is due happens once, and no person hears an agent without the floor. A
task is claimed by its assignee while it has one, not while it rests or lacks what it needs, and not more often than it
may be tried; it fails at its deadline, and with its needs where it says so; nothing is written under it while it is
paused. What a process holds ends when it is gone, and nothing of another one's does; a closed session is empty. What a
tool has put out ends whole with its call; an instruction that was taken back is honoured by nobody, and those that were
honoured are a part of the tasks that they were about. More: STENOGRAM_TEST_EXAMPLES=500.
"""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from stenogram.api.liveness.gateway_heartbeats import OTHER_GATEWAY_GRACE_S
from stenogram.api.liveness.last_seen import LastSeen
from stenogram.api.liveness.timekeeper import Timekeeper
from stenogram.domain.audience import Viewer, visible
from stenogram.domain.commands import parse_command
from stenogram.domain.envelope import decode
from stenogram.domain.errors import Refused
from stenogram.domain.model import Actor, Command, Event
from stenogram.domain.session import fold
from stenogram.domain.state import State
from stenogram.log.clock import LogClock
from stenogram.log.log import Log
from stenogram.log.memory import MemoryEngine

START = datetime(2026, 1, 1, tzinfo=UTC)
LEASE, GRACE, SLACK = 4.0, 2.0, 5.0
AGENTS = ("a", "b", "c")
ADA = "ada"
PROCESSES: dict[str, tuple[str, str | None]] = {
    "a": ("a", "r1"),
    "a2": ("a", "r2"),
    "b": ("b", None),
    "c": ("c", "r1"),
    ADA: (ADA, None),
}
"""Who each process is, and which run of that."""
POLICIES: dict[str, dict[str, Any]] = {
    "t1": {},
    "t2": {"assignee": "a", "assignee_timeout": 5, "backoff": 2, "backoff_coefficient": 3, "max_attempts": 2},
    "t3": {"needs": ["t1"], "on_need_failed": "fail"},
    "t4": {"needs": ["t2"], "within": 40},
}
agents, tasks = st.sampled_from([each for each in PROCESSES if each != ADA]), st.sampled_from(list(POLICIES))
people = st.sampled_from(list(PROCESSES))


def process_of(participant: str, run: str | None) -> str:
    """Which process that is."""
    return next(process for process, each in PROCESSES.items() if each == (participant, run))


def held_back(state: State, who: str) -> bool:
    """Whether the process can do nothing before it begins a new run, or honours what it was told."""
    id, run = PROCESSES[who]
    lifted, known = state.signals.replaced.get(id), state.presence.get(id)
    old = lifted is not None and known is not None and known.begun.get(run or "", 0) < lifted.since
    return id in state.signals.fenced or old


class Connection:
    """A process's connection to one gateway."""

    def __init__(self, gateway: "Gateway", now: float) -> None:
        self.gateway = gateway
        self.heard_at = now


class Gateway:
    """A log, and who watches over it, on a clock of ours."""

    def __init__(self, engine: MemoryEngine, machine: "Team") -> None:
        self.log = Log(engine)
        self.log.clock = LogClock(machine.time_of_day, lambda: machine.now)
        self.last_seen = LastSeen(lambda: machine.now)
        self.machine = machine
        self.keeper: Timekeeper

    async def start(self) -> None:
        """Open the log and look at what lives."""
        await self.log.__aenter__()
        self.keeper = Timekeeper(self.log, self.last_seen)
        await self.keeper.load_sessions()


class Team(RuleBasedStateMachine):
    """The world: participants, connections, gateways, time."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.now = 1_000.0
        self.engine = MemoryEngine()
        self.gateways: list[Gateway] = []
        self.starts: list[float] = []
        self.connections: dict[str, Connection] = {}
        self.heard: dict[str, list[float]] = {}
        self.quiet_since = self.now
        self.sessions = ["s"]
        self.number = 0
        self.said: dict[str, bool] = {}
        self.run(self._start())
        self.do(ADA, "s", "session.open")
        for task, policy in POLICIES.items():
            self.do(ADA, "s", "task.create", task=task, title="T", stall_after=600, **policy)
        for who in ("a", "a2", "b", "c"):
            self.do(who, "s", "presence.join", lease=LEASE, new_run=True, beside=True)
        self.do("a", "s", "task.claim", task="t1", lease=60)

    # -- the world

    def run(self, work: Any) -> Any:
        """Let the loop work until this is done and all gateways know of it."""
        return self.loop.run_until_complete(self._settled(work))

    async def _settled(self, work: Any) -> Any:
        result = await work
        for _ in range(200):
            stands = max([gateway.log.position for gateway in self.gateways], default=0)
            if all(each.log.position == stands and not each.log.waiting for each in self.gateways):
                break
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        return result

    def wall(self) -> datetime:
        """The time of day."""
        return START + timedelta(seconds=self.now)

    async def time_of_day(self) -> float:
        """The same, as a storage tells it."""
        return self.wall().timestamp()

    async def _start(self) -> None:
        gateway = Gateway(self.engine.beside(), self)
        self.gateways.append(gateway)
        self.starts.append(self.now)
        await gateway.start()

    def _connected(self, who: str, number: int) -> Connection:
        gateway = self.gateways[number % len(self.gateways)]
        connection = Connection(gateway, self.now)
        id, run = PROCESSES[who]
        gateway.last_seen.attach(id, connection, run)
        self._hear(who)
        return connection

    def _hear(self, who: str) -> None:
        self.heard.setdefault(who, []).append(self.now)
        if who in self.connections:
            self.connections[who].heard_at = self.now

    def do(self, who: str, session: str, do: str, *, under: tuple[str, int] | None = None, **data: Any) -> Any:
        """Carry out a command over the participant's connection; the versions, or the refusal."""
        self.number += 1
        if who not in self.connections:
            self.connections[who] = self._connected(who, self.number)
        connection = self.connections[who]
        self._hear(who)
        id, run = PROCESSES[who]
        actor = Actor(id, "user" if who == ADA else "agent")
        command = Command(f"c-{self.number}", session, actor, self.wall(), parse_command(do, data), *(under or ()))
        command = command._replace(run=run)

        async def ask() -> Any:
            try:
                return (await connection.gateway.log.submit(command)).versions
            except Refused as refusal:
                return refusal

        return self.run(ask())

    def events(self, session: str) -> list[Event]:
        """The session as it is in the log."""
        records = self.loop.run_until_complete(self.gateways[0].log.read_session(session, 0, 10_000))
        return [decode(each.data, each.position, each.session, each.version) for each in records]

    def state(self, session: str) -> State:
        """The session, folded anew."""
        return fold(State(session), self.events(session))

    # -- what happens

    @precondition(lambda self: self.gateways)
    @rule(who=people, number=st.integers(0, 1))
    def connect(self, who: str, number: int) -> None:
        self.disconnect(who)
        self.connections[who] = self._connected(who, number)

    @rule(who=people)
    def disconnect(self, who: str) -> None:
        connection = self.connections.pop(who, None)
        if connection is not None and connection.gateway in self.gateways:
            id, run = PROCESSES[who]
            connection.gateway.last_seen.detach(id, connection, run)

    @rule(who=people)
    def beat(self, who: str) -> None:
        if who in self.connections:
            self._hear(who)

    @rule(seconds=st.sampled_from([0.5, 1, 3, 3, 6, 12]), alive=st.sets(people))
    def pass_time(self, seconds: float, alive: set[str]) -> None:
        """Those who are alive send heartbeats all the while."""
        for _ in range(int(seconds / 0.5)):
            self.now += 0.5
            for who in alive & self.connections.keys():
                self.beat(who)
            for gateway in self.gateways:
                self.run(gateway.keeper.run_once())

    @precondition(lambda self: len(self.gateways) < 2)
    @rule()
    def start_gateway(self) -> None:
        self.run(self._start())
        self.quiet_since = self.now

    @precondition(lambda self: len(self.gateways) == 2)
    @rule(number=st.integers(0, 1))
    def kill_gateway(self, number: int) -> None:
        self._kill(self.gateways[number])

    @rule()
    def restart(self) -> None:
        for gateway in tuple(self.gateways):
            self._kill(gateway)
        self.start_gateway()

    def _kill(self, gateway: Gateway) -> None:
        self.gateways.remove(gateway)
        for who in [who for who, each in self.connections.items() if each.gateway is gateway]:
            del self.connections[who]
        self.loop.run_until_complete(gateway.log.__aexit__(None, None, None))
        self.quiet_since = self.now

    @rule(data=st.data(), who=people)
    def join(self, data: Any, who: str) -> None:
        session = data.draw(st.sampled_from(self.sessions))
        new = {"new_run": True, "beside": data.draw(st.booleans())} if data.draw(st.integers(0, 3)) == 0 else {}
        self.do(who, session, "presence.join", lease=LEASE, **new)

    @rule(data=st.data(), who=agents)
    def leave(self, data: Any, who: str) -> None:
        session = data.draw(st.sampled_from(self.sessions))
        if data.draw(st.integers(0, 2)) == 0:
            self.do(who, session, "presence.leave")

    @rule(data=st.data())
    def close(self, data: Any) -> None:
        """Close a session, seldom; or open it again, mostly."""
        session = data.draw(st.sampled_from(self.sessions))
        if self.state(session).session.status == "closed":
            self.do(ADA, session, "session.reopen")
        elif data.draw(st.integers(0, 3)) == 0:
            self.do(ADA, session, "session.close")

    @rule(data=st.data(), who=agents, task=tasks)
    def claim(self, data: Any, who: str, task: str) -> None:
        session = data.draw(st.sampled_from(self.sessions))
        before = self.state(session)
        known = before.tasks.known.get(task)
        free = known is not None and known.status == "open" and known.assignee in (None, PROCESSES[who][0])
        if known is not None and free:
            rests = known.not_before is not None and self.wall() < known.not_before
            free = not rests and all(before.tasks.known[need].status == "completed" for need in known.needs)
        outcome = self.do(who, session, "task.claim", task=task, lease=60)
        open = before.session.status == "open" and not held_back(before, who)
        assert isinstance(outcome, Refused) != (free and open), outcome
        if isinstance(outcome, Refused) and known is not None and known.owner and open:
            assert outcome.extra["owner"] == known.owner

    @rule(data=st.data(), who=agents, task=tasks, attempt=st.integers(1, 4))
    def work_on(self, data: Any, who: str, task: str, attempt: int) -> None:
        self._work(data, who, task, attempt)

    @rule(data=st.data(), who=agents, task=tasks, attempt=st.integers(1, 4))
    def work(self, data: Any, who: str, task: str, attempt: int) -> None:
        self._work(data, who, task, attempt)

    def _work(self, data: Any, who: str, task: str, attempt: int) -> None:
        session = data.draw(st.sampled_from(self.sessions))
        before = self.state(session)
        known = before.tasks.known.get(task)
        if known is not None and data.draw(st.integers(0, 3)):  # mostly as it should be
            who = process_of(known.owner, known.run) if known.owner else who
            attempt = known.attempt or 1
        id = PROCESSES[who][0]
        holds = known is not None and known.owner == id and known.attempt == attempt
        step = data.draw(
            st.sampled_from(
                [
                    "message.start",
                    "message.start",
                    "message.post",
                    "task.complete",
                    "task.release",
                    "task.fail",
                    "task.fail",
                    "merge",
                ]
            )
        )
        message = f"m{self.number}"
        under = (task, attempt)
        match step:
            case "message.start":
                outcome = self.do(who, session, step, under=under, message=message)
            case "message.post":
                outcome = self.do(who, session, step, under=under, message=message, text="«said»")
            case "merge":
                outcome = self.do(who, session, "state.merge", under=under, patch={"by": message})
            case "task.fail":
                again = {"error": "E", "retryable": data.draw(st.booleans())}
                outcome = self.do(who, session, step, task=task, attempt=attempt, **again)
            case _:
                outcome = self.do(who, session, step, task=task, attempt=attempt)
        paused = paused_now(self.events(session)) & {f"task:{task}", f"agent:{id}", "session"}
        may = holds and before.session.status == "open" and not held_back(before, who) and (step in ENDS or not paused)
        assert isinstance(outcome, Refused) != may, outcome
        if isinstance(outcome, Refused) and holds and paused and step not in ENDS and not held_back(before, who):
            assert outcome.code == "paused"

    @rule(data=st.data(), who=agents)
    def stream(self, data: Any, who: str) -> None:
        session, id = data.draw(st.sampled_from(self.sessions)), PROCESSES[who][0]
        mine = [each for each in self.state(session).messages.known.values() if each.author == id and each.index < 5]
        if mine:
            message = data.draw(st.sampled_from(mine))
            self.do(who, session, "message.delta", message=message.id, index=message.index, text="«said»")

    @rule(data=st.data(), who=agents, task=tasks)
    def use_tool(self, data: Any, who: str, task: str) -> None:
        """Call a tool, or go on with a call: it puts something out, or returns."""
        session, id = data.draw(st.sampled_from(self.sessions)), PROCESSES[who][0]
        before = self.state(session)
        mine = [each for each in before.tools.known.values() if each.caller == id and each.index < 5]
        if not mine or data.draw(st.integers(0, 3)) == 0:
            known = before.tasks.known.get(task)
            under = (task, known.attempt) if known is not None and known.owner == id else None
            self.do(who, session, "tool.call", under=under, call=f"c{self.number}", tool="bash")
            return
        call = data.draw(st.sampled_from(mine))
        if data.draw(st.integers(0, 3)) == 0:
            outcome = self.do(who, session, "tool.return", call=call.id, deltas=call.index)
        else:
            outcome = self.do(who, session, "tool.output", call=call.id, index=call.index, text=f"«{call.index}»")
        open = call.open and before.session.status == "open" and not held_back(before, who)
        assert isinstance(outcome, Refused) != open, outcome

    @rule(data=st.data())
    def withdraw(self, data: Any) -> None:
        session = data.draw(st.sampled_from(self.sessions))
        before = self.state(session)
        known = sorted(before.signals.known)
        if known:
            signal = before.signals.known[data.draw(st.sampled_from(known))]
            outcome = self.do(ADA, session, "signal.withdraw", signal=signal.id)
            may = signal.kind == "steer" and signal.status == "open" and before.session.status == "open"
            assert isinstance(outcome, Refused) != may, outcome

    @rule(data=st.data(), task=tasks)
    def need_other(self, data: Any, task: str) -> None:
        """Let a task need another one, or nothing; it must be able to come up."""
        session = data.draw(st.sampled_from(self.sessions))
        before = self.state(session)
        needs = data.draw(st.lists(tasks, max_size=1))
        outcome = self.do(ADA, session, "task.reroute", task=task, needs=needs)
        after = self.state(session).tasks.known
        known = before.tasks.known.get(task)
        if not isinstance(outcome, Refused):
            assert known is not None
            assert known.unfinished
            assert not any(after[need].status in ("failed", "cancelled") for need in needs)
            waits_for = list(needs)
            while waits_for:  # ends, unless something waits for itself
                need = waits_for.pop()
                assert need != task
                waits_for += after[need].needs

    @rule(data=st.data(), aim=st.sampled_from(["session", "agent:a", "agent:b", "task:t1", "task:t2"]))
    def interrupt(self, data: Any, aim: str) -> None:
        kind = data.draw(st.sampled_from(["cancel", "pause", "resume", "resume", "steer", "reroute"]))
        session = data.draw(st.sampled_from(self.sessions))
        self.do(ADA, session, "signal.raise", signal=f"s{self.number}", kind=kind, target=aim, grace=GRACE)

    @rule(data=st.data(), who=agents)
    def honour(self, data: Any, who: str) -> None:
        session = data.draw(st.sampled_from(self.sessions))
        known = self.state(session).signals.known
        waiting = [id for id, each in known.items() if PROCESSES[who][0] in each.waiting]
        if waiting:
            self.do(who, session, "signal.honour", signal=data.draw(st.sampled_from(waiting)))

    @rule(speakers=st.sampled_from([None, [], ["a"]]))
    def move_floor(self, speakers: list[str] | None) -> None:
        self.do(ADA, "s", "floor.move", speakers=speakers)

    @precondition(lambda self: len(self.sessions) < 3)
    @rule(data=st.data())
    def fork(self, data: Any) -> None:
        origin = data.draw(st.sampled_from(self.sessions))
        head = self.events(origin)[-1].version
        name = f"f{len(self.sessions)}"
        outcome = self.do(ADA, name, "session.fork", origin=origin, at=data.draw(st.integers(1, head)))
        assert not isinstance(outcome, Refused)
        self.sessions.append(name)

    # -- what must be so

    @invariant()
    def who_is_heard_is_here_and_who_is_not_is_lost(self) -> None:
        for session in self.sessions:
            for each in self.state(session).presence.values():
                assert each.present == bool(each.instances)
                for run in each.instances:
                    since = max(self.heard[process_of(each.id, run or None)][-1], self.quiet_since)
                    if self.now - since > LEASE + SLACK:
                        raise AssertionError(f"{each.id}/{run} was heard at {since}, and is still here at {self.now}")

    @invariant()
    def what_happened_keeps_the_promises(self) -> None:
        for session in self.sessions:
            events = self.events(session)
            assert [event.version for event in events] == list(range(1, len(events) + 1))
            checker = Checker(self)
            checker.check(events)
            checker.promised(self.wall(), START + timedelta(seconds=self.quiet_since))
            for gateway in self.gateways:
                known = gateway.log.cached_state(session)
                assert known is None or known == self.state(session)

    def teardown(self) -> None:
        for gateway in tuple(self.gateways):
            self._kill(gateway)
        self.loop.close()


ENDS = ("task.release", "task.fail")
"""What may be done under a task that is paused."""


def paused_now(events: list[Event]) -> set[str]:
    """What is paused after these."""
    paused: set[str] = set()
    for event in events:
        if event.type == "signal.raised":
            paused = paused_by(paused, event.data)
    return paused


def paused_by(paused: set[str], data: Any) -> set[str]:
    """What is paused after a signal was raised."""
    if data.kind == "pause":
        return paused | {data.target}
    if data.kind == "resume":
        return set() if data.target == "session" else paused - {data.target}
    return paused


class TaskModel:
    """A task as the model has it."""

    def __init__(self, policy: dict[str, Any], created: datetime) -> None:
        self.policy = policy
        self.assignee: str | None = policy.get("assignee")
        self.needs: tuple[str, ...] = tuple(policy.get("needs", ()))
        self.status = "open"
        self.tries = 0
        self.rests_until = created
        self.deadline = created + timedelta(seconds=policy.get("within", 10**9))

    def follow(self, event: Event, data: Any, tasks: dict[str, "TaskModel"]) -> None:
        """Raises AssertionError for what should not happen to it."""
        assert self.status in ("open", "claimed"), "something happened to a task that is over"
        match event.type:
            case "task.claimed":
                self._claimed(event, tasks)
            case "task.completed" | "task.cancelled":
                self.status = event.type.removeprefix("task.")
            case "task.failed" | "task.released":
                self._ended(event, data)

    def _claimed(self, event: Event, tasks: dict[str, "TaskModel"]) -> None:
        assert self.assignee in (None, event.actor), "it was for somebody else"
        assert event.time >= self.rests_until, "it had to rest"
        assert all(tasks[need].status == "completed" for need in self.needs), "it lacked something"
        self.status, self.tries = "claimed", self.tries + 1

    def _ended(self, event: Event, data: Any) -> None:
        held, self.status = self.status == "claimed", "open"
        if getattr(data, "why", None) == "deadline":
            assert event.time >= self.deadline, "its time was not over"
        if event.type == "task.failed" and not data.retryable:
            self.status = "failed"
        elif data.why == "rerouted":
            self.assignee, self.tries, self.rests_until = data.assignee, 0, event.time
            self.needs = self.needs if data.needs is None else data.needs
        elif data.why == "assignee-timeout":
            self.assignee = None
        elif held:
            forked = (data.reason if event.type == "task.released" else "") or ""
            assert forked.startswith("The session was forked") or self.tries < self.policy.get("max_attempts", 10**9)
            longer = self.policy.get("backoff_coefficient", 2) ** (self.tries - 1)
            self.rests_until = event.time + timedelta(seconds=self.policy.get("backoff", 0) * longer)


class Checker:
    """Goes through a session's events with a model of its own, and none of the product's rules."""

    def __init__(self, team: Team) -> None:
        self.team = team
        self.owner: dict[str, str] = {}
        self.holder: dict[str, str] = {}
        self.begun: dict[str, str] = {}
        self.here: set[str] = set()
        self.gone: set[str] = set()
        self.to_end: set[str] = set()
        self.cause: str | None = None
        self.closed = False
        self.tasks: dict[str, TaskModel] = {}
        self.paused: set[str] = set()
        self.ended: set[str] = set()
        self.floor: list[str] | None = None
        self.timed: list[str | None] = []
        self.outputs: dict[str, list[str]] = {}
        self.signals: dict[str, Any] = {}
        self.withdrawn: set[str] = set()

    def check(self, events: list[Event]) -> None:
        """Raises AssertionError at the first event that should not be there."""
        for event in events:
            data: Any = event.data
            # A fork may begin in the midst of a commit, and ends what that had yet to end.
            if event.type != "session.forked" and (event.cause != self.cause or event.cause is None):
                self._settled()
            self.cause = event.cause
            self._processes(event, data)
            self._ownership(event, data)
            self._policy(event, data)
            if event.type == "signal.raised":
                self.paused = paused_by(self.paused, data)
            if event.type == "presence.lost":
                self._loss(event, data)
            if event.type.startswith("tool."):
                self._output(event, data)
            if event.type.startswith("signal.") or event.type == "task.steered":
                self._instruction(event, data)
            if event.type.startswith("message."):
                assert data.message not in self.ended, "something was said after the end"
                if event.type in ("message.completed", "message.aborted", "message.posted"):
                    self.ended.add(data.message)
                self._leak(event)
            if event.type == "floor.moved":
                self.floor = None if data.speakers is None else list(data.speakers)
            if event.actor == "stenogram" and (not self.timed or self.timed[-1] != event.cause):
                assert event.cause not in self.timed, "a timer fired twice"
                self.timed.append(event.cause)
        self._settled()

    def _processes(self, event: Event, data: Any) -> None:
        """Which process is here, and what each has begun."""
        match event.type:
            case "presence.joined":
                assert not self.closed
                self.here.add(process_of(data.participant, data.run))
            case "presence.left" | "presence.lost":
                gone = {each for each in self.here if PROCESSES[each][0] == data.participant}
                if data.others:
                    gone &= {process_of(data.participant, data.run)}
                    assert gone, "somebody went who was not here"
                self.here, self.gone = self.here - gone, gone
                self.to_end |= {about for about, whose in self.begun.items() if whose in gone}
                if not data.others:
                    mine = {about for about, whose in self.begun.items() if PROCESSES[whose][0] == data.participant}
                    self.to_end |= mine
            case "task.claimed" | "message.started" | "tool.called":
                self.begun[data.subject()] = process_of(event.actor, data.run)
            case "task.completed" | "task.cancelled" | "task.failed" | "task.released":
                if getattr(data, "why", None) in ("lost", "left") and not (data.reason or "").startswith("The session"):
                    assert data.subject() in self.to_end, "it was taken from a process that lives"
                self.begun.pop(data.subject(), None)
            case "message.completed" | "message.aborted" | "tool.returned" | "tool.abandoned":
                self.begun.pop(data.subject(), None)
            case "session.closed":
                self.closed = True
            case "session.reopened" | "session.forked":
                self.closed = False

    def _output(self, event: Event, data: Any) -> None:
        """What a tool puts out comes in order while it is called, and whole at the end."""
        if event.type == "tool.called":
            self.outputs[data.call] = []
        elif event.type == "tool.output":
            assert data.index == len(self.outputs[data.call]), "a piece is missing, or came twice"
            self.outputs[data.call].append(data.text)
        else:
            pieces = self.outputs.pop(data.call)
            assert (data.output, data.deltas) == (("".join(pieces), len(pieces)) if pieces else (None, None))

    def _instruction(self, event: Event, data: Any) -> None:
        """What was withdrawn is answered by nobody; what was honoured is for those tasks that its reader holds."""
        if event.type == "signal.raised":
            self.signals[data.signal] = data
        elif event.type == "signal.withdrawn":
            assert self.signals[data.signal].kind == "steer"
            self.withdrawn.add(data.signal)
        elif event.type == "task.steered":
            about = {f"task:{data.task}", f"agent:{event.actor}", "session"}
            assert self.signals[data.signal].target in about
            assert self.owner.get(data.task) == event.actor
        else:
            assert data.signal not in self.withdrawn, "it was taken back"

    def _settled(self) -> None:
        """A commit is complete."""
        assert not self.to_end & self.begun.keys(), "a process is gone, and holds something"
        self.to_end.clear()
        if self.closed:
            going_on = {**self.begun, **self.owner, **dict.fromkeys(self.here)}
            assert not going_on, "something goes on in a closed session"

    def _loss(self, event: Event, data: Any) -> None:
        at = (event.time - START).total_seconds()
        for who in self.gone:
            before = [heard for heard in self.team.heard[who] if heard < at]
            # Who comes back by another gateway after its lease may be lost before that one can say so.
            late = at - OTHER_GATEWAY_GRACE_S
            if any(late < start <= at for start in self.team.starts):
                continue  # nor does a gateway that has just started know yet whom another one hears, or is it known
            silent = at - before[-1] >= data.after or not any(late - data.after < heard <= late for heard in before)
            assert silent, f"{who} was lost at {at}, though heard at {before[-1]}"

    def _ownership(self, event: Event, data: Any) -> None:
        if event.task is not None and self.owner.get(event.task) == event.actor and event.type.split(".")[0] != "task":
            about = {f"task:{event.task}", f"agent:{event.actor}", "session"}
            assert event.type in ("message.aborted", "approval.withdrawn") or not self.paused & about, "it was paused"
        if event.type == "task.claimed":
            assert data.task not in self.owner, "a task has two owners"
            self.owner[data.task] = event.actor
        elif event.type in ("task.completed", "task.cancelled", "task.failed", "task.released"):
            self.owner.pop(data.task, None)
        elif event.task is not None and event.type not in ("message.aborted", "tool.abandoned", "approval.withdrawn"):
            assert self.owner.get(event.task) == event.actor, "something was done under a claim that is over"

    def _policy(self, event: Event, data: Any) -> None:
        if event.type == "task.created":
            self.tasks[data.task] = TaskModel(POLICIES[data.task], event.time)
        elif event.type.startswith("task.") and event.type not in ("task.fenced", "task.blocked", "task.steered"):
            self.tasks[data.task].follow(event, data, self.tasks)

    def promised(self, now: datetime, quiet_since: datetime) -> None:
        """Raises AssertionError when something has not happened in time."""
        for task in self.tasks.values():
            dead = {self.tasks[need].status for need in task.needs} & {"failed", "cancelled"}
            assert not (dead and task.status == "open" and task.policy.get("on_need_failed") == "fail")
            late = now - max(task.deadline, quiet_since) > timedelta(seconds=SLACK)
            assert not (late and task.status in ("open", "claimed")), "its deadline has passed"

    def _leak(self, event: Event) -> None:
        if event.type in ("message.posted", "message.started") and event.actor in AGENTS:
            muted = self.floor is not None and event.actor not in self.floor
            assert not (muted and visible(event.audience, Viewer(ADA, "user"))), "it was for the team"


TestTeam = Team.TestCase
TestTeam.settings = settings(
    max_examples=int(os.environ.get("STENOGRAM_TEST_EXAMPLES", "25")),
    stateful_step_count=40,
    suppress_health_check=list(HealthCheck),
)
