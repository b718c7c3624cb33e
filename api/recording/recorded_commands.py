"""Recorded commands as they come over HTTP."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...domain.commands import MAX_MEMBERS, parse_json_command
from ...domain.errors import Invalid, StenogramError
from ...domain.ids import SessionId
from ...domain.model import Actor, Command, Kind
from ...domain.timestamps import Time
from ...domain.wording.wrong_input import explain
from ..access.tokens import ParticipantName
from ..http.answer import Absent, HttpAnswer, Id, Number
from ..protocol.client_frames import CommandName

MAX_COMMANDS = 1_000


class RecordedCommand(BaseModel):
    """One command: who did it and when, besides what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: CommandName
    """Made from what is recorded, so that it is the same each time."""
    actor: ParticipantName
    kind: Kind
    time: Time
    do: str
    data: dict[str, Any]

    def command(self, session: SessionId) -> Command:
        """The command. Raises Invalid."""
        data = parse_json_command(self.do, self.data)
        return Command(self.id, session, Actor(self.actor, self.kind), self.time, data, recorded=True)


class RecordedInput(BaseModel):
    """Commands in the order in which they happened; `here` are the participants who are known to be at work still."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    commands: Annotated[tuple[RecordedCommand, ...], Field(max_length=MAX_COMMANDS, fail_fast=True)] = ()
    here: Annotated[tuple[ParticipantName, ...], Field(max_length=MAX_COMMANDS, fail_fast=True)] = ()

    def parsed(self, session: SessionId) -> list[Command]:
        """The commands. Raises Invalid, naming the first that cannot be read."""
        commands = []
        for number, each in enumerate(self.commands):
            try:
                commands.append(each.command(session))
            except StenogramError as error:
                raise type(error)(f"commands.{number}: {error.detail}") from None
        return commands


class RefusedAnswer(HttpAnswer):
    """A command that the rules refused: its id, and the code of the error; `stopped`, where its actor was to stop, and
    a new run of it has to begin (`presence.join` with `new_run`)."""

    id: Id
    code: str
    stopped: Literal[True] | Absent = None


class RecordedAnswer(HttpAnswer):
    """How many commands were carried out now, how many had been before, and which were refused."""

    session: Id
    done: Number
    repeated: Number
    refused: list[RefusedAnswer]


def read_recorded(members: Any) -> RecordedInput:
    """Raises Invalid."""
    listed = members.get("commands") if isinstance(members, dict) else None
    for each in (members, *(listed if isinstance(listed, list) else ())[:MAX_COMMANDS]):
        if isinstance(each, dict) and len(each) > MAX_MEMBERS:  # each would be a fault of its own
            raise Invalid(f"This cannot be recorded: an object has {len(each):,} members.")
    try:
        return RecordedInput.model_validate(members)
    except ValidationError as error:
        raise Invalid(f"This cannot be recorded: {explain(error)}.") from None
