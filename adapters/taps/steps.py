"""What there is to do for a run, step by step: from the program's threads to the tap's."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .values import Value

if TYPE_CHECKING:
    from .run_record import CallRecord, MessageRecord

STEP_CHARS = 500
"""What a step counts besides its values, so that their number is bounded, too."""
StreamedText = tuple[str, str]
"""What kind of text (`text`, `reasoning`), and the text."""


class Speaker(NamedTuple):
    """An agent of the framework: what it is called there, and whether it works for another one, inside a tool call."""

    name: str
    is_sub: bool = False


class Started(NamedTuple):
    """An agent begins to speak."""

    message: "MessageRecord"


class Pieces(NamedTuple):
    """Text has gathered in a message."""

    message: "MessageRecord"
    part: str
    gathered: list[str]


class Ended(NamedTuple):
    """A message is over. `whole` is all that was said in it, where the framework says so; `reason`: why it ended
    early."""

    message: "MessageRecord"
    whole: Sequence[StreamedText] | None
    usage: Mapping[str, Any] | None
    metadata: Mapping[str, Any]
    reason: str | None
    dropped: int


class Called(NamedTuple):
    """A tool is called."""

    call: "CallRecord"
    arguments: Value | None


class Returned(NamedTuple):
    """A call returns."""

    call: "CallRecord"
    result: Value | None
    error: str | None
    dropped: bool


class Read(NamedTuple):
    """The program has got an instruction."""

    signal: str


class Finished(NamedTuple):
    """The run is over: with an output, or why it failed."""

    output: Value | None
    error: str | None
    cancelled: bool


Step = Started | Pieces | Ended | Called | Returned | Read | Finished


def chars_of(step: Step) -> int:
    """How much a step counts in its backlog; pieces of text are counted for themselves."""
    match step:
        case Called(_, Value() as value) | Returned(_, Value() as value) | Finished(Value() as value):
            return STEP_CHARS + value.chars
        case Ended(_, whole) if whole:
            return STEP_CHARS + chars_in(whole)
    return STEP_CHARS


def chars_in(whole: Sequence[StreamedText]) -> int:
    """How long it all is."""
    return sum(len(text) for _, text in whole)
