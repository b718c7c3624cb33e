"""What holds for any session, whoever did whatever in it, in whatever order.

Hypothesis plays scripts of commands by three participants. Names, places and counts come from small sets, so that the
commands meet each other: many are accepted, and about as many are refused.
"""

import random
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from hansard.domain.errors import Refused
from hansard.domain.ids import Version
from hansard.domain.model import Actor, Command, Event
from hansard.domain.session import State, decide, evolve, fold
from hansard.testing.rehearsal import Rehearsal

ACTORS = [Actor("ada", "user"), Actor("hotels", "agent"), Actor("flights", "agent")]
NEXT = -1


class Step(NamedTuple):
    """One command of a script. Without an actor, it is done by whom the message or call is of; a delta of index NEXT
    gets the index that its message expects."""

    actor: Actor | None
    do: str
    data: dict[str, Any]


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


def step(
    do: str, optional: dict[str, Any] | None = None, /, **required: st.SearchStrategy[Any]
) -> st.SearchStrategy[Step]:
    """Commands called `do` by anyone, with these members."""
    data = st.fixed_dictionaries(required, optional=optional or {})
    return st.builds(Step, st.sampled_from([None, None, *ACTORS]), st.just(do), data)


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
    step("tool.return", {"result": json, "error": some_text}, call=calls),
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
    step("presence.join", {"name": some_text, "about": objects}),
    step("presence.status", {"activity": text}, status=statuses),
    step("presence.leave", {"reason": text}),
    step("custom.record", {"about": calls, "audience": audiences}, type=st.just("x.note"), data=objects),
)
ends = st.one_of(step("session.close"), *[step("session.reopen")] * 3)
steps = st.one_of(*[conversation] * 4, *[changes] * 3, *[lives] * 2, ends)
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
        try:
            command = meant(session, step)
            events = session.execute(command)
        except Refused:
            assert session.state is before
        else:
            accepted.append(Played(before, command, events, session.state))
    return accepted


def begun() -> Rehearsal:
    """A session with something in it to go on with."""
    session = Rehearsal()
    for actor in ACTORS:
        session.do(actor, "presence.join")
    session.do("hotels", "message.start", message="m1", audience=["users"])
    session.do("hotels", "tool.call", call="t1", tool="search")
    session.do("flights", "state.merge", patch={"a": {"a": 1, "b": [1, {"a": 2}]}, "b": [0, 1]})
    return session


def meant(session: Rehearsal, step: Step) -> Command:
    """The command that a step means as things stand."""
    message = session.state.messages.get(step.data.get("message", ""))
    call = session.state.tools.get(step.data.get("call", ""))
    owner = call.caller if call else message.author if message else "ada"
    actor = step.actor or next(actor for actor in ACTORS if actor.id == owner)
    data = step.data
    if data.get("index") == NEXT:
        data = {**data, "index": 0 if message is None else message.index}
    return session.command(actor, step.do, data)


@given(scripts)
@settings(max_examples=150)
def test_what_is_decided_folds_and_reads_back_equal(script: list[Step]) -> None:
    for played in play(begun(), script):
        facts = decide(played.before, played.command).facts
        state = played.before
        for fact, decoded in zip(facts, played.events, strict=False):
            assert decoded.data == fact.data
            assert decoded.audience == fact.audience
            state = evolve(state, decoded._replace(data=fact.data))
        if facts:
            assert state == played.after


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
    for fact in decision.facts:
        event = Event(*session.events[-1][:4], fact.type or fact.data.type, command.time, command.actor.id, fact.data)
        fold(session.state, [event._replace(version=Version(session.state.version + 1), audience=fact.audience)])
