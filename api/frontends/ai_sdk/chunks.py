"""Things of a session as chunks of the AI SDK. Pure.

The ids of parts are those of the messages, calls and questions that they are of; a thought's has `/reasoning` behind
it, and what else is in a message its number.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from ....domain.concepts.approvals import Approval
from ....domain.envelope import timestamp
from ....domain.parts import StreamedKind
from ..envelopes import Members, envelope, shown_id, text_in
from ..speech_fold import STREAMED_KINDS
from . import METADATA, OURS, PART

Chunk = dict[str, Any]
ASK = "ask"
"""The tool that a question is a call of, where it is not about one."""


def ours(members: Members, *more: str) -> Members:
    """What is ours of an event, as the metadata of a part."""
    return {OURS: envelope(members, *more)}


def part_started(members: Members, streamed: StreamedKind) -> Chunk:
    """The beginning of a text, or of a thought."""
    return {**_of_text(members, streamed, "start"), "providerMetadata": ours(members, "message")}


def part_delta(members: Members, streamed: StreamedKind, text: str) -> Chunk:
    """The next piece of it."""
    return {**_of_text(members, streamed, "delta"), "delta": text}


def part_ended(members: Members, streamed: StreamedKind) -> Chunk:
    """The end of it, in the midst of its message."""
    return _of_text(members, streamed, "end")


def part_done(members: Members, streamed: StreamedKind) -> Chunk:
    """The end of it, with its message's."""
    about = envelope(members, "message", "reason", "usage", "metadata", "kind", "reply_to")
    about["status"] = members["type"].partition(".")[2]
    return {**_of_text(members, streamed, "end"), "providerMetadata": {OURS: about}}


def _of_text(members: Members, streamed: StreamedKind, step: str) -> Chunk:
    id = members["data"]["message"]
    return {"type": f"{streamed}-{step}", "id": id if streamed == "text" else f"{id}/reasoning"}


def whole_message(members: Members) -> Iterator[Chunk]:
    """A message of the assistant's that is over."""
    parts = members["data"]["parts"]
    thought, said = text_in(parts, "reasoning"), text_in(parts, "text")
    if thought:
        yield from [part_started(members, "reasoning"), part_delta(members, "reasoning", thought)]
        yield part_done(members, "reasoning")
    if said or not thought or any(part["kind"] == "data" for part in parts):
        yield part_started(members, "text")
        yield from [part_delta(members, "text", said)] if said else []
        yield part_done(members, "text")
    yield from other_parts(members)


def other_parts(members: Members) -> Iterator[Chunk]:
    """What is in a message besides words."""
    id = members["data"]["message"]
    for number, part in enumerate(members["data"]["parts"]):
        if part["kind"] == "citation":
            yield _source(f"{id}/{number}", part)
        elif part["kind"] == "data":
            yield _data(f"{id}/{number}", part)


def _source(id: str, part: Members) -> Chunk:
    source, title = part["source"], part.get("title")
    more = {"providerMetadata": {OURS: {"quote": part["quote"]}}} if part.get("quote") else {}
    if "://" in source:
        return {"type": "source-url", "sourceId": id, "url": source, **({"title": title} if title else {}), **more}
    return {"type": "source-document", "sourceId": id, "mediaType": "text/plain", "title": title or source, **more}


def _data(id: str, part: Members) -> Chunk:
    data: Any = part.get("data")
    if part.get("name") == PART and is_file(data):
        return {name: data[name] for name in ("type", "url", "mediaType")}
    return {"type": f"data-{part.get('name') or 'part'}", "id": id, "data": data}


def is_file(part: Any) -> bool:
    """Whether it is a file in the AI SDK's form."""
    return (
        isinstance(part, dict)
        and part.get("type") == "file"
        and all(isinstance(part.get(name), str) for name in ("url", "mediaType"))
    )


def _is_data(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("type"), str) and part["type"].startswith("data-")


def agent_message(members: Members, parts: Iterable[Members], status: str) -> Chunk:
    """A message of another agent, so far."""
    said = {kind: text_in(parts, kind) for kind in STREAMED_KINDS}
    more = [each for each in parts if each["kind"] not in said]
    about = envelope(members, "message", "reason", "usage", "metadata", "kind", "reply_to")
    data = {"agent": about.pop("actor"), **about, "status": status, "text": said["text"]}
    data |= {name: value for name, value in (("reasoning", said["reasoning"]), ("parts", more)) if value}
    return {"type": "data-agent-message", "id": members["data"]["message"], "data": data}


def ended_agent_message(members: Members) -> Chunk:
    """A message of another agent that is over."""
    return agent_message(members, members["data"]["parts"], members["type"].partition(".")[2])


def user_message(members: Members) -> Chunk:
    """What a person says while a run is under way."""
    data = members["data"]
    about = {"user": members["actor"], "text": text_in(data["parts"], "text"), "parts": ui_parts(data["parts"])}
    return {"type": "data-user-message", "id": shown_id(data), "data": about}


