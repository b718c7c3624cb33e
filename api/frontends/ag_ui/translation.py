"""One event of a session, as AG-UI events. Pure: the same for every viewer who sees it.

Who speaks under a run's task is the run's agent, and has no subagent of its own; other agents are subagents, under
their ids. Ids of what has none here contain a slash, which no id of a session does.
"""

from typing import Any

from ....domain.foreign.ag_ui_writer import KEPT
from ....domain.parts import StreamedKind
from ..envelopes import KindOf, Members, arguments_text, envelope, milliseconds, result_text, role_of, shown_id, text_in
from ..speech_fold import EventFact
from ..turn import is_run
from . import OURS

AgUiEvent = dict[str, Any]
PART = "ag_ui.part"
"""The name of a data part that is a part of a user's message in AG-UI's form."""
_PRESENCE = ("status", "activity", "until", "reason")
_STEPS = {
    "claimed": "claimed",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
    "released": "open",
    "blocked": "blocked",
    "ready": "open",
}


def ag_ui_events(members: Members, fact: EventFact, kind: KindOf) -> list[AgUiEvent]:
    """What an event is in AG-UI; `kind` tells what a participant is."""
    concept, _, step = members["type"].partition(".")
    translate = _CONCEPTS.get(concept)
    return [custom(members)] if translate is None else translate(members, step, fact, kind)


def custom(members: Members) -> AgUiEvent:
    """An event for which AG-UI has none: under its own name, as it is."""
    type = str(members["type"])
    return {
        "type": "CUSTOM",
        "name": type if type.startswith(("x.", "app.")) else f"{OURS}.{type}",
        "value": members["data"],
        "timestamp": milliseconds(members["time"]),
        "metadata": {OURS: envelope(members)},
    }


def _kept(members: Members, _: str, __: EventFact, ___: KindOf) -> list[AgUiEvent]:
    """What was published in AG-UI comes back as it was; where it is not of that form, as an application's own event."""
    type, data = str(members["type"]).removeprefix(KEPT).upper(), members["data"]
    wanted = _FORMS.get(type) if members["type"].startswith(KEPT) else None
    if wanted is None or not all(isinstance(data.get(name), form) for name, form in wanted.items()):
        return [custom(members)]
    return [{**data, "type": type, "metadata": {**(data.get("metadata") or {}), OURS: envelope(members)}}]


def subagent(members: Members, role: str) -> Members:
    """Whose event it is."""
    return {} if role == "user" or is_run(members.get("task")) else {"subagentRunId": members["actor"]}


def reasoning_id(message: str) -> str:
    """The id of what is thought for a message."""
    return f"{message}/reasoning"


def started(members: Members, id: str, streamed: StreamedKind, role: str, *more: str) -> list[AgUiEvent]:
    """The beginning of a message's text, or of what is thought for it."""
    whose, about = subagent(members, role), {OURS: envelope(members, *more)}
    if streamed == "reasoning":
        thought = {"messageId": reasoning_id(id), **whose}
        return [
            {"type": "REASONING_START", **thought},
            {"type": "REASONING_MESSAGE_START", "role": "reasoning", **thought, "metadata": about},
        ]
    said = {"messageId": id, "role": role, "name": members["actor"], **whose}
    time = {"timestamp": milliseconds(members["time"])} if "time" in members else {}
    return [{"type": "TEXT_MESSAGE_START", **said, **time, "metadata": about}]


def content(id: str, streamed: StreamedKind, text: str) -> AgUiEvent:
    """The next piece of it."""
    if streamed == "reasoning":
        return {"type": "REASONING_MESSAGE_CONTENT", "messageId": reasoning_id(id), "delta": text}
    return {"type": "TEXT_MESSAGE_CONTENT", "messageId": id, "delta": text}


def ended(id: str, streamed: StreamedKind, about: Members | None = None) -> list[AgUiEvent]:
    """The end of it."""
    if streamed == "reasoning":
        thought = reasoning_id(id)
        return [
            {"type": "REASONING_MESSAGE_END", "messageId": thought},
            {"type": "REASONING_END", "messageId": thought},
        ]
    return [{"type": "TEXT_MESSAGE_END", "messageId": id, **({"metadata": about} if about else {})}]


