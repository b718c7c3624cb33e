"""Claude with two sub-agents, in place of the command that the SDK would start: what it would say, line by line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from claude_agent_sdk import Transport

from support.scripts import hung_up, words

SESSION = "5f1c0e9a-0000-4000-8000-000000000001"


class Scripted(Transport):
    """Answers the SDK's questions, and says what the script has when it is asked something. A number is a pause, and an
    event is waited for."""

    def __init__(self, script: list[Any]) -> None:
        self.script = script
        self.heard: list[Any] = []
        self.interrupted = False
        self._is_asked_no_more = False
        self._lines: asyncio.Queue[Any] = asyncio.Queue()
        self._saying: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """There is nothing to connect to."""

    async def write(self, data: str) -> None:
        """What the SDK asks."""
        said = json.loads(data)
        if said["type"] == "control_request":
            answer = {"subtype": "success", "request_id": said["request_id"], "response": {}}
            await self._lines.put({"type": "control_response", "response": answer})
            if said["request"]["subtype"] == "interrupt" and self._saying is not None:
                self.interrupted = True
                self._saying.cancel()
                await self._lines.put(result("", is_error=True, terminal_reason="aborted_streaming"))
        else:
            self.heard.append(said["message"]["content"])
            if self._saying is None:
                self._saying = asyncio.create_task(self._say())

    async def _say(self) -> None:
        for each in self.script:
            if isinstance(each, asyncio.Event):
                await each.wait()
            elif isinstance(each, float):
                await asyncio.sleep(each)
            else:
                await self._lines.put(each)
        if self._is_asked_no_more:
            await self._lines.put(None)

    async def read_messages(self) -> AsyncIterator[dict[str, Any]]:
        """What it says."""
        while (line := await self._lines.get()) is not None:
            if isinstance(line, BaseException):
                raise line
            yield line

    async def close(self) -> None:
        """It ends."""
        if self._saying is not None:
            self._saying.cancel()
        await self._lines.put(None)

    def is_ready(self) -> bool:
        """Always."""
        return True

    async def end_input(self) -> None:
        """Nothing more is asked, so it ends when all is said."""
        self._is_asked_no_more = True
        if self._saying is None or self._saying.done():
            await self._lines.put(None)


def result(text: str, **more: Any) -> dict[str, Any]:
    """The end of a turn."""
    known = {"duration_ms": 1, "duration_api_ms": 1, "is_error": False, "num_turns": 1, "session_id": SESSION}
    return {"type": "result", "subtype": "success", **known, "result": text, **more}


def says(id: str, blocks: list[Any], parent: str | None = None, pause: float = 0.0) -> list[Any]:
    """A message: in words that come one by one, and then whole."""
    lines: list[Any] = [_event({"type": "message_start", "message": {"id": id, "model": "claude-x"}}, parent)]
    for block in blocks:
        kind = {"text": "text_delta", "thinking": "thinking_delta"}.get(block["type"])
        for word in words(block[block["type"]]) if kind else ():
            delta = {"type": kind, block["type"]: word}
            lines += [_event({"type": "content_block_delta", "index": 0, "delta": delta}, parent), pause]
        message = {"id": id, "model": "claude-x", "role": "assistant", "content": [block]}
        usage = {"input_tokens": 7, "output_tokens": 3, "service_tier": "standard"}
        lines.append(_line("assistant", parent, message={**message, "usage": usage}))
    return lines


def returns(call: str, text: str, parent: str | None = None, is_error: bool = False, **more: Any) -> dict[str, Any]:
    """What a tool returned."""
    block = {"type": "tool_result", "tool_use_id": call, "content": text, "is_error": is_error}
    return _line("user", parent, message={"role": "user", "content": [block]}, **more)


def asks(parent: str, text: str) -> dict[str, Any]:
    """What a sub-agent is asked."""
    return _line("user", parent, message={"role": "user", "content": [{"type": "text", "text": text}]})


def uses(id: str, name: str, **input: Any) -> dict[str, Any]:
    """A call of a tool."""
    return {"type": "tool_use", "id": id, "name": name, "input": input}


def begins(call: str, agent: str) -> dict[str, Any]:
    """A sub-agent begins."""
    about = {"task_id": agent, "tool_use_id": call, "description": "?", "uuid": "u", "session_id": SESSION}
    return {"type": "system", "subtype": "task_started", **about}


def _event(event: dict[str, Any], parent: str | None) -> dict[str, Any]:
    return _line("stream_event", parent, event=event, uuid="u")


def _line(type: str, parent: str | None, **more: Any) -> dict[str, Any]:
    return {"type": type, "parent_tool_use_id": parent, "session_id": SESSION, **more}


def team(about: str = "Lisbon", pause: float = 0.0, fails_at: int | None = None) -> list[Any]:
    """What the three say."""
    last = says("m-9", [{"type": "text", "text": f"Dear Maya, Casa Azul in {about}."}], pause=pause)
    if fails_at is not None:
        last = [*last[: 1 + 2 * fails_at], 0.3, hung_up()]
    thinks = [
        {"type": "thinking", "thinking": "Who can do this?", "signature": "s"},
        {"type": "text", "text": "I ask."},
    ]
    return [
        {"type": "system", "subtype": "init", "session_id": SESSION},
        *says("m-1", [*thinks, uses("c-1", "Task", prompt=about)], pause=pause),
        begins("c-1", "a1"),
        asks("c-1", f"Find hotels in {about}."),
        *says("m-2", [uses("c-2", "WebSearch", query=about)], parent="c-1", pause=pause),
        returns("c-2", f"Casa Azul in {about}", parent="c-1"),
        *says("m-3", [{"type": "text", "text": f"Casa Azul in {about} is free."}], parent="c-1", pause=pause),
        returns("c-1", "free", tool_use_result={"agentId": "a1", "content": "free"}),
        *says("m-4", [uses("c-3", "Task", prompt="write")], pause=pause),
        begins("c-3", "a2"),
        *says("m-5", [{"type": "text", "text": f"Dear Maya, {about}."}], parent="c-3", pause=pause),
        returns("c-3", "written", tool_use_result={"agentId": "a2", "content": "written"}),
        *last,
        result(f"Dear Maya, Casa Azul in {about}."),
    ]
