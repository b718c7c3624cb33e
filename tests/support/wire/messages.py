"""What was said, from events alone: as simple a view of a session's messages as there can be."""

from collections.abc import Iterable
from typing import Any

from support.wire.follower import Frame


def messages_of(events: Iterable[Frame]) -> dict[str, dict[str, Any]]:
    """Each message's parts and status, in the order in which they began, from a raw or a folded reading."""
    messages: dict[str, dict[str, Any]] = {}
    for event in events:
        if event["type"].startswith("message."):
            _apply(messages, event, event["data"])
    return messages


def _apply(messages: dict[str, dict[str, Any]], event: Frame, data: Frame) -> None:
    known = messages.setdefault(data["message"], {"author": event["actor"], "status": "open", "parts": [], "next": 0})
    match event["type"]:
        case "message.delta":
            first = data.get("first", data["index"])
            assert known["next"] == first, f"delta {first} came after {known['next'] - 1}"
            known["next"] = data["index"] + 1
            _extend(known["parts"], data.get("part", "text"), data["text"])
        case "message.posted" | "message.completed" | "message.aborted":
            known["status"] = event["type"].partition(".")[2]
            if known["next"] == data.get("deltas"):
                assert data["parts"][: len(known["parts"])] == known["parts"], "the whole is not what was streamed"
            known["parts"] = data["parts"]
            known["next"] = data.get("deltas", 0)


def _extend(parts: list[dict[str, Any]], kind: str, text: str) -> None:
    if parts and parts[-1]["kind"] == kind:
        parts[-1] = {"kind": kind, "text": parts[-1]["text"] + text}
    else:
        parts.append({"kind": kind, "text": text})
