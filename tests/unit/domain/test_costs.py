"""What ending something costs: what there is to end, and not what the session has seen. Lines that run are counted."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from stenogram.domain.consequences import LongCascade
from stenogram.domain.json.patch import apply_patch
from stenogram.domain.model import Actor, Command
from stenogram.domain.session import decide, is_live
from stenogram.domain.state import State
from stenogram.testing.rehearsal import Rehearsal

ADA = Actor("ada", "user")
FEW, TWICE = 150, 300


def lines_of_deciding(state: State, command: Command) -> int:
    """How many lines run, loops and generators included, when it is not done for the first time: models are built when
    they are first used."""
    decide(state, command)
    return lines_of(lambda: decide(state, command))


def lines_of(act: Callable[[], object]) -> int:
    """How many lines run."""
    lines = 0

    def count(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        act()
    finally:
        sys.settrace(before)
    return lines


def tasks_on_the_board(session: Rehearsal, number: int) -> Command:
    for task in range(number):
        session.do("planner", "task.create", task=f"t{task}", title="T")
    return session.command(ADA, "signal.raise", {"signal": "s", "kind": "cancel", "target": "session"})


def parts_of_one(session: Rehearsal, number: int) -> Command:
    session.do("planner", "task.create", task="t", title="T")
    for task in range(number):
        session.do("planner", "task.create", task=f"t{task}", title="T", parent="t")
    return session.command(ADA, "task.cancel", {"task": "t"})


def parts_of_parts(session: Rehearsal, number: int) -> Command:
    session.do("planner", "task.create", task="t0", title="T")
    for task in range(1, number):
        session.do("planner", "task.create", task=f"t{task}", title="T", parent=f"t{task - 1}")
    return session.command(ADA, "task.cancel", {"task": "t0"})


def needs_of_one(session: Rehearsal, number: int) -> Command:
    session.do("planner", "task.create", task="t", title="T")
    for task in range(number):
        choice = "fail" if task % 2 else "block"
        session.do("planner", "task.create", task=f"t{task}", title="T", needs=["t"], on_need_failed=choice)
    return session.command(ADA, "task.cancel", {"task": "t"})


def needs_of_needs(session: Rehearsal, number: int) -> Command:
    session.do("planner", "task.create", task="t0", title="T")
    for task in range(1, number):
        session.do("planner", "task.create", task=f"t{task}", title="T", needs=[f"t{task - 1}"], on_need_failed="fail")
    return session.command(ADA, "task.cancel", {"task": "t0"})


def work_of_one_who_leaves(session: Rehearsal, number: int) -> Command:
    session.do("hotels", "presence.join")
    for each in range(number):
        session.do("planner", "task.create", task=f"t{each}", title="T")
        session.do("hotels", "task.claim", task=f"t{each}")
        session.under(f"t{each}", 1, "hotels", "message.start", message=f"m{each}")
        session.under(f"t{each}", 1, "hotels", "tool.call", call=f"c{each}", tool="search")
    return session.command("hotels", "presence.leave", {})


BEGUN = [tasks_on_the_board, parts_of_one, parts_of_parts, needs_of_one, needs_of_needs, work_of_one_who_leaves]


@pytest.mark.parametrize("begin", BEGUN)
def test_a_cascade_costs_in_proportion_to_what_ends(begin: Callable[[Rehearsal, int], Command]) -> None:
    costs = []
    for number in (FEW, TWICE):
        session = Rehearsal()
        command = begin(session, number)
        costs.append(lines_of_deciding(session.state, command))
    assert 1.8 < costs[1] / costs[0] < 2.2


def much_that_is_over(session: Rehearsal, number: int) -> None:
    for each in range(number):
        session.do("flights", "message.post", message=f"p{each}", text="x")
        session.do("flights", "message.start", message=f"o{each}")
        session.do("flights", "tool.call", call=f"o{each}", tool="search")
        session.do("flights", "approval.request", approval=f"o{each}", question="Book it?")
        session.do("flights", "task.create", task=f"o{each}", title="T")
        session.do("flights", "task.claim", task=f"o{each}")
        session.do("planner", "task.create", task=f"n{each}", title="T", needs=["t"], within=600)
        session.do("planner", "task.cancel", task=f"n{each}")
        session.do(ADA, "signal.raise", signal=f"p{each}", kind="pause", target=f"task:o{each}")
        session.do(ADA, "signal.raise", signal=f"o{each}", kind="steer", target="agent:flights", body=each)


@pytest.mark.parametrize(
    ("do", "data"),
    [
        ("task.complete", {"task": "t", "attempt": 1}),
        ("task.release", {"task": "t", "attempt": 1}),
        ("task.fail", {"task": "t", "attempt": 1, "error": "No line."}),
        ("task.cancel", {"task": "t"}),
        ("presence.leave", {}),
        ("message.abort", {"message": "m"}),
        ("signal.raise", {"signal": "s", "kind": "steer", "target": "agent:flights", "body": "x"}),
        ("signal.raise", {"signal": "s", "kind": "pause", "target": "agent:flights"}),
        ("signal.raise", {"signal": "s", "kind": "cancel", "target": "agent:hotels", "grace": 0.0}),
    ],
)
def test_what_the_others_do_and_what_is_over_costs_nothing(do: str, data: dict[str, Any]) -> None:
    costs = []
    for number in (0, 100):
        session = Rehearsal()
        session.do("hotels", "presence.join")
        session.do("planner", "task.create", task="t", title="T")
        session.do("hotels", "task.claim", task="t")
        session.under("t", 1, "hotels", "message.start", message="m")
        much_that_is_over(session, number)
        costs.append(lines_of_deciding(session.state, session.command("hotels", do, data)))
    assert costs[1] < costs[0] * 1.2 + 20


def parts_that_need_each_other(session: Rehearsal, number: int) -> Command:
    session.do("planner", "task.create", task="t", title="T")
    for task in range(number):
        needs = [f"t{task - 1}"] if task else []
        session.do("planner", "task.create", task=f"t{task}", title="T", parent="t", needs=needs)
    return session.command(ADA, "task.cancel", {"task": "t"})


@pytest.mark.parametrize("begin", [needs_of_one, parts_that_need_each_other, work_of_one_who_leaves])
def test_what_is_decided_piece_by_piece_is_what_is_decided_at_once(begin: Callable[[Rehearsal, int], Command]) -> None:
    session = Rehearsal()
    command = begin(session, 10)
    with pytest.raises(LongCascade) as long:
        decide(session.state, command, 1)
    decision = None
    while decision is None:
        decision = long.value.go_on(2)
    assert decision == decide(session.state, command)


@pytest.mark.parametrize(("begin", "type"), [(parts_of_parts, "task.cancelled"), (needs_of_needs, "task.failed")])
def test_no_chain_is_too_long(begin: Callable[[Rehearsal, int], Command], type: str) -> None:
    session = Rehearsal()
    long = sys.getrecursionlimit() + 200
    events = session.execute(begin(session, long))
    assert [event.type for event in events] == ["task.cancelled", *[type] * (long - 1)]


def test_what_waits_in_vain_is_told_so_in_the_order_of_its_creation(session: Rehearsal) -> None:
    events = session.execute(needs_of_one(session, 20))
    assert [event.data.subject() for event in events] == ["task:t", *[f"task:t{each}" for each in range(20)]]


def test_what_ends_is_told_in_the_order_in_which_it_was_begun(session: Rehearsal) -> None:
    session.do("hotels", "presence.join")
    for each in range(20):
        session.do("hotels", "message.start", message=f"m{each}")
        session.do("hotels", "tool.call", call=f"c{each}", tool="search")
    events = session.do("hotels", "presence.leave")
    subjects = [event.data.subject() for event in events[1:]]
    assert subjects == [f"message:m{each}" for each in range(20)] + [f"tool:c{each}" for each in range(20)]


BEGINNINGS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("message.start", {"message": "a"}, {"message": "b"}),
    ("tool.call", {"call": "a", "tool": "search"}, {"call": "b", "tool": "search"}),
    ("task.create", {"task": "a", "title": "T"}, {"task": "b", "title": "T"}),
    ("approval.request", {"approval": "a", "question": "?"}, {"approval": "b", "question": "?"}),
    (
        "signal.raise",
        {"signal": "a", "kind": "steer", "target": "agent:x", "body": 1},
        {"signal": "b", "kind": "steer", "target": "agent:x", "body": 2},
    ),
]


@pytest.mark.parametrize(("do", "first", "second"), BEGINNINGS, ids=[do for do, _, _ in BEGINNINGS])
def test_no_more_is_open_than_can_be_ended_at_once(
    session: Rehearsal, do: str, first: dict[str, Any], second: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stenogram.domain.concepts.open_work.MAX_OPEN", 1)
    session.do("hotels", do, first)
    refusal = session.refusal("hotels", do, second)
    assert (refusal.code, refusal.extra) == ("conflict", {"most": 1})
    session.do("hotels", "message.post", message="m", text="Hello.")


def test_no_more_text_is_open_than_can_be_ended_at_once(session: Rehearsal) -> None:
    def stream(message: str, text: str) -> dict[str, Any]:
        known = session.state.messages.known[message]
        return {"message": message, "index": known.index, "text": text}

    for each in range(17):
        session.do("hotels", "message.start", message=f"m{each}")
    for each in range(16):
        session.do("hotels", "message.delta", stream(f"m{each}", "x" * 999_999))
    session.do("hotels", "message.delta", stream("m16", "x" * 16))
    refusal = session.refusal("hotels", "message.delta", stream("m0", "x"))
    assert (refusal.code, "16,000,000" in refusal.detail) == ("too_large", True)
    session.do("hotels", "message.complete", message="m1")
    session.do("hotels", "message.delta", stream("m0", "x"))
    session.do("hotels", "message.abort", message="m16")
    assert session.state.messages.open_bytes == 15 * 999_999 + 1
    session.do("ada", "session.close")
    assert session.state.messages.open_bytes == 0


def test_what_goes_into_every_task_of_an_agent_is_short(session: Rehearsal) -> None:
    session.do("ada", "task.create", task="t", title="T")
    for target, code in (("agent:hotels", "too_large"), ("task:t", None)):
        raised = {"signal": target.partition(":")[0], "kind": "reroute", "target": target}
        if code is not None:
            assert session.refusal("ada", "signal.raise", {**raised, "body": "x" * 999}).code == code
        session.do("ada", "signal.raise", {**raised, "body": "x" * 998})


def test_no_more_output_is_held_than_can_be_ended_at_once(session: Rehearsal) -> None:
    def put_out(call: str, text: str) -> dict[str, Any]:
        return {"call": call, "index": session.state.tools.known[call].index, "text": text}

    for each in range(17):
        session.do("hotels", "tool.call", call=f"c{each}", tool="bash")
    for each in range(16):
        session.do("hotels", "tool.output", put_out(f"c{each}", "x" * 999_999))
    session.do("hotels", "tool.output", put_out("c16", "x" * 16))
    refusal = session.refusal("hotels", "tool.output", put_out("c0", "x"))
    assert (refusal.code, "16,000,000" in refusal.detail) == ("too_large", True)
    session.do("hotels", "tool.return", call="c1")
    session.do("hotels", "tool.output", put_out("c0", "x"))
    assert session.state.tools.open_bytes == 15 * 999_999 + 17
    session.do("ada", "session.close")
    assert session.state.tools.open_bytes == 0


def test_a_long_instruction_to_one_who_does_much_is_kept_with_the_oldest_tasks(session: Rehearsal) -> None:
    for each in range(20):
        session.do("planner", "task.create", task=f"t{each}", title="T")
        session.do("hotels", "task.claim", task=f"t{each}")
    session.do(ADA, "signal.raise", signal="s1", kind="steer", target="agent:hotels", body="x" * 999_998)
    (_, *kept) = session.do("hotels", "signal.honour", signal="s1")
    assert [event.data.subject() for event in kept] == [f"task:t{each}" for each in range(16)]
    session.do(ADA, "signal.raise", signal="s2", kind="steer", target="agent:hotels", body="Be quick.")
    assert len(session.do("hotels", "signal.honour", signal="s2")) == 21


def test_that_a_session_lives_is_known_by_one_who_is_there() -> None:
    costs = []
    for number in (2, 200):
        session = Rehearsal()
        for each in range(number):
            session.do(f"a{each}", "presence.join")
        costs.append(lines_of(lambda state=session.state: is_live(state)))  # type: ignore[misc]
    assert costs[1] < costs[0] + 20


@pytest.mark.parametrize("do", ["is_live", "signal.raise"])
def test_those_who_have_left_cost_nothing(do: str) -> None:
    costs = []
    for number in (0, 200):
        session = Rehearsal()
        session.do("hotels", "presence.join")
        for each in range(number):
            session.do(f"a{each}", "presence.join")
            session.do(f"a{each}", "presence.leave")
        if do == "is_live":
            session.do("hotels", "presence.leave")
            state = session.state
            costs.append(lines_of(lambda state=state: is_live(state)))  # type: ignore[misc]
        else:
            raised = {"signal": "s", "kind": "steer", "target": "session"}
            costs.append(lines_of_deciding(session.state, session.command(ADA, do, raised)))
    assert costs[1] < costs[0] + 20


def patch_of_copies(session: Rehearsal, members: int) -> int:
    """How many members are copied by a patch of many copies, into an object of so many members."""
    many = {f"m{number}": number for number in range(members)}
    session.do("ada", "state.merge", patch={"many": many, "one": {"n": 1}})
    value = Counted(session.state.document.value)
    patch = [{"op": "copy", "from": "/one", "path": f"/many/m{number}"} for number in range(100)]
    apply_patch(value, patch)
    return value.copied


class Counted(dict[str, Any]):
    """Counts how many members of what is in it are copied."""

    copied = 0

    def __init__(self, value: dict[str, Any], whole: "Counted | None" = None) -> None:
        self._whole = whole or self
        super().__init__(
            {name: Counted(each, self._whole) if isinstance(each, dict) else each for name, each in value.items()}
        )

    def copy(self) -> "Counted":
        self._whole.copied += len(self)
        copied = Counted({})
        copied._whole = self._whole
        copied.update(self)
        return copied


def test_a_patch_of_many_copies_copies_what_it_changes_once(session: Rehearsal) -> None:
    assert patch_of_copies(session, 1_000) < 2_000
