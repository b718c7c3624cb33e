"""Rights: which one a command takes. In a token they are scopes, each with a pattern of session ids (`speak:trip-*`).

`write` is all of them. What belongs to taking part at all, whatever one does, takes any one of them: to join and leave,
to say what one is doing, to answer a signal that concerns one.
"""

from typing import Literal, get_args

from ...domain.commands import COMMANDS

Right = Literal["speak", "state", "tasks", "signal", "session", "floor", "answer"]
RIGHTS: tuple[Right, ...] = get_args(Right)
OPERATE = "operate"
"""To rebuild and promote views; no part of `write`, and of no session."""
RECORD = "record"
"""To write what others said and did elsewhere, as said and done by them; no part of `write`."""
TAKE_PART: Literal["take part"] = "take part"
Needed = Right | Literal["take part"]

_OF_FAMILY: dict[str, Needed] = {
    "session": "session",
    "presence": TAKE_PART,
    "message": "speak",
    "tool": "speak",
    "custom": "speak",
    "state": "state",
    "task": "tasks",
    "signal": TAKE_PART,
    "approval": "speak",
    "floor": "floor",
    "stream": "speak",
}
_OF_COMMAND: dict[str, Needed] = {
    "signal.raise": "signal",
    "signal.withdraw": "signal",
    "approval.answer": "answer",
    "approval.configure": "floor",
    "stream.create": "session",
    "stream.delete": "session",
}
RIGHT_OF: dict[str, Needed] = {do: _OF_COMMAND.get(do, _OF_FAMILY[do.partition(".")[0]]) for do in COMMANDS}
"""By the name of each command: the right that it takes."""

WORDS: dict[str, str] = {
    "read": "read",
    TAKE_PART: "write to",
    "speak": "speak in",
    "state": "change the state of",
    "tasks": "manage tasks in",
    "signal": "interrupt work in",
    "session": "open, describe, close or fork",
    "floor": "move the floor of",
    "answer": "answer questions in",
}
"""What each right is one to do, in a refusal."""