def end_of_message(members: Members) -> Members:
    """What a message's end says besides the words."""
    parts = [part for part in members["data"]["parts"] if part["kind"] not in ("text", "reasoning")]
    about = envelope(members, "reason", "usage", "metadata", "kind")
    about["status"] = members["type"].partition(".")[2]
    return {**about, "parts": parts} if parts else about


def _message(members: Members, step: str, fact: EventFact, kind: KindOf) -> list[AgUiEvent]:
    if step == "posted":
        return _posted(members, kind)
    if step == "started":  # what is said first begins it
        return []
    return _delta(members, fact, kind) if step == "delta" else _ended(members, fact, kind)


def _tool(members: Members, step: str, fact: EventFact, _: KindOf) -> list[AgUiEvent]:
    if step == "called":
        return _called(members, fact)
    # One that was abandoned has no result: a page may have yet to say what its own tool came to.
    return [tool_result(members)] if step == "returned" else [custom(members)]


def _state(members: Members, step: str, fact: EventFact, _: KindOf) -> list[AgUiEvent]:
    patch = members["data"]["patch"] if step == "patched" else list(fact.patch)
    return [{"type": "STATE_DELTA", "delta": patch}]


def _posted(members: Members, kind: KindOf) -> list[AgUiEvent]:
    data, role = members["data"], role_of(members["actor"], True, kind)
    id, made = shown_id(data), list[AgUiEvent]()
    kinds: tuple[StreamedKind, ...] = ("reasoning", "text")
    for streamed in kinds:
        said = text_in(data["parts"], streamed)
        if said or streamed == "text":
            made += started(members, id, streamed, role, "kind", "reply_to", "metadata")
            made += [content(id, streamed, said)] if said else []
            made += ended(id, streamed, {f"{OURS}_end": end_of_message(members)})
    return made


def _delta(members: Members, fact: EventFact, kind: KindOf) -> list[AgUiEvent]:
    id, role = members["data"]["message"], role_of(members["actor"], False, kind)
    made = [event for streamed in fact.closes for event in ended(id, streamed)]
    made += [event for streamed in fact.opens for event in started(members, id, streamed, role)]
    return [*made, content(id, members["data"].get("part") or "text", members["data"]["text"])]


def _ended(members: Members, fact: EventFact, kind: KindOf) -> list[AgUiEvent]:
    id, role = members["data"]["message"], role_of(members["actor"], False, kind)
    made = list[AgUiEvent]()
    kinds: tuple[StreamedKind, ...] = ("reasoning", "text")
    for streamed in kinds:
        made += started(members, id, streamed, role) if streamed in fact.opens else []
        made += [content(id, each, text) for each, text in fact.rest if each == streamed]
        made += ended(id, streamed, {f"{OURS}_end": end_of_message(members)}) if streamed in fact.ends else []
    return made


def _called(members: Members, fact: EventFact) -> list[AgUiEvent]:
    data, call = members["data"], members["data"]["call"]
    start = {"type": "TOOL_CALL_START", "toolCallId": call, "toolCallName": data["tool"]}
    if fact.serves:
        start["parentMessageId"] = data["message"]
    else:
        start |= subagent(members, "assistant")
    about = {"timestamp": milliseconds(members["time"]), "metadata": {OURS: envelope(members, "message", "metadata")}}
    held = [event for streamed in fact.opens for event in started(members, data["message"], streamed, "assistant")]
    return [
        *held,
        {**start, **about},
        {"type": "TOOL_CALL_ARGS", "toolCallId": call, "delta": arguments_text(data)},
        {"type": "TOOL_CALL_END", "toolCallId": call},
    ]


