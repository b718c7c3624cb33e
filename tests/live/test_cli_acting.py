"""The command line acts in a session: what a person does from a terminal reaches the agents, and what cannot be done
says what can."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import pytest

from stenogram.cli.main import run
from stenogram.client import Agent, Client

if TYPE_CHECKING:
    from stenogram.api.server import Gateway


class Said(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The object on its one line."""
        (line,) = self.out.splitlines()
        return orjson.loads(line)


Do = Callable[..., Coroutine[Any, Any, Said]]


@pytest.fixture
async def do(start: Callable[..., Awaitable[Gateway]], capfd: pytest.CaptureFixture[str], monkeypatch: Any) -> Do:
    """Runs a command line as the user maya, with a gateway that keeps views."""
    gateway = await start(views="")
    monkeypatch.setenv("STENOGRAM_LOG", gateway.url)

    async def do(*arguments: str, stdin: str = "") -> Said:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        code = await asyncio.to_thread(run, list(arguments))
        sys.stdout.flush()
        return Said(code, *capfd.readouterr())

    assert (await do("open", "trip", "--title", "Lisbon in May", "--label", "stage=planning")).code == 0
    return do


@pytest.fixture
async def hotels(do: Do) -> AsyncIterator[Agent]:
    """The agent `hotels`, in the session."""
    url = os.environ["STENOGRAM_LOG"]
    async with Client(url, participant="hotels") as client, client.agent("Hotels", session="trip") as agent:
        yield agent


async def test_a_session_is_opened_closed_and_reopened(do: Do) -> None:
    shown = (await do("show", "trip", "--json")).json
    assert (shown["title"], shown["labels"]) == ("Lisbon in May", {"stage": "planning"})
    assert (await do("open", "trip")).err.startswith("stenogram: Session 'trip' exists already")
    assert (await do("close", "trip", "--reason", "Done.")).out == "Session trip is closed.\n"
    refused = await do("say", "trip", "Hello")
    assert refused.code == 1
    assert "`stenogram reopen trip --log http://127.0.0.1:" in refused.err
    assert (await do("reopen", "trip", "--json")).json["status"] == "open"
    assert (await do("reopen", "trip")).out == "Session trip is open.\n"
    assert (await do("say", "trip", "Hello")).code == 0


async def test_what_is_said_reaches_those_it_is_for(do: Do, hotels: Agent) -> None:
    posted = (await do("say", "trip", "With", "a", "view,", "please.", "--to", "hotels", "--as", "maya", "--json")).json
    piped = await do("say", "trip", "-", "--reply-to", posted["message"], stdin="one\ntwo\n")
    assert piped.out == f"Posted, as version {posted['version'] + 1} of trip.\n"
    said = [event async for event in hotels.session.events(types=["message.posted"], follow=False)]
    assert [(event.actor, event.audience, event.data.parts[0].text) for event in said[:1]] == [  # type: ignore[attr-defined]
        ("maya", ("hotels",), "With a view, please.")
    ]
    assert said[1].data.parts[0].text == "one\ntwo"  # type: ignore[attr-defined]
    assert said[1].data.reply_to == posted["message"]  # type: ignore[attr-defined]


async def test_a_question_is_answered(do: Do, hotels: Agent) -> None:
    assert (await do("answer", "trip", "yes")).err == "stenogram: No question is open in trip.\n"
    asking = asyncio.create_task(hotels.ask("Book it?"))
    await hotels.session.live.until(lambda: hotels.session.approvals.open)
    listed = await do("answer", "trip")
    id = hotels.session.approvals.open[0].id
    assert listed.out == f"{id[-6:]}  hotels asks: Book it?  [yes / no]\n"
    assert (await do("answer", "trip", "perhaps")).code == 1
    answered = await do("answer", "trip", "yes", "--comment", "The one with the view.")
    assert (answered.code, answered.out) == (0, "Answered yes. hotels had asked: Book it?\n")
    assert await asking == "yes"
    late = await do("answer", "trip", "no", "--question", id[-6:])
    assert (late.code, late.out) == (1, "Somebody was first, and yes holds. hotels had asked: Book it?\n")


