"""AG-UI's events as TanStack AI's client takes them. Pure.

That client gives a thought to the message that began last, whatever message the thought names, and likewise a call that
names none. So a thought comes when it is over, right behind the start of its message; what is thought later on, and a
call that serves no message, get messages of their own. It knows no activities in a snapshot.
"""

from collections.abc import Iterator
from typing import Any

from ....domain.audience import Viewer
from ....domain.concepts.document import seen_by
from ....domain.state import State
from ..ag_ui.translation import AgUiEvent, ag_ui_events, content, reasoning_id, started
from ..envelopes import KindOf, Members, kinds_of, members_of_open, role_of, shown_id, text_in, texts_of_open
from ..placed import Placed
from ..speech_fold import EventFact, speeches
from ..turn import Turn, open_messages

HEAD = 3
"""Events that come before what is being said."""
APPROVAL = "stenogram.approval"
"""The tool that a question is said to be of: so a page may answer it."""


def tanstack_events(members: Members, fact: EventFact, kind: KindOf) -> list[AgUiEvent]:
    """What an event is for that client."""
    made = [each for each in ag_ui_events(members, fact, kind) if not each["type"].startswith("REASONING_")]
    if members["type"] == "tool.called" and not fact.serves:
        made = [*_holder(members), *made]
        next(each for each in made if each["type"] == "TOOL_CALL_START")["parentMessageId"] = members["data"]["call"]
    if members["type"] == "message.posted":
        thought = text_in(members["data"]["parts"], "reasoning")
        return _behind_start(made, [_thought(shown_id(members["data"]), thought)]) if thought else made
    return _with_thought(made, members, fact, kind) if fact.thought else made


def snapshot_messages(snapshot: AgUiEvent) -> list[Members]:
    """The messages of a snapshot, as that client reads them: each thought is in front of its message, also where that
    says nothing."""
    made = list[Members]()
    for message in snapshot["messages"]:
        before = made[-1] if made else {}
        if before.get("role") == "reasoning" and before["id"] != reasoning_id(message["id"]):
            made.append(_holder_of(before))
        made += [] if message["role"] == "activity" else [message]
    return [*made, _holder_of(made[-1])] if made and made[-1]["role"] == "reasoning" else made


def _holder_of(thought: Members) -> Members:
    about: Members = {name: thought[name] for name in ("metadata", "subagentRunId") if name in thought}
    return {"id": thought["id"].removesuffix(reasoning_id("")), "role": "assistant", "content": "", **about}


def beginning(turn: Turn, state: State, messages: list[Members], viewer: Viewer, resume: str) -> list[Placed]:
    """A stream's first events, each with a place; behind the first `HEAD` of them one may go on within the rest."""
    start: AgUiEvent = {"type": "RUN_STARTED", "threadId": state.id, "runId": turn.run}
    shared: AgUiEvent = {"type": "STATE_SNAPSHOT", "snapshot": seen_by(state.document, viewer)[0]}
    events = [start, {"type": "MESSAGES_SNAPSHOT", "messages": messages}, shared, *_being_said(state, viewer)]
    ids = [f"{resume}~{number}" for number in range(1, len(events))]
    return [Placed(*each) for each in zip(events, [*ids, resume], strict=True)]


def ending_events(events: list[Placed], turn: Turn, state: State) -> list[Placed]:
    """AG-UI's last events, without ids: those have come before, and would be passed over."""
    return [Placed(_last(each, turn, state)) for each, _ in events if not each["type"].startswith("REASONING_")]


def _last(event: AgUiEvent, turn: Turn, state: State) -> AgUiEvent:
    if event["type"] == "RUN_ERROR":
        return {**event, "runId": turn.run, "threadId": state.id}
    if (event.get("outcome") or {}).get("type") != "interrupt":
        return event
    asked = [answerable(each) for each in event["outcome"]["interrupts"]]
    return {**event, "outcome": {"type": "interrupt", "interrupts": asked}}


def _being_said(state: State, viewer: Viewer) -> Iterator[AgUiEvent]:
    """Each message that is being said, so far. A thought comes when it is over."""
    speech, kinds = dict(speeches(state)), kinds_of(state)
    for message in open_messages(state, viewer):
        if not speech[message.id].text:
            continue
        yield from started(members_of_open(message), message.id, "text", role_of(message.author, False, kinds))
        texts = texts_of_open(message)
        if texts.get("reasoning") and not speech[message.id].reasoning:
            yield _thought(message.id, texts["reasoning"])
        if texts.get("text"):
            yield content(message.id, "text", texts["text"])


def answerable(interrupt: Members) -> Members:
    """A question, marked as one of the kind that a page of TanStack AI may answer."""
    about = {"kind": "approval", "toolName": APPROVAL, "input": {"question": interrupt["message"]}}
    return {**interrupt, "metadata": {**interrupt["metadata"], **about}}


def _with_thought(made: list[AgUiEvent], members: Members, fact: EventFact, kind: KindOf) -> list[AgUiEvent]:
    id = members["data"]["message"]
    if "text" in fact.opens:
        return _behind_start(made, [_thought(id, fact.thought)])
    role = role_of(members["actor"], False, kind)
    # The message is there already, and others may have begun since; or it says nothing, and only thinks.
    only = members["type"] != "message.delta" and "text" not in fact.ends
    held = id if only else f"{id}/thought/{members['version']}"
    alone = [*started(members, held, "text", role), _thought(held, fact.thought), _end(held)]
    return [*alone, *made]


def _behind_start(made: list[AgUiEvent], more: list[AgUiEvent]) -> list[AgUiEvent]:
    at = next((n for n, each in enumerate(made) if each["type"] == "TEXT_MESSAGE_START"), -1)
    return [*made[: at + 1], *more, *made[at + 1 :]]


def _thought(id: str, text: str) -> AgUiEvent:
    return {**content(id, "reasoning", text)}


def _holder(members: Members) -> list[AgUiEvent]:
    id = members["data"]["call"]
    return [*started(members, id, "text", "assistant"), _end(id)]


def _end(id: str) -> dict[str, Any]:
    return {"type": "TEXT_MESSAGE_END", "messageId": id}
