"""The frames that clients send, and how they are read. Commands have a path of their own, since they are many."""

import re
from datetime import datetime
from functools import lru_cache
from itertools import islice
from operator import itemgetter
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from ...domain.commands import parse_json_command
from ...domain.errors import BadCursor, Invalid, TooLarge
from ...domain.ids import NAME_PATTERN, Name, ParticipantId, SessionId, TaskId, Version
from ...domain.model import TIMER, WHOLE, Actor, Attempt, Command, CommandData, Count
from ...domain.wording.patterns import NO_NUL, pattern
from ...domain.wording.wrong_input import explain
from ...log.records import Producer
from ...projections.authoring.projection import MAX_KEY
from ..delivery.event_filter import Reading
from ..delivery.log_cursor import read_cursor
from ..delivery.resume_point import read_resume_point
from ..delivery.websocket_encoder import MIN_MESSAGE_BYTES
from .json_input import read_json
from .unreadable import UnreadableFrame, read_each

MAX_NAME_CHARS = 128
_NAME = NAME_PATTERN.strip("^*$") + f"{{0,{MAX_NAME_CHARS - 1}}}"
_is_name = lru_cache(4_096)(re.compile(_NAME).fullmatch)  # the same sessions come again and again
_is_id = re.compile(f"(?!{TIMER}){_NAME}").fullmatch
_members = itemgetter("id", "session", "do", "data")
Sub = Annotated[str, Field(min_length=1, max_length=128)]
_TYPES = pattern(r"^[a-z][a-z0-9_.]*\*?$", "a type of events, or how types begin and *, such as message.*")
TypeFilter = Annotated[str, Field(pattern=_TYPES, max_length=128)]
Types = Annotated[tuple[TypeFilter, ...], Field(max_length=64)]
Tasks = Annotated[tuple[TaskId, ...], Field(max_length=100)]
After = Annotated[int, Field(strict=True), WHOLE] | Annotated[str, Field(max_length=200)]
Subject = Annotated[str, Field(max_length=512)]
MAX_DOCUMENTS = 16


def _not_ours(id: str) -> str:
    if id.startswith(TIMER):
        raise ValueError(f"ids that begin with {TIMER!r} are the gateway's own")
    return id


CommandName = Annotated[Name, AfterValidator(_not_ours)]
"""The id of a client's command."""


