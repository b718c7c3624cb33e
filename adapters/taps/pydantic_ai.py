"""Runs of Pydantic AI, recorded as they happen: a capability.

    tap = PydanticAITap("http://127.0.0.1:8600")
    agent = Agent("openai:gpt-5", name="concierge", capabilities=[tap])

An agent that has the tap and is run inside a tool of another is a part of that one's run, and a sub-agent.
"""

import asyncio
from contextvars import ContextVar
from typing import Any, Unpack

from pydantic_ai import RunContext
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.exceptions import RunCancelled
from pydantic_ai.messages import (
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
)

from ...client.arguments import drop_none
from .run_record import MessageRecord, RunRecord
from .steps import Speaker, StreamedText
from .tap import Tap, TapOptions, prompt_of, quietly
from .values import text_of


class _Run:
    """A run of an agent, or one inside a tool of another."""

    def __init__(self, record: RunRecord, speaker: Speaker) -> None:
        self.record = record
        self.speaker = speaker
        self.message: MessageRecord | None = None
        self.asked: dict[str, MessageRecord] = {}


class PydanticAITap(Tap, AbstractCapability[Any]):
    """Give it to agents among their `capabilities`, or to one run. The conversation is the session, unless a `session`
    was given.

    Pydantic AI streams every model for whoever listens to a run. With `stream=False` the tap does not listen: models
    are asked as they were, and recorded whole. A cancel ends the run as `RunContext.cancel` does, by `RunCancelled`.
    What it is told by steering is enqueued (`RunContext.enqueue`).
    """

    framework = "pydantic-ai"
    cancellations = (RunCancelled,)

    def __init__(self, url: str, *, stream: bool = True, **options: Unpack[TapOptions]) -> None:
        super().__init__(url, **options)
        self._listens = stream
        self._runs: dict[str | None, _Run] = {}
        self._running: ContextVar[_Run | None] = ContextVar("stenogram_run", default=None)

    @property
    def has_on_event(self) -> bool:
        """Whether it listens, and runs are to be streamed for it."""
        return self._listens

    async def wrap_run(self, ctx: RunContext[Any], *, handler: Any) -> Any:
        """A run, from its beginning to its end."""
        run = self._begin(ctx)
        self._runs[ctx.run_id] = run
        token = self._running.set(run)
        try:
            result = await handler()
        except BaseException as error:
            self._over(run, error=error)
            raise
        finally:
            self._running.reset(token)
            self._runs.pop(ctx.run_id, None)
        self._over(run, result.output)
        return result

    async def wrap_model_request(self, ctx: RunContext[Any], *, request_context: Any, handler: Any) -> ModelResponse:
        """A model is asked, and answers."""
        run = self._runs.get(ctx.run_id)
        if run is None:
            return await handler(request_context)  # type: ignore[no-any-return]
        message = run.message = run.record.message(run.speaker)
        try:
            response: ModelResponse = await handler(request_context)
        except asyncio.CancelledError:
            raise  # of a stream that failed, too: how the run ends says why
        except BaseException as error:
            message.interrupt(self.error_text(error))
            raise
        self._answered(run, message, response)
        return response

    async def on_event(self, ctx: RunContext[Any], *, event: Any) -> None:
        """The next piece of an answer."""
        self._piece(ctx, event)

    async def wrap_tool_execute(
        self, ctx: RunContext[Any], *, call: Any, tool_def: Any, args: Any, handler: Any
    ) -> Any:
        """A tool is called, and returns."""
        run = self._runs.get(ctx.run_id)
        if run is None:
            return await handler(args)
        asked = run.asked.pop(call.tool_call_id, None)
        record = run.record.call(run.speaker, call.tool_name, args, asked, id=call.tool_call_id)
        try:
            result = await handler(args)
        except BaseException as error:
            record.interrupt(self.error_text(error))
            raise
        record.end(result)
        return result

    def _begin(self, ctx: RunContext[Any]) -> _Run:
        name, around = (ctx.agent.name if ctx.agent is not None else None) or "agent", self._running.get()
        if around is not None and not around.record.ended:
            return _Run(around.record, Speaker(name, True))
        prompt = ctx.prompt if isinstance(ctx.prompt, str) else prompt_of(list(ctx.prompt or ()))
        record = self.begin(name, prompt, ctx.prompt, ctx.conversation_id, steerable=True)
        record.stop = ctx.cancel
        record.steer = lambda instruction: _enqueue(ctx, instruction)
        return _Run(record, Speaker(name))

    def _over(self, run: _Run, output: Any = None, error: BaseException | None = None) -> None:
        if not run.speaker.is_sub:
            self.finish(run.record, output, error)
        elif run.message is not None and error is not None:
            run.message.interrupt(self.error_text(error))  # nothing more, where it has ended in good order

    @quietly
    def _answered(self, run: _Run, message: MessageRecord, response: ModelResponse) -> None:
        for call in response.tool_calls:
            run.asked[call.tool_call_id] = message
        numbers = {"input_tokens": response.usage.input_tokens, "output_tokens": response.usage.output_tokens}
        took = drop_none(model=response.model_name or None, **numbers)
        message.end(_parts(response), usage=took, stop=response.finish_reason, id=response.provider_response_id)

    @quietly
    def _piece(self, ctx: RunContext[Any], event: Any) -> None:
        run = self._runs.get(ctx.run_id)
        message = None if run is None else run.message
        if message is None:
            return
        match event:
            case PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
                message.write(text)
            case PartDeltaEvent(delta=ThinkingPartDelta(content_delta=text)):
                message.write(text or "", "reasoning")
            case PartStartEvent(part=TextPart(content=text)):
                message.write(text)
            case PartStartEvent(part=ThinkingPart(content=text)):
                message.write(text, "reasoning")


def _enqueue(ctx: RunContext[Any], instruction: Any) -> None:
    ctx.enqueue(text_of(instruction))


def _parts(response: ModelResponse) -> list[StreamedText]:
    """What a response says and thinks."""
    parts: list[StreamedText] = []
    for part in response.parts:
        if isinstance(part, TextPart):
            parts.append(("text", part.content))
        elif isinstance(part, ThinkingPart):
            parts.append(("reasoning", part.content))
    return [each for each in parts if each[1]]
