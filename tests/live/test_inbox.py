"""Messages of commands are handled as they are parsed, without waking the task that serves the connection; and in the
order in which they came all the same."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import pytest
from aiohttp import web
from support.wire import Wire

from stenogram.api.transport.inbox import InboxResponse
from stenogram.api.transport.websocket_connection import WebSocketConnection

Open = Callable[..., Awaitable[Wire]]
HEARTBEAT = {"frame": "heartbeat"}


def command(id: str, do: str, session: str = "s", **data: Any) -> dict[str, Any]:
    return {"frame": "command", "id": id, "session": session, "do": do, "data": data}


def refuse_to(*_: object) -> NoReturn:
    raise AssertionError("this was to be done without it")


async def test_a_message_of_commands_wakes_no_task(connect: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = await connect()
    monkeypatch.setattr(WebSocketConnection, "_handle_message", refuse_to)
    await wire.send(command("c1", "session.open"))
    await wire.send(command("c2", "message.post", message="m", text="one"), command("c3", "session.close"))
    await wire.until(lambda: "c3" in wire.answers)
    assert [wire.answers[id]["versions"] for id in ("c1", "c2", "c3")] == [[1], [2], [3]]


async def test_without_what_it_leans_on_the_task_does_it(connect: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InboxResponse, "_post_start", web.WebSocketResponse._post_start)
    monkeypatch.setattr(WebSocketConnection, "_try_handle", refuse_to)
    wire = await connect()
    assert (await wire.command("s", "session.open", {}))["versions"] == [1]


async def test_what_comes_behind_a_message_that_must_wait_waits_too(connect: Open) -> None:
    wire = await connect()
    sessions = [f"s-{number}" for number in range(50)]
    for session in sessions:  # the first of the two is not taken at once, because of its heartbeat
        await wire.send(HEARTBEAT, command(f"{session}-1", "session.open", session))
        await wire.send(command(f"{session}-2", "message.post", session, message="m", text="one"))
        await wire.send(command(f"{session}-3", "session.close", session))
    await wire.until(lambda: len(wire.answers) == 150)
    assert {tuple(answer.get("versions", ())) for answer in wire.answers.values()} == {(1,), (2,), (3,)}
    assert len(wire.frames) == len(sessions)


async def test_a_fault_at_a_command_is_told_to_the_client_and_logged(
    connect: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wire = await connect()
    monkeypatch.setattr("stenogram.api.transport.websocket_connection.parse_command_frame", refuse_to)
    await wire.send(command("c1", "session.open"))
    closed = await wire.closed()
    assert (closed.code, closed.bye and closed.bye["code"]) == (4000, "server_error")
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
        "a connection of hotels failed"
    ]
    caplog.clear()
