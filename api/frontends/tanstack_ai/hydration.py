"""What a page shows before it joins a run: what was said, the run under way, and what waits for an answer."""

from typing import Any

import orjson

from ....domain.audience import Viewer
from ....domain.state import State
from ...http.answer import HttpAnswer
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


def hydration(
    state: State, viewer: Viewer, messages: list[Members], runs: list[str], before: str | None, limit: int | None
) -> HydrationAnswer:
    """The answer, of the messages of a snapshot and of the runs under way."""
    shown = ui_messages(messages)
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


def ui_messages(messages: list[Members]) -> list[dict[str, Any]]:
    """AG-UI's messages in the form of that client: a thought is in the message behind it, a result in its call's."""
    made = list[dict[str, Any]]()
    thought: list[dict[str, Any]] = []
    for message in messages:
        if message["role"] == "reasoning":
            thought = [{"type": "thinking", "content": message["content"]}]
        elif message["role"] == "tool":
            _add_result(made, message)
        else:
            shown = {"id": message["id"], "role": message["role"], "parts": [*thought, *_parts(message)]}
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


def _add_result(made: list[dict[str, Any]], result: Members) -> None:
    for message in reversed(made):
        for part in message["parts"]:
            if part["type"] == "tool-call" and part["id"] == result["toolCallId"]:
                state = "error" if result.get("error") else "complete"
                about = {"toolCallId": result["toolCallId"], "content": result["content"], "state": state}
                part["output"] = _value(result["content"])
                message["parts"].append({"type": "tool-result", **about})
                return


def _value(text: str) -> Any:
    """What a result's text means: a value, or the text itself."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
