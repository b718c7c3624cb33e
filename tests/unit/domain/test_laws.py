"""What holds for any session, whoever did whatever in it, in whatever order.

Hypothesis plays scripts of commands by three participants. Names, places and counts come from small sets, so that the
commands meet each other: many are accepted, and about as many are refused.
"""

import random
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from stenogram.domain.concepts.open_work import Index
from stenogram.domain.errors import Fenced, Refused
from stenogram.domain.ids import Version
from stenogram.domain.model import TIMEKEEPER, Actor, Command, Event
from stenogram.domain.refusals.stopped_agents import fences
from stenogram.domain.session import deadlines, decide, evolve, evolve_by, fold
from stenogram.domain.state import State
from stenogram.log.commit.repetition import may_have_led_to
from stenogram.testing.rehearsal import Rehearsal

ACTORS = [Actor("ada", "user"), Actor("hotels", "agent"), Actor("flights", "agent")]
NEXT = -1


class Step(NamedTuple):
    """One command of a script. Without an actor, it is done by whom the message, call or task is of; a delta of index
    NEXT gets the index that its message expects, and attempt NEXT is the task's latest. `under` is the task that it
    names, by an attempt so many before its latest. A step called `wait` lets time pass instead."""

    actor: Actor | None
    do: str
    data: dict[str, Any]
    under: tuple[str, int] | None = None


text = st.text(max_size=8)
some_text = st.text(min_size=1, max_size=8)
numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
json = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "~", "/"]), inner, max_size=3)
    ),
    max_leaves=5,
)
objects = st.dictionaries(st.sampled_from(["a", "b", "~", "/", ""]), json, max_size=3)
likely_paths = st.sampled_from(["/a", "/b", "/c", "/a/a", "/a/b", "/a/b/0", "/a/c", "/b/1", "/b/-", "/~0"])
odd_paths = st.lists(st.sampled_from(["a", "b", "~0", "~1", "", "0", "1", "-"]), max_size=3).map(
    lambda tokens: "".join(f"/{token}" for token in tokens)
)
paths = likely_paths | likely_paths | odd_paths
versions = st.integers(0, 40)
messages = st.sampled_from(["m1", "m2", "m3"])
posts = st.sampled_from(["m3", "p1", "p2", "p3", "p4"])
calls = st.sampled_from(["t1", "t2"])
audiences = st.lists(st.sampled_from(["everyone", "users", "agents", "ada"]), min_size=1, max_size=3)
streamed = st.sampled_from(["text", "reasoning"])
parts = st.lists(
    st.fixed_dictionaries({"kind": streamed, "text": text})
    | st.fixed_dictionaries({"kind": st.just("data"), "data": json}, optional={"name": text})
    | st.fixed_dictionaries({"kind": st.just("citation"), "source": text}, optional={"quote": text}),
    max_size=3,
)
labels = st.dictionaries(st.sampled_from(["team", "vip"]), text, max_size=2)
statuses = st.sampled_from(["idle", "thinking", "working", "blocked"])
operations: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["add", "replace", "remove", "move", "copy", "test"]),
        "path": paths,
        "value": json | st.just({"a": [{}]}),
        "from": paths,
    }
)
odd_operations = st.fixed_dictionaries({"op": st.sampled_from(["add", "move", "test"]), "path": paths})
guards = {"if_version": versions, "if_unchanged": st.dictionaries(paths, versions, max_size=2)}


tasks = st.sampled_from(["k1", "k2", "k3"])
attempts = st.sampled_from([NEXT, NEXT, NEXT, 1, 2])
signals = st.sampled_from(["s1", "s2"])
approvals = st.sampled_from(["a1", "a2"])
targets = st.sampled_from(
    ["session", "agent:hotels", "agent:flights", "agent:ada", "agent:stenogram", "task:k1", "task:k2", "message:m1"]
)
names = st.sampled_from([actor.id for actor in ACTORS])
under = st.sampled_from([None, None, ("k1", 0), ("k1", 0), ("k2", 0), ("k1", 1)])