def tool_result(members: Members) -> AgUiEvent:
    """How a call ended."""
    call = members["data"]["call"]
    about = envelope(members, "error", "reason", "output", "usage", "metadata")
    about["status"] = members["type"].partition(".")[2]
    return {
        "type": "TOOL_CALL_RESULT",
        "messageId": f"{call}/result",
        "toolCallId": call,
        "role": "tool",
        "content": result_text(members["data"]),
        "metadata": {OURS: about},
    }


def _presence(members: Members, step: str, _: EventFact, __: KindOf) -> list[AgUiEvent]:
    data = members["data"]
    who = data["participant"]
    if step == "joined":
        about = {name: data[name] for name in ("participant", "kind", "name", "about") if data.get(name) is not None}
        return [_activity_snapshot("presence", who, {**about, "present": True, "status": "idle"})]
    if step in ("stalled", "recovered"):
        return [_activity_delta("presence", who, {"stalled": step == "stalled"})]
    gone = step in ("lost", "left") and not data.get("others")
    said = {name: data.get(name) for name in _PRESENCE} if step == "status" else {"reason": data.get("reason")}
    return [_activity_delta("presence", who, {**said, "present": not gone, **({"status": step} if gone else {})})]


def _task(members: Members, step: str, _: EventFact, __: KindOf) -> list[AgUiEvent]:
    data = members["data"]
    id = data["task"]
    if is_run(id) or step not in (*_STEPS, "created", "progressed"):
        return [custom(members)]
    if step == "created":
        named = ("task", "title", "parent", "assignee", "needs", "deadline")
        about = {name: data[name] for name in named if data.get(name)}
        return [_activity_snapshot("task", id, {**about, "status": "open"})]
    if step == "progressed":
        return [_activity_delta("task", id, {name: data[name] for name in ("note", "share") if name in data})]
    status = "open" if step == "failed" and data.get("retryable") else _STEPS[step]
    owner = members["actor"] if step == "claimed" else None
    error = {"error": data["error"]} if "error" in data else {}
    attempt = {"attempt": data["attempt"]} if "attempt" in data else {}
    return [_activity_delta("task", id, {"status": status, "owner": owner, **attempt, **error})]


def _approval(members: Members, step: str, _: EventFact, __: KindOf) -> list[AgUiEvent]:
    data = members["data"]
    if step == "configured":
        return [custom(members)]
    id = data["approval"]
    if step == "requested":
        about = {name: value for name, value in data.items() if value not in (None, (), [])}
        return [_activity_snapshot("approval", id, {**about, "status": "open", "actor": members["actor"]})]
    answer = {name: value for name, value in data.items() if name not in ("approval", "reason") and value is not None}
    by = {"answered_by": members["actor"]} if step == "answered" else {}
    return [_activity_delta("approval", id, {"status": step, **by, **answer})]


def _activity_snapshot(what: str, id: str, about: Members) -> AgUiEvent:
    """An activity as it is now."""
    return {
        "type": "ACTIVITY_SNAPSHOT",
        "messageId": f"{what}/{id}",
        "activityType": f"{OURS}.{what}",
        "content": about,
        "replace": True,
    }


def _activity_delta(what: str, id: str, about: Members) -> AgUiEvent:
    """What of it changes."""
    patch = [{"op": "add", "path": f"/{name}", "value": value} for name, value in about.items()]
    return {
        "type": "ACTIVITY_DELTA",
        "messageId": f"{what}/{id}",
        "activityType": f"{OURS}.{what}",
        "patch": patch,
    }


_FORMS: dict[str, dict[str, Any]] = {
    "CUSTOM": {"name": str, "value": object},
    "RAW": {"event": object},
    "TOOL_CALL_RESULT": {"messageId": str, "toolCallId": str, "content": str},
    "ACTIVITY_SNAPSHOT": {"messageId": str, "activityType": str, "content": dict},
    "ACTIVITY_DELTA": {"messageId": str, "activityType": str, "patch": list},
}
_CONCEPTS = {
    "x": _kept,
    "message": _message,
    "tool": _tool,
    "state": _state,
    "presence": _presence,
    "task": _task,
    "approval": _approval,
}
