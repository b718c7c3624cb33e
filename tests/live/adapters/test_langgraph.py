"""Checkpoints of LangGraph in sessions: its own conformance suite, graphs that run, and two runs on one thread."""

from __future__ import annotations

import asyncio
import logging
import operator
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import pytest
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.base import CheckpointTuple
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

from stenogram.adapters.langgraph import StenogramSaver
from stenogram.api.server import running
from stenogram.api.settings import Settings
from stenogram.client import Client
from stenogram.domain.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from stenogram.api.server import Gateway

    Start = Callable[..., Awaitable[Gateway]]

pytestmark = pytest.mark.thorough

TESTS = 81
CAPABILITIES = 8


@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_frameworks_own_suite_passes(request: pytest.FixtureRequest, start: Start, engine: str) -> None:
    log = {} if engine == "sqlite" else {"log": request.getfixturevalue("fresh_log")()}
    url = (await start(**log)).url

    @checkpointer_test(name=engine)
    async def saver() -> AsyncGenerator[StenogramSaver, None]:
        async with StenogramSaver(url, participant="graph") as made:
            yield made

    report = await validate(saver)
    failures = {name: result.failures for name, result in report.results.items() if result.failures}
    assert not failures
    assert len(report.results) == CAPABILITIES
    assert all(result.detected for result in report.results.values())
    assert sum(result.tests_passed for result in report.results.values()) == TESTS


class Count(TypedDict):
    """The state of the graphs here."""

    steps: Annotated[list[str], operator.add]


def _joined(value: list[str], writes: Sequence[list[str]]) -> list[str]:
    return [*value, *(word for each in writes for word in each)]


class Words(TypedDict):
    """A state of which only what was added is kept."""

    words: Annotated[list[str], DeltaChannel(_joined)]


def _more(state: Words) -> Words:
    return {"words": ["more"]}


def _graph(saver: StenogramSaver, *, ask: bool = False) -> Any:
    def one(state: Count) -> Count:
        return {"steps": ["one"]}

    def two(state: Count) -> Count:
        return {"steps": [str(interrupt("Go on?"))] if ask else ["two"]}

    builder = StateGraph(Count)
    builder.add_node("one", one)
    builder.add_node("two", two)
    builder.add_edge(START, "one")
    builder.add_edge("one", "two")
    builder.add_edge("two", END)
    return builder.compile(checkpointer=saver)


def _thread(name: str, **more: str) -> Any:
    return {"configurable": {"thread_id": name, **more}}


def _all(saver: StenogramSaver) -> list[CheckpointTuple]:
    return list(saver.list(None))


async def test_a_run_goes_on_in_another_process(gateway: Gateway) -> None:
    async with StenogramSaver(gateway.url, participant="graph") as first:
        await _graph(first, ask=True).ainvoke({"steps": ["zero"]}, _thread("trip"))
    async with StenogramSaver(gateway.url, participant="graph") as second:
        graph = _graph(second, ask=True)
        assert (await graph.aget_state(_thread("trip"))).next == ("two",)
        ended = await graph.ainvoke(Command(resume="yes"), _thread("trip"))
    assert ended["steps"] == ["zero", "one", "yes"]


async def test_it_waits_for_a_gateway_that_comes_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, held_port: int
) -> None:
    caplog.set_level(logging.ERROR, "stenogram.client")  # which says that it is not connected
    chosen: dict[str, Any] = {"log": str(tmp_path / "log.db"), "drain": 0.1, "views": "none", "views_in": "gateway"}
    async with running(Settings(port=held_port, **chosen)) as gateway:
        url = gateway.url
        saver = StenogramSaver(url, participant="graph")
        graph = _graph(saver)
        await graph.ainvoke({"steps": ["zero"]}, _thread("trip"))
    going_on = asyncio.create_task(graph.ainvoke({"steps": ["again"]}, _thread("trip")))
    await asyncio.sleep(0.5)
    assert not going_on.done()
    async with running(Settings(port=held_port, **chosen)):
        assert (await going_on)["steps"] == ["zero", "one", "two", "again", "one", "two"]
        await saver.aclose()


async def test_it_is_used_from_threads_and_loops(gateway: Gateway) -> None:
    async with StenogramSaver(gateway.url, participant="graph") as saver:
        graph = _graph(saver)

        def in_a_thread(n: int) -> Any:
            return graph.invoke({"steps": [str(n)]}, _thread(f"t-{n}"))

        def in_a_loop_of_its_own(n: int) -> Any:
            return asyncio.run(graph.ainvoke({"steps": [str(n)]}, _thread(f"t-{n}")))

        each = [asyncio.to_thread(in_a_thread, n) for n in range(3)]
        each += [asyncio.to_thread(in_a_loop_of_its_own, n) for n in range(3, 6)]
        ended = await asyncio.gather(*each, graph.ainvoke({"steps": ["6"]}, _thread("t-6")))
        assert [state["steps"] for state in ended] == [[str(n), "one", "two"] for n in range(7)]
        threads = {each.config["configurable"]["thread_id"] for each in await asyncio.to_thread(_all, saver)}
        assert threads == {f"t-{n}" for n in range(7)}


