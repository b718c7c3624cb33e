"""Three agents of OpenAI Agents with models that are none: Triage hands over to Booking, who asks Researcher."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from agents import Agent, function_tool, set_tracing_disabled
from agents.items import ModelResponse
from agents.models.interface import Model
from agents.usage import Usage
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseReasoningItem,
    ResponseReasoningSummaryTextDeltaEvent,
    ResponseTextDeltaEvent,
    ResponseUsage,
)
from openai.types.responses.response_reasoning_item import Summary
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails

from support.scripts import Script, hung_up, words

set_tracing_disabled(True)


class Scripted(Script, Model):
    """Answers by a script: words, which come one by one, or calls."""

    async def get_response(self, system_instructions: str | None, input: Any, *args: Any, **more: Any) -> ModelResponse:
        """All at once."""
        said = self.next(input)
        await asyncio.sleep(self.pause)
        if self.fails_at is not None:
            raise hung_up()
        usage = Usage(requests=1, input_tokens=7, output_tokens=3, total_tokens=10)
        return ModelResponse(
            output=[_item(each) for each in said], usage=usage, response_id=f"r-{id(self)}-{self.turn}"
        )

    async def stream_response(
        self, system_instructions: str | None, input: Any, *args: Any, **more: Any
    ) -> AsyncIterator[Any]:
        """Word by word."""
        said, number = self.next(input), 0
        for each in said:
            kind, text = each if isinstance(each, tuple) else ("text", each) if isinstance(each, str) else ("", "")
            for word in words(text) if kind in ("text", "thought") else ():
                if number == self.fails_at:
                    raise hung_up()
                number += 1
                yield _thought(word, number) if kind == "thought" else _delta(word, number)
                await asyncio.sleep(self.pause)
        usage = ResponseUsage(
            input_tokens=7,
            output_tokens=3,
            total_tokens=10,
            input_tokens_details=InputTokensDetails.model_construct(cached_tokens=0, cache_write_tokens=0),
            output_tokens_details=OutputTokensDetails(reasoning_tokens=0),
        )
        response = Response(
            id=f"r-{id(self)}-{self.turn}",
            created_at=0,
            model="scripted",
            object="response",
            output=[_item(each) for each in said],
            tool_choice="none",
            tools=[],
            parallel_tool_calls=False,
            usage=usage,
        )
        yield ResponseCompletedEvent(type="response.completed", response=response, sequence_number=number + 1)


def _delta(word: str, number: int) -> Any:
    return ResponseTextDeltaEvent(
        type="response.output_text.delta",
        delta=word,
        content_index=0,
        item_id="m",
        output_index=0,
        sequence_number=number,
        logprobs=[],
    )


def _thought(word: str, number: int) -> Any:
    return ResponseReasoningSummaryTextDeltaEvent(
        type="response.reasoning_summary_text.delta",
        delta=word,
        item_id="t",
        output_index=0,
        sequence_number=number,
        summary_index=0,
    )


def _item(said: Any) -> Any:
    if isinstance(said, ResponseFunctionToolCall):
        return said
    if isinstance(said, tuple):
        return ResponseReasoningItem(id="t", type="reasoning", summary=[Summary(text=said[1], type="summary_text")])
    text = ResponseOutputText(text=said, type="output_text", annotations=[])
    return ResponseOutputMessage(id="m", content=[text], role="assistant", status="completed", type="message")


def call(name: str, id: str, **arguments: Any) -> ResponseFunctionToolCall:
    """A call of a tool."""
    return ResponseFunctionToolCall(type="function_call", name=name, call_id=id, arguments=json.dumps(arguments))


@function_tool
def find_hotels(city: str) -> str:
    """Find hotels."""
    return f"Casa Azul in {city}"


@function_tool(failure_error_function=None)
def book(hotel: str) -> str:
    """Book a hotel."""
    raise PermissionError(f"no card for {hotel}")


def team(about: str = "Lisbon", pause: float = 0.0, nested: list[Any] | None = None, **models: Scripted) -> Agent[Any]:
    """The agent to run; `nested` gets the results of runs inside a tool."""

    async def extract(result: Any) -> str:
        if nested is not None:
            nested.append(result)
        return str(result.final_output)

    researcher = Agent(
        "Researcher",
        model=models.get("researcher")
        or Scripted([call("find_hotels", "c-2", city=about)], f"Casa Azul in {about} is free.", pause=pause),
        tools=[find_hotels],
    )
    ask = researcher.as_tool("ask_researcher", "Asks the researcher.", custom_output_extractor=extract)
    booking = Agent(
        "Booking",
        model=models.get("booking")
        or Scripted([call("ask_researcher", "c-1", input=about)], f"Dear Maya, Casa Azul in {about}.", pause=pause),
        tools=[ask, book],
    )
    triage = models.get("triage") or Scripted(
        [("thought", "Who can do this?"), "Booking will help.", call("transfer_to_booking", "c-0")], pause=pause
    )
    return Agent("Triage", model=triage, handoffs=[booking])
