"""Every command by name, and how one is read."""

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from .catalogue import payload
from .concepts import approvals, custom, document, floor, lifecycle, messages, presence, signals, streams, tasks, tools
from .errors import Invalid, UnknownCommand
from .json.checks import refuse_unwritable
from .model import CommandData
from .wording.wrong_input import explain

MAX_MEMBERS = 64
COMMANDS: dict[str, type[CommandData]] = {
    model.do: model
    for model in (
        lifecycle.OpenSession,
        lifecycle.ForkSession,
        lifecycle.DescribeSession,
        lifecycle.LabelSession,
        lifecycle.CloseSession,
        lifecycle.ReopenSession,
        presence.Join,
        presence.ReportStatus,
        presence.Leave,
        messages.PostMessage,
        messages.StartMessage,
        messages.StreamDelta,
        messages.CompleteMessage,
        messages.AbortMessage,
        tools.CallTool,
        tools.StreamOutput,
        tools.ReturnTool,
        document.PatchState,
        document.MergeState,
        document.IncrementState,
        tasks.CreateTask,
        tasks.ClaimTask,
        tasks.ProgressTask,
        tasks.CompleteTask,
        tasks.FailTask,
        tasks.ReleaseTask,
        tasks.RerouteTask,
        tasks.CancelTask,
        signals.RaiseSignal,
        signals.DeliverSignal,
        signals.HonourSignal,
        signals.RefuseSignal,
        signals.WithdrawSignal,
        approvals.RequestApproval,
        approvals.AnswerApproval,
        approvals.WithdrawApproval,
        approvals.ConfigureApprovals,
        floor.MoveFloor,
        streams.CreateStream,
        streams.AppendToStream,
        streams.CloseStream,
        streams.DeleteStream,
        custom.RecordCustom,
    )
}


def _read_custom(data: Any) -> CommandData:
    parsed = custom.RecordCustom.model_validate(data)
    payload(parsed.type, parsed.data)
    return parsed


_READERS: dict[str, Callable[[Any], CommandData]] = {
    **{do: model.__pydantic_validator__.validate_python for do, model in COMMANDS.items()},
    custom.RecordCustom.do: _read_custom,
}
"""By name: what makes a command of its payload, or raises."""


def parse_command(do: object, data: Any) -> CommandData:
    """Validate the payload of the command called `do`, whatever it is. Raises UnknownCommand, TooDeep and Invalid."""
    if isinstance(do, str) and do in COMMANDS:
        refuse_unwritable(data)
    return parse_json_command(do, data)


def parse_json_command(do: object, data: Any) -> CommandData:
    """The same for a payload that was read from JSON which is not too deep."""
    read = _READERS.get(do) if isinstance(do, str) else None
    if isinstance(data, dict) and len(data) > MAX_MEMBERS:  # each would be a fault of its own
        raise Invalid(f"{str(do)[:100]}: it has {len(data):,} members, more than any command.")
    if read is None:
        raise UnknownCommand(f"There is no such command; there are {', '.join(COMMANDS)}.")
    try:
        return read(data)
    except ValidationError as error:
        raise Invalid(f"{do}: {explain(error, COMMANDS[str(do)])}.") from None
