"""Snapshots of a thread's state: the shared state, and under `messages` what was said and done up to a version.

What is being said is not in it: its events are. A snapshot is bounded by bytes; the oldest messages are left out.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import orjson

from ....domain.audience import Viewer
from ....domain.concepts.document import Document, seen_by
from ....domain.ids import ParticipantId
from ..ag_ui.translation import end_of_message
from ..envelopes import KindOf, Members, envelope, result_text, role_of, shown_id, text_in
from ..speech_fold import whose_is
from ..transcript import RESULT_OF_PAGE, Entry, Transcript
from ..turn import is_run
from . import OURS
from .requests import PART
from .translation import metadata_of, namespace_of

MESSAGES = "messages"
"""The member of the values that has what was said; the shared state's own of that name is not shown."""
MOST_BYTES = 2**20
KEPT_BYTES = 4 * MOST_BYTES
"""Of messages of a session that are kept as they are shown."""
MOST_LOOKED_AT = 20_000
"""Messages and calls, be they for this viewer or not: a snapshot is made at a stretch."""


def state_values(document: Document, viewer: Viewer) -> dict[str, Any]:
    """The shared state alone: a page keeps the messages that it has."""
    return {name: value for name, value in seen_by(document, viewer)[0].items() if name != MESSAGES}


def values(document: Document, transcript: Transcript, viewer: Viewer, kind: KindOf, version: int) -> dict[str, Any]:
    """Everything, as it was said up to a version."""
    return {**state_values(document, viewer), MESSAGES: _newest(transcript, viewer, kind, version, None)}


def values_of_agent(
    transcript: Transcript, viewer: Viewer, kind: KindOf, version: int, agent: ParticipantId
) -> dict[str, Any]:
    """What one agent has said and done as a subagent."""
    return {MESSAGES: _newest(transcript, viewer, kind, version, agent)}


def _newest(
    transcript: Transcript, viewer: Viewer, kind: KindOf, version: int, agent: ParticipantId | None
) -> list[orjson.Fragment]:
    """The last messages that are not too many bytes together. A call that is shown in its message waits for that in
    `calls`: its message comes behind it here, having begun before."""
    calls: dict[str, list[Entry]] = {}
    newest, size = list[bytes](), 0
    for entry in islice(transcript.newest_first(), MOST_LOOKED_AT):
        if entry.begun["version"] > version or not entry.visible(viewer):
            continue
        if agent is not None and (entry.begun["actor"] != agent or is_run(entry.begun.get("task"))):
            continue
        for made in reversed(_encoded(_as_of(entry, version), transcript, viewer, kind, calls)):
            newest.append(made)
            size += len(made)
        if size > MOST_BYTES:
            break
    return [orjson.Fragment(each) for each in reversed(newest)]


def _encoded(
    entry: Entry, transcript: Transcript, viewer: Viewer, kind: KindOf, calls: dict[str, list[Entry]]
) -> list[bytes]:
    """What an entry is. A message that is over and holds no calls is the same in all snapshots."""
    begun = entry.begun
    alone = entry.subject.startswith("message:") and entry.subject not in calls and entry.ended is not None
    if not alone:
        return [orjson.dumps(each) for each in _shown(entry, transcript, viewer, kind, calls)]
    kept, role = transcript.encoded, role_of(begun["actor"], begun["type"] == "message.posted", kind)
    known = kept.get(entry.subject)
    if known is None or known[0] is not entry.ended or known[1] != role:
        (made,) = _shown(entry, transcript, viewer, kind, calls)
        known = (entry.ended, role, orjson.dumps(made))
        transcript.encoded_bytes += len(known[2])
        if transcript.encoded_bytes > KEPT_BYTES:  # a snapshot takes a quarter of it, and those before are read no more
            kept.clear()
            transcript.encoded_bytes = len(known[2])
        kept[entry.subject] = known
    return [known[2]]