async def test_of_two_runs_on_one_thread_the_late_one_is_refused(gateway: Gateway) -> None:
    """Both begin with the same checkpoint, as two workers that got the same message do."""
    async with (
        StenogramSaver(gateway.url, participant="graph") as first,
        StenogramSaver(gateway.url, participant="graph") as second,
    ):
        await _graph(first).ainvoke({"steps": ["zero"]}, _thread("trip"))
        newest = await second.aget_tuple(_thread("trip"))
        assert newest is not None
        await _graph(first).ainvoke({"steps": ["again"]}, _thread("trip"))
        late = {**newest.checkpoint, "id": "ff" + newest.checkpoint["id"][2:]}
        with pytest.raises(Conflict, match="Another run has written to thread 'trip'"):
            await second.aput(newest.config, late, {}, {})  # type: ignore[arg-type]
        assert not [each async for each in second.alist(_thread("trip")) if each.checkpoint["id"].startswith("ff")]
        ended = await _graph(second).ainvoke({"steps": ["third"]}, _thread("trip"))
    assert ended["steps"] == ["zero", "one", "two", "again", "one", "two", "third", "one", "two"]


async def test_runs_race_and_none_is_lost_silently(gateway: Gateway) -> None:
    savers = [StenogramSaver(gateway.url, participant="graph") for _ in range(3)]

    async def run(n: int) -> int | None:
        try:
            await _graph(savers[n % 3]).ainvoke({"steps": [f"run-{n}"]}, _thread("trip"))
        except Conflict:
            return None
        return n

    ran = {n for n in await asyncio.gather(*map(run, range(9))) if n is not None}
    assert ran
    newest = await savers[0].aget_tuple(_thread("trip"))
    assert newest is not None
    kept = [each for each in newest.checkpoint["channel_values"]["steps"] if each.startswith("run-")]
    assert {f"run-{n}" for n in ran} <= set(kept)
    assert len(kept) == len(set(kept))
    for saver in savers:
        await saver.aclose()


async def test_an_older_checkpoint_is_gone_on_from_on_purpose(gateway: Gateway) -> None:
    async with StenogramSaver(gateway.url, participant="graph") as saver:
        graph = _graph(saver)
        await graph.ainvoke({"steps": ["zero"]}, _thread("trip"))
        history = [each async for each in graph.aget_state_history(_thread("trip"))]
        before_two = next(each for each in history if each.next == ("two",))
        again = await graph.ainvoke(None, before_two.config)
        assert again["steps"] == ["zero", "one", "two"]
        forked = await graph.aupdate_state(before_two.config, {"steps": ["changed"]})
        assert (await graph.ainvoke(None, forked))["steps"] == ["zero", "one", "changed", "two"]


async def test_deleting_and_copying_are_events(gateway: Gateway) -> None:
    async with StenogramSaver(gateway.url, participant="graph") as saver:
        graph = _graph(saver)
        await graph.ainvoke({"steps": ["zero"]}, _thread("trip"))
        await saver.acopy_thread("trip", "copy")
        ended = await graph.ainvoke({"steps": ["more"]}, _thread("copy"))
        assert ended["steps"] == ["zero", "one", "two", "more", "one", "two"]
        await saver.acopy_thread("trip", "copy")  # there already: added
        await saver.adelete_thread("trip")
        assert await saver.aget_tuple(_thread("trip")) is None
        assert (await graph.ainvoke({"steps": ["new"]}, _thread("trip")))["steps"] == ["new", "one", "two"]
    async with Client(gateway.url, participant="graph") as client:
        (forked,) = (await client.page("copy", types=["session.forked"])).events
        assert forked.data.model_dump()["origin"] == "trip"
        kinds = [event.type for event in (await client.page("trip", types=["x.langgraph.*"], limit=1_000)).events]
        assert kinds.count("x.langgraph.deleted") == 1
        assert kinds.count("x.langgraph.checkpoint") == 8


async def test_names_and_values_of_any_kind_and_size(gateway: Gateway) -> None:
    names = ["a/b c", "ü" * 300, "x" * 128, "__copilot__"]
    large = 'é"\\' * 100_000
    async with StenogramSaver(gateway.url, participant="graph") as saver:
        for name in names:
            await _graph(saver).ainvoke({"steps": [name, large]}, _thread(name))
    async with StenogramSaver(gateway.url, participant="graph") as saver:
        assert {each.config["configurable"]["thread_id"] async for each in saver.alist(None)} == set(names)
        for name in names:
            found = await saver.aget_tuple(_thread(name))
            assert found is not None
            assert found.checkpoint["channel_values"]["steps"] == [name, large, "one", "two"]


async def test_what_people_in_the_session_may_not_see(gateway: Gateway) -> None:
    async with StenogramSaver(gateway.url, participant="graph") as saver:
        await _graph(saver).ainvoke({"steps": ["secret"]}, _thread("trip"))
    async with Client(gateway.url, participant="maya", kind="user") as client:
        assert (await client.page("trip", types=["x.*"])).events == []


async def test_pruned_threads_keep_what_deltas_rest_on(gateway: Gateway) -> None:
    builder = StateGraph(Words)
    builder.add_node("more", _more)
    builder.add_edge(START, "more")
    async with StenogramSaver(gateway.url, participant="graph") as saver:
        graph = builder.compile(checkpointer=saver)
        for word in ("a", "b", "c"):
            await graph.ainvoke({"words": [word]}, _thread("trip"))
        whole = ["a", "more", "b", "more", "c", "more"]
        assert (await graph.aget_state(_thread("trip"))).values["words"] == whole
        await saver.aprune(["trip"])
        assert len([each async for each in saver.alist(_thread("trip"))]) == 1
        assert (await graph.aget_state(_thread("trip"))).values["words"] == whole
        assert (await asyncio.to_thread(graph.get_state, _thread("trip"))).values["words"] == whole


def test_a_synchronous_call_from_its_own_loop_is_refused() -> None:
    saver = StenogramSaver("http://127.0.0.1:1", participant="graph")

    async def call() -> None:
        saver.get_tuple(_thread("trip"))

    with pytest.raises(RuntimeError, match="wait for itself"):
        saver._background.run(call())
    saver.close()