def step(
    do: str, optional: dict[str, Any] | None = None, /, **required: st.SearchStrategy[Any]
) -> st.SearchStrategy[Step]:
    """Commands called `do` by anyone, with these members."""
    data = st.fixed_dictionaries(required, optional=optional or {})
    return st.builds(Step, st.sampled_from([None, None, *ACTORS]), st.just(do), data, under)


starts = step("message.start", {"audience": audiences, "reply_to": messages}, message=messages)
deltas = step("message.delta", {"part": streamed}, message=messages, index=st.just(NEXT), text=some_text)
conversation = st.one_of(
    step("message.post", {"audience": audiences}, message=posts, text=some_text),
    step("message.post", {"kind": st.just("progress")}, message=posts, parts=parts),
    starts,
    starts,
    deltas,
    deltas,
    deltas,
    step("message.delta", message=messages, index=st.integers(0, 3), text=some_text),
    step("message.complete", {"usage": objects}, message=messages, parts=parts),
    step("message.complete", message=messages, deltas=st.integers(0, 3)),
    step("message.abort", {"reason": text}, message=messages),
    step("tool.call", {"message": messages, "audience": audiences}, call=calls, tool=st.just("search"), arguments=json),
    *[step("tool.output", call=calls, index=st.just(NEXT), text=some_text)] * 2,
    step("tool.output", call=calls, index=st.integers(0, 3), text=some_text),
    step("tool.return", {"result": json, "error": some_text, "usage": objects, "metadata": objects}, call=calls),
)
changes = st.one_of(
    step("state.patch", patch=st.lists(operations, min_size=1, max_size=1)),
    step("state.patch", patch=st.lists(operations | odd_operations, min_size=1, max_size=4)),
    step("state.patch", guards, patch=st.lists(operations, min_size=1, max_size=2)),
    step("state.merge", patch=objects.filter(bool)),
    step("state.merge", guards, patch=objects.filter(bool)),
    step("state.increment", {"by": st.integers(-9, 9) | st.floats(-9, 9), **guards}, path=paths.filter(bool)),
)
lives = st.one_of(
    step("session.open", {"title": text}),
    step("session.describe", {"title": text, "metadata": objects}),
    step("session.label", {"set": labels, "remove": st.lists(st.sampled_from(["team", "vip"]), max_size=1)}),
    step("presence.join", {"name": some_text, "about": objects, "new_run": st.booleans()}),
    step("presence.status", {"activity": text}, status=statuses),
    step("presence.leave", {"reason": text}),
    step("custom.record", {"about": calls, "audience": audiences}, type=st.just("x.note"), data=objects),
)
work = st.one_of(
    step(
        "task.create",
        {
            "parent": tasks,
            "needs": st.lists(tasks, max_size=2),
            "dedupe_key": tasks,
            "assignee": names,
            "assignee_timeout": st.sampled_from([5, 20]),
            "priority": st.integers(-2, 2),
            "max_attempts": st.integers(1, 2),
            "backoff": st.sampled_from([2, 10]),
            "within": st.sampled_from([10, 60]),
            "on_need_failed": st.sampled_from(["fail", "block"]),
            "stall_after": st.just(20),
            "on_stall": st.sampled_from(["tell", "nothing", "release"]),
        },
        task=tasks,
        title=st.just("T"),
    ),
    *[step("task.claim", {"lease": st.sampled_from([5, 30])}, task=tasks)] * 3,
    step("task.progress", {"note": text}, task=tasks, attempt=attempts, share=st.just(0.5)),
    step("task.complete", {"output": json}, task=tasks, attempt=attempts),
    step("task.fail", {"retryable": st.booleans()}, task=tasks, attempt=attempts, error=text),
    step("task.release", {"reason": text}, task=tasks, attempt=attempts),
    step("task.reroute", {"to": names, "input": json, "needs": st.lists(tasks, max_size=2)}, task=tasks),
    step("task.cancel", task=tasks),
)
SEVERAL = [
    {"name": "a", "question": "?", "options": ["x", "y"], "several": True},
    {"name": "b", "question": "?", "own_words": True},
]
interruptions = st.one_of(
    *[
        step(
            "signal.raise",
            {"grace": st.sampled_from([0, 3, 30])},
            signal=signals,
            kind=st.sampled_from(["cancel", "pause", "resume", "steer"]),
            target=targets,
        )
    ]
    * 2,
    step("signal.raise", {"to": names}, signal=signals, kind=st.just("reroute"), target=targets, body=json),
    step("signal.deliver", signal=signals),
    *[step("signal.honour", signal=signals)] * 2,
    step("signal.refuse", signal=signals),
    step("signal.withdraw", signal=signals),
    step("approval.request", {"within": st.sampled_from([5, 50])}, approval=approvals, question=some_text),
    step("approval.request", approval=approvals, question=some_text, answer_schema=st.just({"type": "integer"})),
    step("approval.answer", approval=approvals, option=st.sampled_from(["yes", "no", "maybe"])),
    step("approval.answer", approval=approvals, value=st.integers(0, 2) | text),
    step("approval.request", approval=approvals, question=some_text, questions=st.just(SEVERAL)),
    step("approval.answer", approval=approvals, answers=st.just({"a": {"options": ["x"]}, "b": {"words": "w"}})),
    step("approval.withdraw", approval=approvals),
    step("floor.move", {"speakers": st.lists(names, max_size=2)}),
)
waits = st.builds(Step, st.none(), st.just("wait"), st.fixed_dictionaries({"seconds": st.sampled_from([1, 5, 20, 40])}))
ends = st.one_of(step("session.close"), *[step("session.reopen")] * 3)
steps = st.one_of(*[conversation] * 4, *[changes] * 3, *[lives] * 2, *[work] * 4, *[interruptions] * 2, waits, ends)
scripts = st.lists(steps, min_size=5, max_size=30)


