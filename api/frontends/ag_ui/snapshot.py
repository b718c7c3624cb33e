"""What a stream of AG-UI begins with, for who may join late: what was said, the state, and what is being said.

    RUN_STARTED → MESSAGES_SNAPSHOT → STATE_SNAPSHOT → each open text and thought: its start, and all of it so far

The snapshot of messages is bounded by bytes; what is older than what it holds is left out, and it says so.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from ....domain.audience import Viewer
from ....domain.concepts.document import seen_by
from ....domain.envelope import timestamp
from ....domain.state import State
from ....projections.runner.time_slices import slices
from ...http.answer import members_of
from ...http.session_answers import session_answer
from ..envelopes import (
    KindOf,
    Members,
    arguments_text,
    envelope,
    kinds_of,
    members_of_open,
    result_text,
    role_of,
    shown_id,
    text_in,
    texts_of_open,
)
from ..placed import Placed
from ..speech_fold import speeches, whose_is
from ..transcript import RESULT_OF_PAGE, Entry, Transcript
from ..turn import Turn, is_run, open_messages
from . import OURS, PROTOCOL_VERSION
from .translation import (
    PART,
    AgUiEvent,
    content,
    end_of_message,
    ended,
    reasoning_id,
    started,
    subagent,
    tool_result,
)

MOST_BYTES = 4 * 2**20
"""Of messages in a snapshot; AG-UI's own client takes 10 MB."""
HEAD = 3
"""Events that come before what is being said."""
ACTIVITIES = [f"{OURS}.{what}" for what in ("presence", "task", "approval")]


async def beginning(turn: Turn, state: State, transcript: Transcript, viewer: Viewer, resume: str) -> list[Placed]:
    """A stream's first events. One may go on within what is being said, but not before that: the first three are for
    readers who have none."""
    start = {
        "type": "RUN_STARTED",
        "threadId": state.id,
        "runId": turn.run,
        "protocolVersion": PROTOCOL_VERSION,
        "timestamp": int(state.time.timestamp() * 1_000) if state.version else 0,
    }
    before = await messages_snapshot(state, transcript, viewer)
    shared = {"type": "STATE_SNAPSHOT", "snapshot": seen_by(state.document, viewer)[0]}
    said = resumed_beginning(state, viewer, resume, HEAD)
    return [Placed(start), Placed(before), Placed(shared, f"{resume}~{HEAD}" if said else resume), *said]


def resumed_beginning(state: State, viewer: Viewer, resume: str, begun: int) -> list[Placed]:
    """What is missing of a beginning of which so many events came, `HEAD` or more."""
    events = [*being_said(state, viewer)]
    ids = [f"{resume}~{HEAD + number}" for number in range(1, len(events))]
    return [Placed(*each) for each in zip(events, [*ids, resume], strict=False)][begun - HEAD :]


async def messages_snapshot(state: State, transcript: Transcript, viewer: Viewer) -> AgUiEvent:
    """What was said and done before, and who is here; made a little at a time, since other clients wait."""
    messages, left_out = await _newest(state, transcript, viewer)
    declared = {"authoritativeActivityTypes": ACTIVITIES}
    about: Members = {"@ag-ui/client": declared, OURS: {"version": state.version}}
    if left_out:
        about[OURS]["omitted"] = left_out
    activities = orjson.loads(orjson.dumps([*_activities(state, viewer)], default=members_of))
    return {"type": "MESSAGES_SNAPSHOT", "messages": [*messages, *activities], "metadata": about}


def being_said(state: State, viewer: Viewer) -> Iterator[AgUiEvent]:
    """Each open message that the viewer sees: its start, and all of it so far."""
    speech, kinds = dict(speeches(state)), kinds_of(state)
    for message in open_messages(state, viewer):
        members, role = members_of_open(message), role_of(message.author, False, kinds)
        begun, texts = speech[message.id], texts_of_open(message)
        if thought := texts.get("reasoning"):
            yield from started(members, message.id, "reasoning", role)
            yield content(message.id, "reasoning", thought)
            yield from () if begun.reasoning else ended(message.id, "reasoning")
        if begun.text:
            yield from started(members, message.id, "text", role)
            yield from [content(message.id, "text", texts["text"])] if texts.get("text") else []


async def _newest(state: State, transcript: Transcript, viewer: Viewer) -> tuple[list[Members], int]:
    """The last messages that are not too many bytes together, and how many entries are left out."""
    kind, size, left_out = kinds_of(state), 0, 0
    calls: dict[str, list[Entry]] = {}
    newest = list[Members]()
    async for few in slices([*transcript.newest_first()]):
        for entry in few:
            if not entry.visible(viewer):
                continue
            if size > MOST_BYTES:
                left_out += 1
                continue
            made = _messages(entry, transcript, viewer, kind, calls)
            size += len(orjson.dumps(made))
            if size > MOST_BYTES:
                left_out += 1
            else:
                newest += reversed(made)
    return newest[::-1], left_out