async def test_one_of_several_questions_is_chosen_by_the_end_of_its_id(do: Do, hotels: Agent) -> None:
    schema = {"type": "object", "properties": {"nights": {"type": "integer"}}, "required": ["nights"]}
    first = asyncio.create_task(hotels.ask("Book it?"))
    await hotels.session.live.until(lambda: len(hotels.session.approvals.open) == 1)
    second = asyncio.create_task(hotels.ask_for("How long?", schema))
    await hotels.session.live.until(lambda: len(hotels.session.approvals.open) == 2)
    refused = await do("answer", "trip", "yes")
    assert "2 questions are open, say which by --question:" in refused.err
    id = hotels.session.approvals.open[1].id
    assert "asks: How long?" in refused.err
    assert (await do("answer", "trip", "--value", '{"nights": "x"}', "--question", id[-6:])).code == 1
    said = await do("answer", "trip", "--value", '{"nights": 3}', "--question", id[-6:], "--json")
    assert said.json["value"] == {"nights": 3}
    assert (await second).value == {"nights": 3}
    assert (await do("answer", "trip", "no")).code == 0
    assert await first == "no"


async def test_a_task_is_created_listed_and_waited_for(do: Do, hotels: Agent) -> None:
    async def work() -> None:
        async for task in hotels.tasks(accepts="hotel"):
            async with task:
                await task.complete({"hotel": "Casa Azul"})

    working = asyncio.create_task(work())
    made = (await do("task", "create", "trip", "Find a hotel", "--input", '{"kind": "hotel"}', "--wait", "--json")).json
    assert made["output"] == {"hotel": "Casa Azul"}
    again = await do("task", "create", "trip", "Fly", "--needs", made["task"][-6:], "--key", "fly", "--priority", "3")
    assert (await do("task", "create", "trip", "Fly", "--key", "fly")).out == again.out
    listed = (await do("task", "list", "trip")).out.splitlines()
    assert [line.split("\t")[:5] for line in listed] == [
        [made["task"], "completed", "hotels", "1", "Find a hotel"],
        [again.out.strip(), "open", "", "", "Fly"],
    ]
    (row,) = (await do("task", "list", "trip", "--status", "open", "--json")).out.splitlines()
    assert orjson.loads(row)["needs"] == [made["task"]]
    assert (await do("task", "create", "trip", "Fly", "--needs", "nothing")).code == 1
    assert (await do("task", "list", "trip", "--status", "failed")).err == "No tasks are failed in trip.\n"
    working.cancel()


async def test_work_is_interrupted(do: Do, hotels: Agent) -> None:
    id = await hotels.session.tasks.create("Find a hotel", "a hotel")
    heard: list[Any] = []

    async def work() -> None:
        async for task in hotels.tasks():
            async with task:
                async for instruction in task.steer:
                    heard.append(instruction)

    working = asyncio.create_task(work())
    await hotels.session.live.until(lambda: hotels.session.tasks.known[id].status == "claimed")
    target = f"task:{id[-6:]}"
    assert (await do("steer", "trip", target, "With", "a", "view.", "--wait")).out == f"Done: steer of task:{id}.\n"
    assert heard == ["With a view."]
    paused = (await do("pause", "trip", "agent:hotels", "--json")).json
    assert (paused["kind"], paused["status"]) == ("pause", "open")
    await hotels.session.live.until(lambda: hotels.session.live.state.signals.paused)
    assert (await do("resume", "trip", "--wait")).code == 0
    rerouted = await do("reroute", "trip", target, "--to", "rooms", "--input", '{"city": "Porto"}')
    assert rerouted.out == f"Done: reroute of task:{id}.\n"
    await hotels.session.live.until(lambda: hotels.session.tasks.known[id].assignee == "rooms")
    assert hotels.session.tasks.known[id].input == {"city": "Porto"}
    assert (await do("stop", "trip", target)).out == f"Done: cancel of task:{id}.\n"
    await hotels.session.live.until(lambda: hotels.session.tasks.known[id].status == "cancelled")
    working.cancel()


