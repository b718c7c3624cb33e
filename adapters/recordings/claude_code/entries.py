"""Entries of Claude Code's transcripts: what is in one, and what is left of it besides."""

from typing import Any

import orjson

Entry = dict[str, Any]
CONSTANT = ("cwd", "gitBranch", "version", "sessionId", "userType", "entrypoint")
"""Members that nearly every entry repeats."""
USAGE = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
MAX_REST_BYTES = 12_000
"""What is left of entries goes into an event's metadata up to here, and is an event of its own above."""
INTERRUPTED = ("[Request interrupted by user]", "[Request interrupted by user for tool use]")


class Rests:
    """What is left of several entries, until the event that takes it along."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._bytes = 0

    def add(self, rest: Entry) -> bool:
        """Keep one more; False if it is too much."""
        size = len(orjson.dumps(rest)) + 1
        if self._bytes + size > MAX_REST_BYTES:
            return False
        self._bytes += size
        self.entries.append(rest)
        return True


def rest_of(entry: Entry, constants: Entry, *shown: str) -> Entry:
    """All of an entry but what the session says once, and the members `shown` by the events that it becomes."""
    left = {
        name: value
        for name, value in entry.items()
        if name not in ("type", "agentId", *shown) and value is not None and constants.get(name) != value
    }
    if left.get("isSidechain") is False or entry.get("agentId"):
        left.pop("isSidechain", None)
    return left


def message_rest(message: Entry) -> Entry:
    """What is left of an entry's `message`: all but its texts, its calls and its results."""
    known = ("role", "type", "id", "model", "content")
    left = {name: value for name, value in message.items() if name not in known and value is not None}
    blocks = [_block_rest(block) for block in blocks_of(message.get("content"))]
    return {**left, "content": blocks} if any(blocks) else left


def _block_rest(block: Entry) -> Entry:
    shown = {
        "text": ("text",),
        "thinking": ("thinking",),
        "tool_use": ("id", "name", "input"),
    }.get(str(block.get("type")))
    if shown is None or block.get("name") == "AskUserQuestion":
        return block
    return {name: value for name, value in block.items() if name not in ("type", *shown) and value is not None}


def blocks_of(content: Any) -> list[Entry]:
    """What is said, which may be a text alone."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    if not isinstance(content, list):
        return []
    return [block if isinstance(block, dict) else {"type": "value", "value": block} for block in content]


def text_of(content: Any) -> str:
    """The text of what a tool returned."""
    return "\n".join(str(block.get("text")) for block in blocks_of(content) if block.get("type") == "text")


def part_of(block: Entry) -> Entry:
    """A block of a message, as a part of one."""
    if {*block} <= {"type", "text"} and block.get("type") == "text":
        return {"kind": "text", "text": block.get("text", "")}
    return {"kind": "data", "name": str(block.get("type")), "data": block}


def is_prompt(entry: Entry) -> bool:
    """Whether a person speaks, so that the turn before is over."""
    message = entry.get("message")
    if entry.get("type") != "user" or entry.get("isSidechain") or not isinstance(message, dict):
        return False
    blocks = blocks_of(message.get("content"))
    return not is_interrupt(entry) and not any(each.get("type") == "tool_result" for each in blocks)


def is_interrupt(entry: Entry) -> bool:
    """Whether a person stopped the agent here."""
    message = entry.get("message")
    blocks = blocks_of(message.get("content")) if isinstance(message, dict) else []
    return len(blocks) == 1 and blocks[0].get("text") in INTERRUPTED
