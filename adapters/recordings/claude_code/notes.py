"""What hooks of Claude Code say, and its transcripts do not: it waits for its person, it is done, it ends.

A hook's input is a JSON object with `hook_event_name` and `session_id`; `stenogram record claude-code --hook` adds the
time.
"""

from datetime import datetime
from typing import NamedTuple

from ....domain.concepts.presence import Status
from .entries import Entry

MAX_ACTIVITY = 200
DONE = "idle_prompt"
"""The notification that nothing is under way. All others are questions to the person."""


class Note(NamedTuple):
    """What Claude Code does now; without a status, it has ended, and all have left. `id` is of what says so."""

    id: str
    time: datetime
    status: Status | None
    said: str | None = None


def note_of(id: str, time: datetime, hook: Entry) -> Note | None:
    """What a hook says; None for one that says nothing new."""
    name = str(hook.get("hook_event_name"))
    if name == "SessionEnd":
        return Note(id, time, None, f"It ended: {hook.get('reason') or 'no reason is given'}."[:MAX_ACTIVITY])
    if name == "Notification" and hook.get("notification_type") != DONE:
        return Note(id, time, "waiting-for-human", str(hook.get("message") or "It asks.")[:MAX_ACTIVITY])
    if name in ("Stop", "Notification", "SessionStart"):
        return Note(id, time, "idle")
    if name == "UserPromptSubmit":
        return Note(id, time, "thinking")
    if name == "PreToolUse":
        return Note(id, time, "working", str(hook.get("tool_name") or "a tool")[:MAX_ACTIVITY])
    return Note(id, time, "thinking") if name == "PostToolUse" else None
