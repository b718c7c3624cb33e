"""What a page shows before it joins a run: what was said, the run under way, and what waits for an answer."""

from typing import Any, NamedTuple

from ....domain.audience import Viewer
from ....domain.errors import Invalid
from ....domain.json.checks import MAX_DEPTH
from ....domain.state import State
from ....projections.runner.time_slices import slices
from ...http.answer import HttpAnswer
from ...protocol.json_input import read_json
from ..ag_ui.endings import interrupt
from ..envelopes import Members
from ..turn import RUN, is_run, root_of, waiting_for
from .translation import answerable


class HydrationAnswer(HttpAnswer):
    """A thread as it is. `page` says whether there is more in front of the messages, and the `cursor` to get it by."""

    messages: list[dict[str, Any]]
    activeRun: dict[str, str] | None
    interrupts: dict[str, Any] | None
    page: dict[str, Any]


class Called(NamedTuple):
    """A call among the parts of its message."""

    parts: list[dict[str, Any]]
    part: dict[str, Any]


async def hydration(
    state: State, viewer: Viewer, messages: list[Members], runs: list[str], before: str | None, limit: int | None
) -> HydrationAnswer:
    """The answer, of the messages of a snapshot and of the runs under way."""
    shown = await ui_messages(messages)
    ids = [each["id"] for each in shown]
    if before is not None:
        shown = shown[: ids.index(before)] if before in ids else []
    first = 0 if limit is None else max(0, len(shown) - limit)
    asked = waiting_for(state, viewer)
    run = next((root for each in asked if is_run(root := root_of(state, each.task))), None)
    pending = [answerable(interrupt(each)) for each in asked if root_of(state, each.task) == run]
    return HydrationAnswer(
        messages=shown[first:],
        activeRun={"runId": runs[-1].removeprefix(RUN)} if runs else None,
        interrupts={"runId": run.removeprefix(RUN), "pending": pending} if run else None,
        page={"truncated": True, "cursor": shown[first]["id"]} if first else {"truncated": False},
    )


async def ui_messages(messages: list[Members]) -> list[dict[str, Any]]:
    """AG-UI's messages in the form of that client: a thought is in the message behind it, a result in its call's; made
    a little at a time, since other clients wait."""
    made, calls = list[dict[str, Any]](), dict[str, Called]()
    thought: list[dict[str, Any]] = []
    async for few in slices(messages):
        for message in few:
            if message["role"] == "reasoning":
                thought = [{"type": "thinking", "content": message["content"]}]
            elif message["role"] == "tool":
                _add_result(calls, message)
            else:
                parts = [*thought, *_parts(message)]
                calls |= {part["id"]: Called(parts, part) for part in parts if part["type"] == "tool-call"}
                shown = {"id": message["id"], "role": message["role"], "parts": parts}
                made.append({**shown, "metadata": message.get("metadata", {})})
                thought = []
    return made


def _parts(message: Members) -> list[dict[str, Any]]:
    content = message.get("content") or ""
    texts = [content] if isinstance(content, str) else [each.get("text", "") for each in content if "text" in each]
    made = [{"type": "text", "content": each} for each in texts if each]
    for call in message.get("toolCalls", ()):
        about = call["function"]
        named = {"id": call["id"], "name": about["name"], "arguments": about["arguments"]}
        made.append({"type": "tool-call", **named, "state": "input-complete"})
    return made


def _add_result(calls: dict[str, Called], result: Members) -> None:
    called = calls.get(result["toolCallId"])
    if called is not None:
        state = "error" if result.get("error") else "complete"
        about = {"toolCallId": result["toolCallId"], "content": result["content"], "state": state}
        called.part["output"] = _value(result["content"])
        called.parts.append({"type": "tool-result", **about})


def _value(text: str) -> Any:
    """What a result's text means: a value, or the text itself, also where that is nested too deeply to be written."""
    try:
        return read_json(text.encode(), MAX_DEPTH)
    except Invalid:
        return text