def ui_parts(parts: Iterable[Members]) -> list[Members]:
    """A person's message, as it was sent; but no parts that pages do not know of people, and may stumble over."""
    made = list[Members]()
    for number, part in enumerate(parts):
        if part["kind"] == "text":
            made.append({"type": "text", "text": part["text"]})
        elif part["kind"] == "data":
            known = part.get("name") == PART and (is_file(part.get("data")) or _is_data(part.get("data")))
            made.append(part["data"] if known else _data(str(number), part))
    return made


def page_metadata(data: Members) -> Any:
    """The metadata that a page gave its message."""
    return (data.get("metadata") or {}).get(METADATA)


def tool_called(members: Members) -> Chunk:
    """A call of a tool by the assistant, which an agent carries out."""
    data = members["data"]
    about = ours(members, "message", "metadata")
    made = _tool(data["call"], data["tool"], data.get("arguments"))
    return {**made, "providerExecuted": True, "providerMetadata": about}


def _tool(call: str, tool: str, input: Any) -> Chunk:
    given = {} if input is None else input
    return {"type": "tool-input-available", "toolCallId": call, "toolName": tool, "input": given}


def tool_ended(members: Members) -> Chunk:
    """How it ended."""
    data, about = members["data"], ours(members, "error", "reason", "output", "usage", "metadata")
    made = {"toolCallId": data["call"], "providerExecuted": True, "providerMetadata": about}
    if data.get("result") is None and (data.get("error") or members["type"] == "tool.abandoned"):
        error = data.get("error") or data.get("reason") or "Nobody waits for it any more."
        return {"type": "tool-output-error", "errorText": error, **made}
    return {"type": "tool-output-available", "output": data.get("result"), **made}


def agent_tool(members: Members) -> Chunk:
    """A call of a tool by another agent."""
    data, about = members["data"], envelope(members, "message", "metadata")
    made = {"agent": about.pop("actor"), **about, "tool": data["tool"], "input": data.get("arguments")}
    return {"type": "data-agent-tool", "id": data["call"], "data": made}


def agent_tool_ended(members: Members) -> Chunk:
    """How that ended."""
    data, about = members["data"], envelope(members, "error", "reason", "usage", "metadata")
    made = {"by": about.pop("actor"), **about, "status": members["type"].partition(".")[2]}
    made["output"] = data.get("output") if data.get("result") is None else data["result"]
    return {"type": "data-agent-tool-result", "id": data["call"], "data": made}


def agent_question(members: Members) -> Chunk:
    """A question to people."""
    data = {name: value for name, value in members["data"].items() if value not in (None, (), [])}
    id = data.pop("approval")
    return {"type": "data-agent-question", "id": id, "data": {"agent": members["actor"], **data}}


def agent_answer(members: Members) -> Chunk:
    """What became of it."""
    data = {name: value for name, value in members["data"].items() if value is not None}
    id = data.pop("approval")
    by = {"by": members["actor"]} if members["type"] == "approval.answered" else {}
    return {"type": "data-agent-answer", "id": id, "data": {"status": members["type"].partition(".")[2], **by, **data}}


def asking_tool(asked: Approval) -> Chunk:
    """A question as a call of a tool, which the page may answer: nobody else carries it out."""
    about: Members = {"question": asked.question, "agent": asked.requester, "options": [*asked.options]}
    about |= {"own_words": True} if asked.own_words else {}
    about |= {"answer_schema": asked.answer_schema} if asked.answer_schema is not None else {}
    if asked.questions:
        about["questions"] = [each.model_dump(mode="json", exclude_none=True) for each in asked.questions]
    if asked.due is not None:
        about["due"] = timestamp(asked.due)
    return _tool(asked.id, ASK, about)


def approval_request(asked: Approval) -> Chunk:
    """The wish for an answer to it."""
    return {"type": "tool-approval-request", "approvalId": asked.id, "toolCallId": asked.id}


def denied(asked: Approval) -> Chunk:
    """The end of a call that a question was about, if the answer is no."""
    return {"type": "tool-output-denied", "toolCallId": asked.id}


def asking_tool_ended(asked: Approval) -> Chunk:
    """The end of the call that a question is: with the answer. Then it is not for the page any more, lest the SDK
    would send it again."""
    answers = {name: each.model_dump(mode="json", exclude_none=True) for name, each in asked.answers.items()}
    holds = {"option": asked.option, "value": asked.value, "words": asked.words, "answers": answers or None}
    output = {"status": asked.status, **{name: value for name, value in holds.items() if value is not None}}
    return {"type": "tool-output-available", "toolCallId": asked.id, "output": output, "providerExecuted": True}


def transient(type: str, data: Any, id: str | None = None) -> Chunk:
    """What is shown and not kept."""
    named = {} if id is None else {"id": id}
    return {"type": f"data-{type}", **named, "data": data, "transient": True}