class _Frame(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Hello(_Frame):
    """The first frame."""

    frame: Literal["hello"]
    protocol: Annotated[int, Field(ge=1, le=1, strict=True), WHOLE] = 1
    token: str | None = None
    participant: Name | None = None
    kind: str | None = None
    run: Name | None = None
    frame_bytes: Annotated[int, Field(ge=MIN_MESSAGE_BYTES, le=2**53, strict=True), WHOLE] | None = None
    """The largest message that the client takes."""


class FollowedDocument(BaseModel):
    """A document to follow; `known` is the etag of the one that the client has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    view: Annotated[str, Field(min_length=1, max_length=64)]
    key: Annotated[str, Field(min_length=1, max_length=MAX_KEY, pattern=NO_NUL)]
    known: Annotated[str, Field(max_length=64)] = ""


class Subscribe(_Frame):
    """Asks for events from a place on, then live; or for documents of views, then how they change."""

    frame: Literal["subscribe"]
    sub: Sub | None = None
    session: SessionId | None = None
    all: Literal[True] | None = None
    views: Annotated[tuple[FollowedDocument, ...], Field(min_length=1, max_length=MAX_DOCUMENTS)] | None = None
    after: After = 0
    types: Types = ()
    reading: Reading = "raw"
    epoch: str | None = None

    @model_validator(mode="after")
    def _one_of_three(self) -> "Subscribe":
        if sum(each is not None for each in (self.session, self.all, self.views)) != 1:
            raise ValueError("exactly one of session, all and views is needed")
        return self

    @property
    def name(self) -> str:
        """The subscription's name."""
        return self.sub or self.session or ("views" if self.views else "*")

    def start(self, epoch: str) -> int | str:
        """Where to begin in the session, or in a log of this epoch. Raises BadCursor."""
        if self.epoch is not None and self.epoch != epoch:
            raise BadCursor(f"The places of epoch {self.epoch!r} are in another log; start from 0.", epoch=epoch)
        return read_cursor(self.after, epoch) if self.session is None else read_resume_point(self.after, epoch)


class Unsubscribe(_Frame):
    """Ends a subscription."""

    frame: Literal["unsubscribe"]
    sub: Sub


class Heartbeat(_Frame):
    """Says that the client lives, and with which tasks it makes progress."""

    frame: Literal["heartbeat"]
    progress: Annotated[dict[SessionId, Tasks], Field(max_length=100)] | None = None


class ProducerModel(BaseModel):
    """The place of a command in a producer's stream."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Name
    epoch: Annotated[int, Field(ge=1, le=2**53, strict=True), WHOLE]
    seq: Annotated[int, Field(ge=0, le=2**53, strict=True), WHOLE]


class Under(BaseModel):
    """The task under which a command is done, and the claim by which it is held."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: TaskId
    attempt: Attempt


class CommandFrame(_Frame):
    """Changes a session. Over HTTP the session is in the path."""

    frame: Literal["command"] = "command"
    id: CommandName
    session: SessionId
    do: str
    data: dict[str, Any]
    under: Under | None = None
    cause: Name | None = None
    expect: Annotated[dict[Subject, Count], Field(max_length=64)] | None = None
    producer: ProducerModel | None = None

    def command(self, actor: Actor, now: datetime, data: CommandData) -> Command:
        """The command, of this actor."""
        task, attempt = (self.under.task, self.under.attempt) if self.under else (None, None)
        return Command(self.id, self.session, actor, now, data, task, attempt, cause=self.cause)

    def parsed_expect(self) -> dict[str, Version]:
        """Expected heads by subject."""
        return {subject: Version(version) for subject, version in (self.expect or {}).items()}

    def parsed_producer(self, participant: ParticipantId) -> Producer | None:
        """The producer, if there is one. Its id is the participant's own: nobody else's count goes on or is fenced."""
        given = self.producer
        return None if given is None else Producer(f"{participant}/{given.id}", given.epoch, given.seq)


ControlFrame = Annotated[Subscribe | Unsubscribe | Heartbeat, Field(discriminator="frame")]
_CONTROL: TypeAdapter[Subscribe | Unsubscribe | Heartbeat] = TypeAdapter(ControlFrame)


def read_frames(raw: bytes, depth: int, batch: int) -> list[Any]:
    """The frames of one message. Raises Invalid, TooDeep and TooLarge."""
    content = read_json(raw, depth)
    return _few(content if isinstance(content, list) else [content], batch)


def read_frames_one_by_one(raw: bytes, depth: int, batch: int) -> list[Any]:
    """The frames of one message, with an `UnreadableFrame` for each that is no JSON. Raises TooLarge."""
    try:
        return read_frames(raw, depth, batch)
    except TooLarge:
        raise
    except Invalid as error:
        return _few(list(islice(read_each(raw, depth, error), batch + 1)), batch)


def _few(frames: list[Any], batch: int) -> list[Any]:
    if len(frames) > batch:
        raise TooLarge(f"A message holds at most {batch} frames.")
    return frames


def name_of(members: Any) -> object:
    """What kind of frame this is to be."""
    return members.get("frame") if isinstance(members, dict) else None


def is_command(members: Any) -> bool:
    """Whether a frame is to be a command."""
    return isinstance(members, dict) and members.get("frame") == "command"


def parse_hello(members: Any) -> Hello:
    """Read the first frame. Raises Invalid."""
    if isinstance(members, UnreadableFrame):
        raise members.error
    try:
        return Hello.model_validate(members)
    except ValidationError as error:
        raise Invalid(f"The first frame must be hello: {explain(error, Hello)}.") from None


def parse_control(members: Any) -> Subscribe | Unsubscribe | Heartbeat:
    """Read a frame that is no command. Raises Invalid."""
    if not isinstance(members, dict):
        raise Invalid("A frame is a JSON object with a member `frame`.")
    try:
        return _CONTROL.validate_python(members)
    except ValidationError as error:
        raise Invalid(f"This frame cannot be read: {explain(error)}.") from None


def parse_command_frame(members: dict[str, Any]) -> tuple[CommandFrame | None, str, str, CommandData]:
    """Read a command: the frame (None when it has nothing but the four members that each has), id, session and payload.

    The plain case is checked by hand: it is what a gateway does most. Raises Invalid and UnknownCommand.
    """
    try:
        id, session, do, data = _members(members)
        plain = len(members) == 5 and _is_id(id) and len(session) <= MAX_NAME_CHARS and _is_name(session)
    except (KeyError, TypeError):  # the model says what is wrong
        return _parse_by_model(members)
    if plain and isinstance(do, str) and isinstance(data, dict):
        return None, id, session, parse_json_command(do, data)
    return _parse_by_model(members)


def _parse_by_model(members: dict[str, Any]) -> tuple[CommandFrame, str, str, CommandData]:
    try:
        frame = CommandFrame.model_validate(members)
    except ValidationError as error:
        raise Invalid(f"This command cannot be read: {explain(error, CommandFrame)}.") from None
    return frame, frame.id, frame.session, parse_json_command(frame.do, frame.data)
