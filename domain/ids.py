"""The identifiers and coordinates that everything else speaks in.

A `Version` is an event's place in its session, a `Position` its place in the whole log; both count 1, 2, 3 … in
commit order, and 0 stands for "before the first". Names that people and programs choose (sessions, participants,
messages) share one alphabet, so that they can stand in URLs, subjects and JSON without being escaped.
"""

import uuid
from typing import Annotated, NewType

from pydantic import StringConstraints
from uuid_utils import uuid7

from .wording.patterns import pattern

Version = NewType("Version", int)
Position = NewType("Position", int)

NAME_PATTERN = pattern(
    r"^[A-Za-z0-9][A-Za-z0-9._:@+\-]*$", "a name: A-Z a-z 0-9 . _ : @ + -, beginning with a letter or digit"
)
TYPE_PATTERN = pattern(
    r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$", "words in lower case with dots between them, such as message.posted"
)

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=128)]
"""What a session, participant, message or tool call is called: 1 to 128 of `A-Z a-z 0-9 . _ : @ + -`, beginning
with a letter or digit."""

SessionId = Name
ParticipantId = Name
MessageId = Name
CallId = Name
TaskId = Name
SignalId = Name
ApprovalId = Name
CommandId = Name
EventId = Name
_RECORDED = uuid.uuid5(uuid.NAMESPACE_URL, "urn:stenogram:recording")


def new_id() -> str:
    """Make a UUID version 7 (RFC 9562) in its canonical text form.

    The ids of one process ascend in the order in which they were made, whichever threads made them. Those of a forked
    child, as of any other process, differ from its parent's by their random bits. The domain never calls this; ids
    reach it inside commands.
    """
    return str(uuid7())


def recorded_id(session: SessionId, what: str, content: str) -> str:
    """Make the id of something that is recorded: of the same content in the same session always the same one."""
    return str(uuid.uuid5(_RECORDED, f"{session}\n{what}\n{content}"))


def recorded_event_id(session: SessionId, version: int, command: CommandId) -> EventId:
    """Make the id of an event that a recorded command leads to."""
    return recorded_id(session, f"event {version}", command)