def _as_of(entry: Entry, version: int) -> Entry:
    return entry if entry.ended is None or entry.ended["version"] <= version else entry._replace(ended=None)


def _shown(
    entry: Entry, transcript: Transcript, viewer: Viewer, kind: KindOf, calls: dict[str, list[Entry]]
) -> Iterator[Members]:
    if entry.begun["type"] == RESULT_OF_PAGE:
        yield from _of_page(entry.begun["data"])
    elif entry.subject.startswith("message:"):
        held = calls.pop(entry.subject, [])[::-1]
        if entry.ended is not None:
            yield _message(entry, entry.ended, kind, [_call(each) for each in held])
            yield from _results(held)
    else:
        holder = transcript.get(f"message:{entry.begun['data'].get('message')}")
        if holder is not None and holder.visible(viewer) and _holds(holder, entry):
            calls.setdefault(holder.subject, []).append(entry)
        else:
            yield _ai(entry, [], [_call(entry)], id=entry.begun["data"]["call"])
            yield from _results([entry])


def _holds(holder: Entry, call: Entry) -> bool:
    """Whether a call can be shown in this message, as `EventFact.serves` says it."""
    older = holder.begun["version"] < call.begun["version"]
    ended = holder.ended is not None and holder.ended["version"] < call.begun["version"]
    return older and not ended and whose_is(holder.begun) == whose_is(call.begun)


def _message(entry: Entry, last: Members, kind: KindOf, calls: list[Members]) -> Members:
    begun, parts = entry.begun, last["data"]["parts"]
    thought, said = text_in(parts, "reasoning"), text_in(parts, "text")
    if role_of(begun["actor"], begun["type"] == "message.posted", kind) == "user":
        attached = [each["data"] for each in parts if each["kind"] == "data" and each.get("name") == PART]
        blocks = [*([{"type": "text", "text": said}] if said else []), *attached]
        return {
            "type": "human",
            "id": shown_id(begun["data"]),
            "name": begun["actor"],
            "content": blocks if attached else said,
            "additional_kwargs": {"metadata": metadata_of(begun)},
            "response_metadata": {OURS: end_of_message(last)},
        }
    content = [{"type": "reasoning", "reasoning": thought}] if thought else []
    content += [{"type": "text", "text": said}] if said else []
    return {**_ai(entry, content, calls), "response_metadata": {OURS: end_of_message(last)}}


def _ai(entry: Entry, content: list[Any], calls: list[Members], id: str | None = None) -> Members:
    begun = entry.begun
    about = {"namespace": namespace_of(begun, "assistant"), "metadata": metadata_of(begun)}
    made = {"type": "ai", "id": id or shown_id(begun["data"]), "name": begun["actor"], "content": content}
    return {**made, "additional_kwargs": about, **({"tool_calls": calls} if calls else {})}


def _call(entry: Entry) -> Members:
    data = entry.begun["data"]
    arguments = data.get("arguments")
    arguments = arguments if isinstance(arguments, dict) else {} if arguments is None else {"input": arguments}
    return {"type": "tool_call", "id": data["call"], "name": data["tool"], "args": arguments}


def _results(calls: list[Entry]) -> Iterator[Members]:
    for entry in calls:
        if entry.ended is not None and entry.ended["type"] == "tool.returned":
            data = entry.ended["data"]
            yield {
                "type": "tool",
                "id": f"{data['call']}/result",
                "tool_call_id": data["call"],
                "name": entry.begun["data"]["tool"],
                "content": result_text(data),
                "status": "error" if data.get("error") else "success",
                "response_metadata": {OURS: envelope(entry.ended, "error", "usage", "metadata")},
            }


def _of_page(data: Members) -> Iterator[Members]:
    """What a page's own tool came to, where it is of that form."""
    wanted = {"id": data.get("messageId"), "tool_call_id": data.get("toolCallId"), "content": data.get("content")}
    if all(isinstance(each, str) for each in wanted.values()):
        yield {"type": "tool", **wanted}
