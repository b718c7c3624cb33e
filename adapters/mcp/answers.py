"""What a tool answers: an object; with what its caller has to know by now; or why it was refused, and what to do."""

import functools
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec

import orjson
from mcp.types import CallToolResult, TextContent

from ...domain.errors import StenogramError
from .seat import Seat, Session

P = ParamSpec("P")
Result = dict[str, Any]
WHAT_TO_DO = {
    "fenced": "Stop this work now and discard it: it was taken from you. Call `look`, then `claim` again.",
    "conflict": "Somebody was quicker, or things have changed. Call `look` and decide again; do not just repeat it.",
    "paused": "People have paused this. Do nothing under it; call `read` with `wait` until it is resumed.",
    "session_closed": "The session is over. Stop, unless a person asks you to `join` it again with `reopen`.",
    "not_found": "Call `look` for what there is.",
    "no_change": "It is so already; go on.",
    "forbidden": "You may not do this. Ask a person, with `ask`.",
    "unauthenticated": "You cannot repair this. Tell the person who runs you.",
    "invalid": "Correct the arguments and call again.",
    "patch_failed": "Call `state` and make the patch anew.",
    "too_large": "Send less: put large things into files and name them.",
    "busy": "Wait a few seconds, then call again.",
    "overloaded": "Wait a few seconds, then call again.",
    "unreachable": "Nothing is known to have been done. Wait a few seconds, then call again.",
}
SIGNALS = {
    "cancel": "Stop this work now. Then call `answer_signal` to honour it, and leave the task alone.",
    "pause": "Do no more on this until a `resume` comes; call `answer_signal` to honour it, then `read` with `wait`.",
    "resume": "Go on, and call `answer_signal` to honour it.",
    "steer": "Take `body` as your new instruction from now on, and call `answer_signal` to honour it.",
    "reroute": "Others get this work. Stop it, and call `answer_signal` to honour it.",
}
LOST = (
    "You were silent for longer than your lease, so you counted as lost and your tasks went back to the board. You are "
    "in the session again; what you held is not yours any more. Call `look`, then `claim`."
)


def answering(tool: Callable[P, Awaitable[Result]]) -> Callable[P, Awaitable[CallToolResult]]:
    """A tool whose object is sent as JSON, and whose refusals are errors that a model can act on."""

    @functools.wraps(tool)
    async def call(*args: P.args, **kwargs: P.kwargs) -> CallToolResult:
        try:
            return _result(await tool(*args, **kwargs))
        except StenogramError as error:
            return _result(refusal(error), is_error=True)

    return call


def refusal(error: StenogramError) -> Result:
    """An error as an object: its code, what happened, what to do, and how things are."""
    advice = {"what_to_do": WHAT_TO_DO[error.code]} if error.code in WHAT_TO_DO else {}
    return {"code": error.code, "detail": error.detail, **advice, **error.extra}


async def with_news(seat: Seat, result: Result) -> Result:
    """A result with what has come up for its caller meanwhile."""
    session, lost = await seat.attend()
    return await add_news(seat, session, result, lost=lost)


async def add_news(seat: Seat, session: Session, result: Result, *, lost: bool = False) -> Result:
    """The same, where the session is at hand. Signals that are shown here are delivered."""
    news: Result = {"lost": LOST} if lost else {}
    me = seat.handle.participant
    signals = [each for each in session["open_signals"] if me in each["waiting"]]
    for each in signals:
        if each["waiting"][me] == "raised":
            await seat.unless_known("signal.deliver", {"signal": each["signal"]})
    stops = [_stop(each) for each in session["fences"] if each["participant"] == me]
    if signals or stops:
        shown = {each["signal"] for each in stops}
        news["signals"] = [*stops, *(_signal(each) for each in signals if each["signal"] not in shown)]
    asked = [each for each in session["open_approvals"] if _asks(each, me)]
    if asked:
        news["questions"] = [{name: each[name] for name in ("approval", "question", "options")} for each in asked]
    return {**news, **result}


def _asks(approval: dict[str, Any], me: str) -> bool:
    """Whether an agent is asked: by name, or among all of them."""
    return approval["requester"] != me and not {me, "agents"}.isdisjoint(approval["of"] or ())


def _signal(signal: dict[str, Any]) -> Result:
    shown = {"signal": signal["signal"], "kind": signal["kind"], "target": signal["target"], "from": signal["raiser"]}
    body = {} if signal["body"] is None else {"body": signal["body"]}
    return {**shown, **body, "what_to_do": SIGNALS[signal["kind"]]}


def _stop(fence: dict[str, Any]) -> Result:
    """A cancel whose grace has run out."""
    return {"signal": fence["signal"], "kind": "cancel", "overdue": True, "what_to_do": SIGNALS["cancel"]}


def _result(said: Result, *, is_error: bool = False) -> CallToolResult:
    text = orjson.dumps(said, option=orjson.OPT_NON_STR_KEYS).decode()
    return CallToolResult(content=[TextContent(text=text)], structured_content=said, is_error=is_error)