async def test_a_message_is_stopped_by_the_end_of_its_id(do: Do, hotels: Agent) -> None:
    async with hotels.say() as message:
        await message.write("Casa")
        stopping = asyncio.create_task(do("stop", "trip", f"message:{message.id[-8:]}"))
        await asyncio.sleep(30)
    assert (await stopping).out == f"Done: cancel of message:{message.id}.\n"


async def test_who_does_not_answer_in_time_is_fenced(do: Do, hotels: Agent) -> None:
    await hotels.session.do("task.create", {"task": "t-1", "title": "Fly"})
    await hotels.session.do("task.claim", {"task": "t-1"})
    said = await do("stop", "trip", "task:t-1", "--grace", "0")
    assert said.code == 0
    assert said.out.startswith("Done: cancel of task:t-1.")


async def test_the_shared_state_is_read_and_written(do: Do) -> None:
    assert (await do("state", "set", "trip", "/hotel/name", "Casa Azul")).out.startswith(
        "/hotel/name is set, as version"
    )
    await do("state", "set", "trip", "/hotel/nights", "3")
    await do("state", "set", "trip", "/hotel/code", "3", "--text")
    await do("state", "set", "trip", "/list", "[1, 2]")
    await do("state", "set", "trip", "/list/-", "-", stdin='{"three": 3}\n')
    shown = await do("state", "get", "trip", "--json")
    assert shown.json == {"hotel": {"name": "Casa Azul", "nights": 3, "code": "3"}, "list": [1, 2, {"three": 3}]}
    assert (await do("state", "get", "trip", "/list/2/three")).out == "3\n"
    assert (await do("state", "set", "trip", "/hotel", "--remove", "--json")).json["path"] == "/hotel"
    gone = await do("state", "get", "trip", "/hotel")
    assert (gone.code, gone.err) == (1, "stenogram: There is nothing at /hotel in the shared state.\n")
    conflict = await do("state", "set", "trip", "/list", "0", "--if-unchanged", "1")
    assert conflict.code == 1
    assert "/list" in conflict.err


async def test_what_is_written_at_once_to_one_place_that_is_not_there_yet_is_all_there(do: Do) -> None:
    names = [f"n{number}" for number in range(6)]
    command = [sys.executable, "-m", "stenogram", "state", "set", "trip"]
    started = [
        await asyncio.create_subprocess_exec(*command, f"/deep/er/{name}", "1", stdout=subprocess.DEVNULL)
        for name in names
    ]
    assert [await each.wait() for each in started] == [0] * 6
    assert (await do("state", "get", "trip", "/deep/er", "--json")).json == dict.fromkeys(names, 1)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("say", "other", "Hello"), 1, "`stenogram open other --log http"),
        (
            ("say", "trip", "Hello", "--log", "team.db"),
            2,
            "needs the gateway that serves the log, not the log itself (team",
        ),
        (("say", "trip", "Hello", "--as", "a b"), 2, "'a b' is no participant id"),
        (("say", "trip", "Hello", "--token", "x"), 1, "runs open and has no keys"),
        (("say", "trip", "-"), 2, "There is nothing to say."),
        (("say", "trip", "Hello", "--to", "a b"), 2, "'a b' is no participant id: those are 1 to 128 of"),
        (("say", "trip", "Hello", "--to", "user"), 1, "did you mean 'users'?"),
        (("task", "create", "trip", "Fly", "--assignee", "@ben"), 2, "'@ben' is no participant id"),
        (("task", "create", "trip", "Fly", "--key", "a b"), 2, "'a b' is no key"),
        (("stop", "trip", "hotels"), 2, "that is session, agent:NAME, task:ID or message:ID"),
        (("stop", "trip", "task:none"), 1, "There is no task 'none'."),
        (("state", "set", "trip", "/a"), 2, "Give a VALUE, or --remove."),
        (("state", "set", "trip", "/a", "{1"), 2, "is not JSON"),
        (("state", "set", "trip", "a", "1"), 2, "'a' is no path: that begins with /"),
        (("task", "list", "other"), 1, "There is no session 'other'."),
        (("open", "new", "--label", "stage"), 2, "it looks like stage=planning"),
        (("answer", "trip", "yes", "--question", "zz"), 1, "There is no question 'zz' in trip"),
        (("view", "trip", "nix"), 1, "The gateway serves no view 'nix'; it serves"),
        (("view", "tasks", "trip"), 1, "The session comes first: stenogram view trip tasks."),
        (("view", "other", "state"), 1, "There is no session 'other'."),
    ],
)
async def test_what_cannot_be_done_says_what_can(do: Do, arguments: tuple[str, ...], code: int, says: str) -> None:
    said = await do(*arguments)
    assert (said.code, said.out) == (code, "")
    assert says in said.err
    assert said.err.count("stenogram: ") <= 1