class Played(NamedTuple):
    """An accepted command: the state before and after it, and its events."""

    before: State
    command: Command
    events: tuple[Event, ...]
    after: State


def play(session: Rehearsal, script: list[Step]) -> list[Played]:
    """Carry out a script; what is refused changes nothing, and anything but a refusal fails the test."""
    accepted = []
    for step in script:
        before = session.state
        if step.do == "wait":
            session.wait(step.data["seconds"])
            continue
        try:
            command = meant(session, step)
            events = session.execute(command)
        except Refused as refusal:
            assert session.state is before or isinstance(refusal, Fenced)  # noqa: PT017
        else:
            accepted.append(Played(before, command, events, session.state))
    return accepted


def begun() -> Rehearsal:
    """A session with something in it to go on with."""
    session = Rehearsal()
    for actor in ACTORS:
        session.do(actor, "presence.join", lease=30)
    session.do("hotels", "message.start", message="m1", audience=["users"])
    session.do("hotels", "tool.call", call="t1", tool="search")
    session.do("flights", "state.merge", patch={"a": {"a": 1, "b": [1, {"a": 2}]}, "b": [0, 1]})
    session.do("ada", "task.create", task="k1", title="T", stall_after=20)
    session.do("ada", "task.create", task="k2", title="T", parent="k1")
    session.do("flights", "task.claim", task="k1")
    session.under("k1", 1, "flights", "message.start", message="m2")
    return session


