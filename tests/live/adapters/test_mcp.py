"""MCP clients take part in sessions: the SDK's own client over each transport, at a running gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from mcp import Client as McpClient
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS
from support.mcp_models import TRANSPORTS, model, over_http, over_http_2025

from stenogram.client import Client

if TYPE_CHECKING:
    from stenogram.api.server import Gateway


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_client_takes_part(board: Gateway, transport: str) -> None:
    async with model(board.url, "claude-1", transport, session=None) as claude:
        joined = await claude.join(name="Claude", title="The website")
        assert joined["title"] == "The website"
        assert [each["name"] for each in joined["present"]] == ["Claude"]
        plan = [{"title": "Write", "task": "write", "input": {"page": 1}}, {"title": "Check", "needs": ["write"]}]
        await claude.call("create_tasks", tasks=plan)
        writing = (await claude.call("claim"))["claimed"]
        assert (writing["title"], writing["input"], writing["attempt"]) == ("Write", {"page": 1}, 1)
        await claude.call("progress", writing["handle"], note="Half of it.", share=0.5)
        await claude.call("say", writing["handle"], text="The page is **short**.", progress=True)
        await claude.call("complete", writing["handle"], output={"words": 12})
        checking = (await claude.call("claim"))["claimed"]
        assert (checking["title"], checking["results"]) == ("Check", {"write": {"words": 12}})
        await claude.call("release", checking["handle"], reason="No time.")
        read = await claude.call("read", types=["task.*", "message.*"])
        assert [each["type"] for each in read["events"]] == [
            *("task.created", "task.created", "task.claimed", "task.progressed", "message.posted"),
            *("task.completed", "task.claimed", "task.released"),
        ]
        assert {each["by"] for each in read["events"]} == {"claude-1"}
        assert read["events"][4]["task"] == "write"
        assert await claude.call("leave") == {"left": "web"}
    assert not (await _shown(board))["participants"][0]["present"]


async def test_what_others_do_is_waited_for(board: Gateway) -> None:
    async with model(board.url, "claude-1") as first, model(board.url, "claude-2") as second:
        claiming = asyncio.create_task(first.call("claim", wait=20))
        await asyncio.sleep(0.1)
        await second.call("create_tasks", tasks=[{"title": "Write"}])
        claimed = (await claiming)["claimed"]
        assert claimed["title"] == "Write"
        version = (await second.call("look"))["version"]
        reading = asyncio.create_task(second.call("read", after=version, wait=20))
        await asyncio.sleep(0.1)
        await first.call("complete", claimed["handle"], output="done")
        events = (await reading)["events"]
        assert [(each["type"], each["output"]) for each in events] == [("task.completed", "done")]
        assert await second.call("claim", wait=0.2) == {
            "claimed": None,
            "board": {"open": 0, "claimed": 0, "completed": 1, "failed": 0, "cancelled": 0},
        }


async def test_the_most_urgent_that_can_be_claimed_comes_first(board: Gateway) -> None:
    async with model(board.url, "claude-1") as claude:
        tasks: list[dict[str, Any]] = [
            {"title": "later", "task": "a"},
            {"title": "for another", "assignee": "maya", "priority": 9},
            {"title": "not yet", "needs": ["a"], "priority": 9},
            {"title": "first", "priority": 5},
            {"title": "mine", "assignee": "claude-1", "priority": 3},
        ]
        await claude.call("create_tasks", tasks=tasks)
        order = [(await claude.call("claim"))["claimed"]["title"] for _ in range(3)]
        assert order == ["first", "mine", "later"]
        assert (await claude.call("claim"))["claimed"] is None


async def test_a_stale_attempt_is_fenced(board: Gateway) -> None:
    async with model(board.url, "claude-1") as first, model(board.url, "claude-2") as second:
        await first.call("create_tasks", tasks=[{"title": "Write", "task": "t"}])
        stale = (await first.call("claim"))["claimed"]["handle"]
        held = await second.refused("claim", task="t")
        assert (held["code"], held["owner"]) == ("conflict", "claude-1")
        await first.call("release", stale)
        claimed = (await second.call("claim", task="t"))["claimed"]
        assert claimed["attempt"] == 2
        for tool, arguments in (
            ("progress", {"note": "still at it"}),
            ("say", {"text": "from the past"}),
            ("patch_state", {"merge": {"x": 1}}),
            ("complete", {"output": "mine"}),
        ):
            fenced = await first.refused(tool, stale, **arguments)
            assert (fenced["code"], fenced["owner"]) == ("fenced", "claude-2")
            assert "Stop" in fenced["what_to_do"]
        await second.call("complete", claimed["handle"], output="theirs")


@pytest.mark.parametrize(
    "handle",
    ["", "web", "web/claude-1", "web/claude-1/x/t", "web/claude-1/x/t/0", "web/../x", "/".join("abcdef"), "é/b/c"],
)
async def test_what_is_no_handle_is_refused(board: Gateway, handle: str) -> None:
    async with over_http(board.url, "claude-1") as client:
        refused = await client.call_tool("look", {"handle": handle})
        assert refused.is_error
        assert refused.structured_content is not None
        assert refused.structured_content["code"] == "invalid"


async def test_handles_are_used_for_what_they_are(board: Gateway) -> None:
    async with model(board.url, "claude-1") as first, model(board.url, "claude-2") as second:
        assert (await second.refused("look", first.handle))["code"] == "forbidden"
        assert "claim" in (await first.refused("complete", output=1))["detail"]
        assert (await first.refused("look", "elsewhere/claude-1/x"))["code"] == "not_found"


async def test_the_shared_state_loses_nothing(board: Gateway) -> None:
    async with model(board.url, "claude-1") as first, model(board.url, "claude-2") as second:
        assert (await first.call("state", path="/plan"))["exists"] is False
        version = (await first.call("patch_state", merge={"plan": {"api": "rest"}}))["version"]
        assert (await first.call("state", path="/plan"))["value"] == {"api": "rest"}
        await second.call(
            "patch_state", patch=[{"op": "add", "path": "/plan/db", "value": "pg"}], if_unchanged={"/plan": version}
        )
        stale = await first.refused("patch_state", merge={"plan": {"api": "graphql"}}, if_unchanged={"/plan": version})
        assert (stale["code"], stale["value"]) == ("conflict", {"api": "rest", "db": "pg"})
        same = await first.call("patch_state", merge={"plan": {"api": "rest"}})
        assert same == {"changed": False}
        assert (await first.refused("patch_state"))["code"] == "invalid"


async def test_people_answer_and_interrupt(board: Gateway) -> None:
    async with (
        model(board.url, "claude-1") as claude,
        Client(board.url, participant="maya", kind="user") as client,
        client.session("web") as maya,
    ):
        asking = asyncio.create_task(claude.call("ask", question="Deploy?", options=["yes", "no"], wait=20))
        approval = (await maya.approvals.next()).id
        assert maya.present["claude-1"].status in ("idle", "waiting-for-human")
        await maya.approvals.answer(approval, "yes", comment="Go.")
        assert await asking == {
            "approval": approval,
            "status": "answered",
            "by": "maya",
            "option": "yes",
            "comment": "Go.",
        }
        late = await claude.call("ask", question="And now?", wait=0)
        assert late["status"] == "open"
        await maya.approvals.answer(late["approval"], "no")
        assert (await claude.call("answered", approval=late["approval"]))["option"] == "no"

        await claude.call("create_tasks", tasks=[{"title": "Write", "task": "t"}])
        handle = (await claude.call("claim"))["claimed"]["handle"]
        steer = await maya.signals.steer("task:t", "In Portuguese.")
        (seen,) = (await claude.call("progress", handle, note="on it"))["signals"]
        assert (seen["signal"], seen["from"], seen["body"]) == (steer, "maya", "In Portuguese.")
        await maya.live.until(lambda: maya.live.state.signals.known[steer].waiting["claude-1"])  # it was delivered
        assert "signals" not in await claude.call("answer_signal", signal=steer)
        assert (await maya.signals.settled(steer)).status == "closed"

        cancel = await maya.signals.cancel("task:t")
        (seen,) = (await claude.call("look"))["signals"]
        assert (seen["kind"], seen["signal"]) == ("cancel", cancel)
        await claude.call("answer_signal", signal=cancel)
        assert (await claude.refused("complete", handle, output=1))["code"] == "fenced"


async def test_a_stop_that_was_not_seen_in_time_holds_until_it_is_honoured(board: Gateway) -> None:
    async with (
        model(board.url, "claude-1") as claude,
        Client(board.url, participant="maya", kind="user") as client,
        client.session("web") as maya,
    ):
        cancel = await maya.signals.cancel("agent:claude-1", grace=0)
        assert (await claude.refused("say", text="Still at it."))["code"] == "fenced"
        (seen,) = (await claude.call("look"))["signals"]
        assert (seen["signal"], seen["kind"]) == (cancel, "cancel")
        assert "signals" not in await claude.call("answer_signal", signal=cancel)
        await claude.call("say", text="I have stopped.")


async def test_agents_interrupt_and_answer_each_other(board: Gateway) -> None:
    async with model(board.url, "lead") as lead, model(board.url, "claude-1") as claude:
        asked = await claude.call("ask", question="Which?", options=["a", "b"], of=["lead"], wait=0)
        (question,) = (await lead.call("look"))["questions"]
        assert question["question"] == "Which?"
        assert (await lead.call("answer", approval=question["approval"], option="b"))["option"] == "b"
        assert (await claude.call("answered", approval=asked["approval"]))["option"] == "b"
        await lead.call("raise_signal", kind="pause", target="agent:claude-1")
        (seen,) = (await claude.call("look"))["signals"]
        await claude.call("answer_signal", signal=seen["signal"], answer="refuse", reason="Nearly done.")
        refused = (await lead.call("read", types=["signal.refused"]))["events"]
        assert [each["reason"] for each in refused] == ["Nearly done."]


async def test_a_closed_session_says_so(board: Gateway) -> None:
    async with model(board.url, "claude-1") as claude, Client(board.url, participant="maya", kind="user") as client:
        await client.do("web", "session.close", {})
        assert (await claude.refused("say", text="Hello?"))["code"] == "session_closed"
        assert (await claude.refused("join", session="web"))["code"] == "session_closed"
        await claude.join(reopen=True)
        await claude.call("say", text="Hello again.")


async def test_resources_show_sessions(board: Gateway) -> None:
    async with model(board.url, "claude-1") as claude:
        await claude.call("say", text="Shall I?")
        await claude.call("create_tasks", tasks=[{"title": "Write", "task": "t"}])
        read = claude.client.read_resource
        texts = {
            what: (await read(f"stenogram://sessions{what}")).contents[0].model_dump()["text"]
            for what in ("", "/web", "/web/transcript", "/web/board")
        }
        assert '"session":"web"' in texts[""]
        assert '"status":"open"' in texts["/web"]
        assert "**claude-1**" in texts["/web/transcript"]
        assert texts["/web/transcript"].endswith("): Shall I?")
        assert texts["/web/board"] == '[{"task":"t","title":"Write","status":"open"}]'
        with pytest.raises(Exception, match="not_found"):
            await read("stenogram://sessions/nowhere/transcript")


@pytest.mark.parametrize("over", [over_http, over_http_2025])
async def test_what_needs_no_template_is_listed_and_there_are_no_prompts(
    board: Gateway, over: Callable[[str, str], McpClient]
) -> None:
    async with over(board.url, "claude-1") as client:
        (listed,) = (await client.list_resources()).resources
        assert (await client.read_resource(str(listed.uri))).contents
        assert (await client.list_prompts()).prompts == []
        with pytest.raises(MCPError, match="Unknown prompt: plan") as refused:
            await client.get_prompt("plan")
    assert refused.value.code == INVALID_PARAMS


async def test_a_long_history_is_read_in_pieces(board: Gateway) -> None:
    async with model(board.url, "claude-1") as claude:
        for text in ("a" * 30_000, "b" * 30_000, "c" * 90_000):
            await claude.call("say", text=text)
        said, after, more = list[str](), 0, True
        while more:
            read = await claude.call("read", types=["message.*"], after=after)
            assert len(str(read)) < 50_000
            said += [each["parts"][0]["text"][0] if "parts" in each else each["cut"][-1] for each in read["events"]]
            after, more = read["version"], read["more"]
        assert said == ["a", "b", "c"]


async def test_an_overview_of_much_is_short(board: Gateway) -> None:
    async with model(board.url, "claude-1") as claude:
        await claude.call("patch_state", merge={"plan": "x" * 100_000})
        tasks = [{"title": f"Task {n} " + "x" * 100, "task": f"t-{n}"} for n in range(100)]
        await claude.call("create_tasks", tasks=tasks)
        for look in (await claude.call("look"), await claude.join()):
            assert len(str(look)) < 20_000
            assert [each["task"] for each in look["tasks"]] == [f"t-{n}" for n in range(len(look["tasks"]))]
            assert look["more"] == {"tasks": 100 - len(look["tasks"])}
            assert "state" not in look
            assert "100011 characters" in look["state_left_out"]
        assert (await claude.call("state", path="/plan"))["value"] == "x" * 100_000


async def _shown(gateway: Gateway) -> dict[str, Any]:
    async with Client(gateway.url, participant="maya", kind="user") as client:
        return await client.show("web")