async def test_a_gateway_that_is_not_there_is_named_once(
    do: Do, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    monkeypatch.setattr("stenogram.cli.acting.gateway.CONNECT_TIMEOUT_S", 3)
    said = await do("say", "trip", "Hello", "--log", f"http://127.0.0.1:{unused_tcp_port}")
    assert said == (1, "", f"stenogram: http://127.0.0.1:{unused_tcp_port} cannot be reached: Connection refused.\n")


async def test_a_view_of_ones_own_is_read_where_it_is_served(
    start: Callable[..., Awaitable[Gateway]], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    gateway = await start(views="", projections=("custom_views:all_of_them",), port=0)
    async with Client(gateway.url, participant="ada") as client, client.session("trip") as session:
        await session.post("Hello @ben")
    assert await asyncio.to_thread(run, ["view", "trip", "mentions", "--json", "--log", gateway.url]) == 0
    row = orjson.loads(capfd.readouterr().out)
    assert (row["name"], row["times"]) == ("ben", 1)
    assert await asyncio.to_thread(run, ["view", "ada", "words", "--json", "--log", gateway.url]) == 0
    assert orjson.loads(capfd.readouterr().out) == {"words": 2}
    assert await asyncio.to_thread(run, ["view", "ben", "words", "--log", gateway.url]) == 1
    assert capfd.readouterr().err == "stenogram: The view words holds nothing under 'ben'.\n"


def test_completion_is_there_for_each_shell(capfd: pytest.CaptureFixture[str]) -> None:
    for shell, calls in (("bash", "bash_complete"), ("zsh", "zsh_complete"), ("fish", "fish_complete")):
        assert run(["completion", shell]) == 0
        assert f"_STENOGRAM_COMPLETE={calls}" in capfd.readouterr().out


async def test_completion_offers_sessions(do: Do) -> None:
    async def offered(*words: str) -> list[str]:
        asked = {
            "COMP_WORDS": " ".join(words),
            "COMP_CWORD": str(len(words) - 1),
            "_STENOGRAM_COMPLETE": "bash_complete",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "from stenogram.cli.main import main; main()",
            env={**os.environ, **asked}, stdout=subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate()
        return out.decode().split()

    async with asyncio.timeout(40):  # a machine under load is not quick enough for who presses Tab
        while (found := await offered("stenogram", "say", "tr")) == []:
            pass
    assert found == ["plain,trip"]
    assert await offered("stenogram", "say", "--log", "nowhere.db", "tr") == []
    assert {"plain,stop", "plain,state", "plain,steer"} <= set(await offered("stenogram", "st"))
