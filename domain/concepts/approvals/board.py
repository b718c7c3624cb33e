"""The questions of a session as they stand."""

from datetime import datetime
from typing import Literal, NamedTuple

from immutables import Map
from pydantic import JsonValue

from ...ids import ApprovalId, ParticipantId, TaskId, Version
from ...model import JsonObject
from ..open_work import OpenWork
from .events import DEFAULT_AFTER
from .questions import Answer, Question


class Approval(NamedTuple):
    """A question as it stands; `answered` is the version of the answer, `option`, `value`, `words` and `answers` are
    what holds."""

    id: ApprovalId
    requester: ParticipantId
    task: TaskId | None
    question: str
    options: tuple[str, ...]
    of: tuple[str, ...] | None
    default: str | None
    due: datetime | None
    since: Version
    status: Literal["open", "answered", "expired", "withdrawn"] = "open"
    option: str | None = None
    answered: Version = Version(0)
    run: str | None = None
    answer_schema: JsonObject | None = None
    value: JsonValue = None
    audience: tuple[str, ...] | None = None
    own_words: bool = False
    words: str | None = None
    questions: tuple[Question, ...] = ()
    answers: dict[str, Answer] = {}


class Rules(NamedTuple):
    """What agents may do with questions of their own."""

    self_answer: bool = False
    default_after: float = DEFAULT_AFTER


class Approvals(NamedTuple):
    """All approvals; the open ones; whose these are; and the rules for agents."""

    known: Map[ApprovalId, Approval] = Map()
    open: Map[ApprovalId, None] = Map()
    work: OpenWork = OpenWork()
    rules: Rules = Rules()


EMPTY = Approvals()
