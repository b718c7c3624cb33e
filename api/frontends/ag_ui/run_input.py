"""What a page sends to begin or to follow a run: AG-UI's RunAgentInput. What a later version adds is passed over.

A page sends the whole conversation each time. Here it is in the log already: what is new in it is what the person says,
and that alone is posted. What the page had its user's tools do, and what else it wants the agent to know, goes into the
task that is the run.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from ....domain.errors import Invalid
from ....domain.ids import Name
from ....domain.wording.wrong_input import explain
from ..envelopes import message_id
from ..transcript import RESULT_OF_PAGE
from ..turn_requests import Reply, Said, TurnRequest, said_by_page
from .translation import PART


class _Input(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class InputMessage(_Input):
    """A message of the conversation, as far as it matters here."""

    id: Annotated[str, Field(min_length=1, max_length=1_000)]
    role: str
    content: str | list[dict[str, JsonValue]] | dict[str, JsonValue] | None = None
    toolCallId: str | None = None
    error: str | None = None


class ResumeEntry(_Input):
    """What is said to an interrupt."""

    interruptId: Name
    status: Literal["resolved", "cancelled"]
    payload: JsonValue = None


class RunAgentInput(_Input):
    """The body with which a run begins, and with which a page connects."""

    threadId: Name
    runId: Name
    protocolVersion: str | None = None
    messages: list[InputMessage] = []
    tools: list[JsonValue] | None = None
    context: list[JsonValue] | None = None
    forwardedProps: JsonValue = None
    state: JsonValue = None
    resume: Annotated[list[ResumeEntry], Field(max_length=64)] | None = None

    @property
    def old(self) -> bool:
        """Whether the client is of before 1.0, which names its version."""
        return self.protocolVersion is None


class StopInput(_Input):
    """Which run to stop; absent: all of the thread."""

    runId: Name | None = None


def read_input(members: Any) -> RunAgentInput:
    """Raises Invalid."""
    try:
        return RunAgentInput.model_validate(members)
    except ValidationError as error:
        raise Invalid(f"This is no RunAgentInput: {explain(error, RunAgentInput)}.") from None


def turn_request(given: RunAgentInput, agent: str | None) -> TurnRequest:
    """What the input asks for."""
    last = max((n for n, each in enumerate(given.messages) if each.role == "assistant"), default=-1)
    said = {said.id: said for each in given.messages if each.role == "user" and (said := _said(each)) is not None}
    new = given.messages[last + 1 :]
    replies = [Reply(each.interruptId, each.payload, each.status == "cancelled") for each in given.resume or ()]
    instructions = [_text(each) for each in given.messages if each.role in ("system", "developer")]
    results = [
        {"call": each.toolCallId, "content": _text(each), **({"error": each.error} if each.error else {})}
        for each in new
        if each.role == "tool"
    ]
    more = {
        "messages": [message_id(each.id) for each in new if each.role == "user"],
        "tool_results": results,
        "instructions": instructions,
        "tools": given.tools,
        "context": given.context,
        "forwarded_props": given.forwardedProps,
        "state": given.state,
    }
    records = tuple(_result(each) for each in new if each.role == "tool" and each.toolCallId)
    wanted = {name: value for name, value in more.items() if value}
    return TurnRequest(given.runId, agent, tuple(said.values()), tuple(replies), records, wanted)


def _result(message: InputMessage) -> tuple[str, dict[str, Any]]:
    """What a tool of the page's own came to: kept as it is, for readers of AG-UI; known by its message."""
    data = {"messageId": message.id, "toolCallId": message.toolCallId, "content": _text(message), "role": "tool"}
    error = {"metadata": {"error": message.error}} if message.error else {}
    return f"result.{message.id}", {"type": RESULT_OF_PAGE, "data": {**data, **error}}


def _said(message: InputMessage) -> Said | None:
    parts = message.content if isinstance(message.content, list) else []
    return said_by_page(message.id, _text(message), [each for each in parts if each.get("type") != "text"], PART)


def _text(message: InputMessage) -> str:
    if isinstance(message.content, list):
        return "".join(str(each.get("text", "")) for each in message.content if each.get("type") == "text")
    return message.content if isinstance(message.content, str) else ""
