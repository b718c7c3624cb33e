"""A hook's input, kept for the recorder. Claude Code waits for its hooks, so nothing is imported that is not needed."""

import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path

KEPT = ("hook_event_name", "session_id", "notification_type", "message", "tool_name", "reason")
MAX_CHARS = 500
_SESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}")


def note_hook(folder: Path, given: bytes) -> bool:
    """Add a hook's input to its session's file, with the time; whether it was one."""
    try:
        hook = json.loads(given)
        session = hook["session_id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    if not isinstance(session, str) or not _SESSION.fullmatch(session):
        return False
    kept = {name: str(hook[name])[:MAX_CHARS] for name in KEPT if hook.get(name)}
    line = json.dumps({**kept, "timestamp": datetime.now(UTC).isoformat()}).encode() + b"\n"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(folder / f"{session}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line)  # at once: hooks run side by side
    finally:
        os.close(file)
    return True