def meant(session: Rehearsal, step: Step) -> Command:
    """The command that a step means as things stand."""
    message = session.state.messages.known.get(step.data.get("message", ""))
    call = session.state.tools.known.get(step.data.get("call", ""))
    task = session.state.tasks.known.get(step.data.get("task") or (step.under or [""])[0])
    owner = call.caller if call else message.author if message else (task and task.owner) or "ada"
    actor = step.actor or next(actor for actor in ACTORS if actor.id == owner)
    data = step.data
    if data.get("index") == NEXT:
        data = {**data, "index": getattr(message or call, "index", 0)}
    if data.get("attempt") == NEXT:
        data = {**data, "attempt": max(1, task.attempt) if task else 1}
    command = session.command(actor, step.do, data)
    if step.under is None:
        return command
    name, before = step.under
    named = session.state.tasks.known.get(name)
    return command._replace(task=name, attempt=max(1, named.attempt - before) if named else 1)


@given(scripts)
@settings(max_examples=150)
def test_what_is_decided_folds_and_reads_back_equal(script: list[Step]) -> None:
    for played in play(begun(), script):
        facts = decide(played.before, played.command).facts
        state = played.before
        for fact, decoded in zip(facts, played.events, strict=False):
            assert decoded.data.json_bytes() == fact.data.json_bytes()
            assert decoded.audience == fact.audience
            state = evolve(state, decoded._replace(data=fact.data))
        if facts:
            assert state == played.after


@given(scripts)
@settings(max_examples=100)
def test_what_a_decision_knows_of_the_state_after_it_is_what_folding_finds(script: list[Step]) -> None:
    for played in play(begun(), [*script, Step(None, "message.delta", {"message": "m1", "index": NEXT, "text": "x"})]):
        decision = decide(played.before, played.command)
        if decision.after is not None:
            assert evolve_by(played.before, played.command, len(decision.facts), decision.after) == played.after


@given(scripts, st.integers(0, 25))
@settings(max_examples=100)
def test_a_prefix_and_the_rest_are_the_whole(script: list[Step], at: int) -> None:
    session = begun()
    play(session, script)
    prefix = fold(State("rehearsal"), session.events[:at])
    assert fold(prefix, session.events[at:]) == session.state
    assert [event.version for event in session.events] == list(range(1, len(session.events) + 1))


@given(scripts)
@settings(max_examples=100)
def test_earlier_states_stay_as_they_were(script: list[Step]) -> None:
    session = begun()
    seen: list[tuple[State, str]] = []
    for each in script:
        play(session, [each])
        seen.append((session.state, repr(session.state)))
    assert all(repr(state) == as_it_was for state, as_it_was in seen)


@given(scripts)
@settings(max_examples=100)
def test_a_repeated_command_gets_the_first_result_and_changes_nothing(script: list[Step]) -> None:
    session = begun()
    for each in script:
        for played in play(session, [each]):
            assert session.execute(played.command) == played.events
            assert session.state is played.after


@given(scripts)
@settings(max_examples=150)
def test_a_command_may_have_led_to_what_it_led_to(script: list[Step]) -> None:
    session = begun()
    for each in script:
        for played in play(session, [each]):
            if played.events and decide(played.before, played.command).repeat is None:
                assert may_have_led_to(played.command, played.events[0])