def _messages(
    entry: Entry, transcript: Transcript, viewer: Viewer, kind: KindOf, calls: dict[str, list[Entry]]
) -> list[Members]:
    """What an entry is. A call that is shown in its message waits for that in `calls`: its message comes behind it,
    having begun before."""
    if entry.subject.startswith("message:"):
        held = calls.pop(entry.subject, [])[::-1]
        return [*_message(entry, kind, held), *_results(held)] if entry.ended or held else []
    if entry.begun["type"] == RESULT_OF_PAGE:
        return [*_of_page(entry.begun["data"])]
    data = entry.begun["data"]
    holder = transcript.get(f"message:{data.get('message')}")
    if holder is not None and holder.visible(viewer) and _holds(holder, entry):
        calls.setdefault(holder.subject, []).append(entry)
        return []
    tag = subagent(entry.begun, "assistant")
    return [{"id": data["call"], "role": "assistant", **tag, "toolCalls": [_call(entry)]}, *_results([entry])]


def _holds(holder: Entry, call: Entry) -> bool:
    """Whether a call can be shown in this message, as `EventFact.serves` says it."""
    older = holder.begun["version"] < call.begun["version"]
    return older and whose_is(holder.begun) == whose_is(call.begun)


def _message(entry: Entry, kind: KindOf, calls: Iterable[Entry]) -> Iterator[Members]:
    begun, last, posted = entry.begun, entry.ended, entry.begun["type"] == "message.posted"
    parts = [] if last is None else last["data"]["parts"]  # what is being said follows
    id, role = shown_id(begun["data"]), role_of(begun["actor"], posted, kind)
    whose, about = subagent(begun, role), {OURS: envelope(begun, "kind", "reply_to", "metadata")}
    thought, said = text_in(parts, "reasoning"), text_in(parts, "text")
    if thought:
        yield {"id": reasoning_id(id), "role": "reasoning", **whose, "content": thought, "metadata": about}
    made = [_call(each) for each in calls]
    if thought and not said and not made and not _has_more(parts):
        return
    yield {
        "id": id,
        "role": role,
        "name": begun["actor"],
        **whose,
        "content": (_content(parts, said) if role == "user" else said),
        **({"toolCalls": made} if made and role != "user" else {}),
        "metadata": about if last is None else {**about, f"{OURS}_end": end_of_message(last)},
    }


def _has_more(parts: list[Members]) -> bool:
    return any(part["kind"] == "data" for part in parts)


def _content(parts: list[Members], said: str) -> str | list[Any]:
    """A person's words; with what they attached in AG-UI's form, where there is something."""
    attached = [part["data"] for part in parts if part["kind"] == "data" and part.get("name") == PART]
    return [{"type": "text", "text": said}, *attached] if attached else said


def _call(entry: Entry) -> Members:
    data = entry.begun["data"]
    called = {"name": data["tool"], "arguments": arguments_text(data)}
    about = {OURS: envelope(entry.begun, "message", "metadata")}
    return {"id": data["call"], "type": "function", "function": called, "metadata": about}


def _results(calls: Iterable[Entry]) -> Iterator[Members]:
    for entry in calls:
        if entry.ended is not None and entry.ended["type"] == "tool.returned":
            came = tool_result(entry.ended)
            error = {"error": str(entry.ended["data"]["error"])} if entry.ended["data"].get("error") else {}
            yield {
                "id": came["messageId"],
                "role": "tool",
                "toolCallId": came["toolCallId"],
                "content": result_text(entry.ended["data"]),
                **error,
                "metadata": came["metadata"],
            }


def _of_page(data: Members) -> Iterator[Members]:
    """What a page's own tool came to, where it is of that form."""
    about = {name: data.get(given) for name, given in (("id", "messageId"), ("toolCallId", "toolCallId"))}
    if all(isinstance(each, str) for each in (*about.values(), data.get("content"))):
        yield {**about, "role": "tool", "content": data["content"]}


def _activities(state: State, viewer: Viewer) -> Iterator[Members]:
    """Who is here, the tasks and the open questions, as the session's page shows them."""
    page = session_answer(state, viewer)
    for who in page.participants:
        about = {"participant": who.id, "kind": who.kind, "name": who.name, "about": who.about, "until": who.until}
        now = {"present": who.present, "status": who.status, "activity": who.activity, "stalled": bool(who.stalled)}
        yield _activity("presence", who.id, {**about, **now})
    for task in page.tasks:
        if not is_run(task.task):
            named = ("task", "title", "status", "parent", "assignee", "owner", "attempt", "needs", "deadline")
            about = {name: getattr(task, name) for name in named}
            yield _activity("task", task.task, {**about, "error": task.last_error})
    for asked in page.open_approvals:
        about = asked.model_dump(mode="json", exclude={"requester", "since", "audience", "of"})
        yield _activity("approval", asked.approval, {**about, "actor": asked.requester, "status": "open"})


def _activity(what: str, id: str, about: Members) -> Members:
    known = {
        name: timestamp(value) if hasattr(value, "isoformat") else value
        for name, value in about.items()
        if value not in (None, (), [], {})
    }
    return {"id": f"{what}/{id}", "role": "activity", "activityType": f"{OURS}.{what}", "content": known}