@given(st.lists(conversation, max_size=25), st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_deltas_may_be_repeated_in_any_order_at_any_time(script: list[Step], order: random.Random) -> None:
    session = begun()
    deltas = [played for played in play(session, script) if played.command.data.do == "message.delta"]
    order.shuffle(deltas)
    final = session.state
    for played in deltas:
        assert session.execute(played.command) == played.events
        assert session.state is final


@given(scripts, scripts)
@settings(max_examples=150)
def test_a_decision_that_is_overtaken_elsewhere_still_folds(script: list[Step], others: list[Step]) -> None:
    """Another gateway may write whatever the decision has not read before its facts reach the log."""
    session = begun()
    *earlier, last = script
    play(session, earlier)
    try:
        command = meant(session, last)
        decision = decide(session.state, command)
    except Refused:
        return
    for other in others:
        kept = session.state
        for played in play(session, [other]):
            facts = decide(played.before, played.command).facts
            written = {
                subject for fact in facts for subject in (fact.subject or fact.data.subject(), *fact.data.also())
            }
            if written & set(decision.reads):
                session.state = kept
    state = session.state
    for fact in decision.facts:
        event = Event(*session.events[-1][:4], fact.type or fact.data.type, command.time, command.actor.id, fact.data)
        version = Version(state.version + 1)
        state = fold(state, [event._replace(version=version, task=fact.task, audience=fact.audience)])


@given(scripts)
@settings(max_examples=150)
def test_nothing_is_left_open_by_who_cannot_end_it(script: list[Step]) -> None:
    """What is open belongs to a claim that holds, and a task is held by one who was not lost."""
    session = begun()
    for each in script:
        play(session, [each])
        state = session.state
        held = {id: task for id, task in state.tasks.known.items() if task.owner}
        assert set(held) == set(state.tasks.claimed)
        opened = [message for message in state.messages.known.values() if message.status == "open"]
        assert all(message.task is None or held[message.task].owner == message.author for message in opened)
        assert all(call.task in (None, *held) for call in state.tools.known.values() if call.open)
        assert {id for id, signal in state.signals.known.items() if signal.status == "open"} == set(state.signals.open)
        assert {id for id, each in state.approvals.known.items() if each.status == "open"} == set(state.approvals.open)
        assert all(state.signals.known[fence.signal].status == "expired" for fence in state.signals.fenced.values())
        parts = [task for task in state.tasks.known.values() if task.parent]
        assert all(
            each.status != "open" for each in parts if state.tasks.known[each.parent or ""].status == "cancelled"
        )
        stalled = [each for each in state.presence.values() if each.stalled]
        assert all(each.present and held[task].owner == each.id for each in stalled for task in each.stalled)


@given(scripts)
@settings(max_examples=100)
def test_tasks_are_listed_by_what_they_are(script: list[Step]) -> None:
    session = begun()
    for each in script:
        play(session, [each])
        tasks = session.state.tasks
        unfinished = [task for task in tasks.known.values() if task.unfinished]
        assert set(tasks.open) == {task.id for task in unfinished if task.status == "open"}
        assert listed(tasks.held) == {(task.owner, task.id) for task in unfinished if task.owner}
        assert listed(tasks.parts) == {(task.parent, task.id) for task in unfinished if task.parent}
        needed = {(need, task.id) for task in unfinished for need in task.needs if tasks.known[need].unfinished}
        assert listed(tasks.dependants) == needed
        assert {task.id for task in unfinished if task.policy.deadline or task.not_before} <= set(tasks.timed)
        assert set(tasks.timed) <= {task.id for task in unfinished}


def listed(index: Index) -> set[tuple[str, str]]:
    """The keys of an index, each with what is under it."""
    return {(key, id) for key, ids in index.items() for id in ids}


@given(scripts)
@settings(max_examples=100)
def test_what_falls_due_happens_once_and_is_over_then(script: list[Step]) -> None:
    session = begun()
    play(session, script)
    if session.state.session.status == "open":
        session.wait(10_000)
        assert not any(each.present for each in session.state.presence.values())
        assert not session.state.tasks.claimed
        assert not deadlines(session.state)
    timed = [event.cause for event in session.events if event.actor == "stenogram"]
    firsts = [cause for cause, before in zip(timed, [None, *timed], strict=False) if cause != before]
    assert len(firsts) == len(set(firsts))


@given(scripts)
@settings(max_examples=100)
def test_nobody_is_fenced_but_agents_and_the_time_is_always_kept(script: list[Step]) -> None:
    session = begun()
    for each in script:
        play(session, [each])
        assert fences(session.state).keys() <= {"hotels", "flights"}
        assert TIMEKEEPER.id not in {name for signal in session.state.signals.known.values() for name in signal.waiting}
    if session.state.session.status == "open":
        session.wait(10_000)
        assert not any(each.present for each in session.state.presence.values())
        assert not session.state.tasks.claimed
