"""Runs of Google's ADK, recorded as they happen: a plugin.

    tap = GoogleADKTap("http://127.0.0.1:8600")
    runner = Runner(app=App(name="trips", root_agent=agent, plugins=[tap]), session_service=service)

An invocation is a run. An agent that is a tool (`AgentTool`) is a sub-agent; one that is transferred to is not.
"""

import asyncio
from collections.abc import Mapping
from contextvars import ContextVar, Token
from typing import Any, Unpack

from google.adk.agents.callback_context import CallbackContext
from google.adk.agents.invocation_context import InvocationContext
from google.adk.models.llm_request import LlmRequest
from google.adk.models.llm_response import LlmResponse
from google.adk.plugins.base_plugin import BasePlugin
from google.adk.tools.base_tool import BaseTool
from google.adk.tools.tool_context import ToolContext
from google.genai import types

from ...client.arguments import drop_none
from .run_record import CallRecord, MessageRecord, RunRecord
from .steps import Speaker, StreamedText
from .tap import Tap, TapOptions, quietly
from .values import text_of


class _Answer:
    """What an agent's model answers: the last response has all of it, but for calls that come apart from it."""

    def __init__(self, message: MessageRecord) -> None:
        self.message = message
        self.whole: list[StreamedText] = []
        self.usage: Mapping[str, Any] | None = None
        self.stop: str | None = None
        self.is_whole = False

    def settle(self) -> None:
        """Nothing more of it comes."""
        self.message.end(self.whole, usage=self.usage, stop=self.stop)


class _Run:
    """An invocation, or one of an agent that is a tool."""

    def __init__(self, record: RunRecord, is_sub: bool) -> None:
        self.record = record
        self.is_sub = is_sub
        self.answers: dict[str, _Answer] = {}
        self.asked: dict[str, MessageRecord] = {}
        self.calls: dict[str, tuple[CallRecord, Token[_Run | None]]] = {}

    @property
    def is_at_work(self) -> bool:
        """Whether a model is in the middle of an answer, or a tool at work."""
        return bool(self.calls) or not all(each.is_whole for each in self.answers.values())

    def speaker(self, agent: str) -> Speaker:
        """An agent of it."""
        return Speaker(agent, self.is_sub)

    def settle(self, agent: str) -> None:
        """An agent has gone on, or ended: what its model was saying is said, unless it was cut."""
        answer = self.answers.get(agent)
        if answer is not None and answer.is_whole:
            del self.answers[agent]
            answer.settle()


class GoogleADKTap(Tap, BasePlugin):
    """Give it to the app among its `plugins`. The session of ADK is the session, unless a `session` was
    given. Closing the runner closes it.

    A cancel ends the run as `InvocationContext.abort` does. What it is told by steering is added to the contents of the
    model's next request, as a user's.
    """

    framework = "google-adk"

    def __init__(self, url: str, **options: Unpack[TapOptions]) -> None:
        super().__init__(url, **options)
        self.name = "stenogram"
        self._runs: dict[str, _Run] = {}
        self._inside: ContextVar[_Run | None] = ContextVar("stenogram_run", default=None)
        """The run whose tool is at work."""

    async def close(self) -> None:
        """Send what is left, and close the connection; the runner does so when it is closed."""
        await self.aclose()

    async def before_run_callback(self, *, invocation_context: InvocationContext) -> None:
        """An invocation begins."""
        self._begin(invocation_context)

    async def after_run_callback(self, *, invocation_context: InvocationContext) -> None:
        """It has ended, or was aborted."""
        id, task = invocation_context.invocation_id, asyncio.current_task()
        run = self._runs.get(id)
        # To ADK it is a good end, too, when the program reads no further or is cancelled.
        is_cut = invocation_context.is_aborted or (task is not None and task.cancelling() > 0)
        is_cut = is_cut or (run is not None and run.is_at_work)
        self._over(id, asyncio.CancelledError() if is_cut else None)

    async def on_run_error_callback(self, *, invocation_context: InvocationContext, error: Exception) -> None:
        """It failed."""
        self._over(invocation_context.invocation_id, error)

    async def after_agent_callback(self, *, agent: Any, callback_context: CallbackContext) -> None:
        """An agent has ended."""
        self._settle(callback_context)

    async def before_model_callback(self, *, callback_context: CallbackContext, llm_request: LlmRequest) -> None:
        """A model is asked."""
        self._asks(callback_context, llm_request)

    async def after_model_callback(self, *, callback_context: CallbackContext, llm_response: LlmResponse) -> None:
        """A model has answered, or says the next piece."""
        self._answers(callback_context, llm_response)

    async def on_model_error_callback(
        self, *, callback_context: CallbackContext, llm_request: LlmRequest, error: Exception
    ) -> None:
        """A model failed."""
        run = self._runs.get(callback_context.invocation_id)
        answer = None if run is None else run.answers.pop(callback_context.agent_name, None)
        if answer is not None:
            answer.message.interrupt(self.error_text(error))

    async def before_tool_callback(
        self, *, tool: BaseTool, tool_args: dict[str, Any], tool_context: ToolContext
    ) -> None:
        """A tool is called."""
        self._calls(tool, tool_args, tool_context)

    async def after_tool_callback(
        self, *, tool: BaseTool, tool_args: dict[str, Any], tool_context: ToolContext, result: Any
    ) -> None:
        """It returned."""
        self._returns(tool_context, result, None)

    async def on_tool_error_callback(
        self, *, tool: BaseTool, tool_args: dict[str, Any], tool_context: ToolContext, error: BaseException
    ) -> None:
        """It failed, or was cancelled."""
        self._returns(tool_context, None, self.error_text(error))

    @quietly
    def _begin(self, context: InvocationContext) -> None:
        around, id = self._inside.get(), context.invocation_id
        if around is not None and not around.record.ended:
            self._runs[id] = _Run(around.record, True)
            return
        agent = context.agent.name if context.agent is not None else "agent"
        said = context.user_content
        prompt = "".join(part.text or "" for part in said.parts or ()) if said is not None else ""
        record = self.begin(agent, prompt, prompt or said, context.session.id, steerable=True)
        record.stop = context.abort
        self._runs[id] = _Run(record, False)
        if (task := asyncio.current_task()) is not None:  # ADK tells plugins nothing of a task that is cancelled
            task.add_done_callback(lambda done: self._over(id, asyncio.CancelledError()))

    @quietly
    def _over(self, invocation: str, error: BaseException | None) -> None:
        run = self._runs.pop(invocation, None)
        if run is None:
            return
        for answer in run.answers.values():
            if error is None:
                answer.settle()
            else:
                answer.message.interrupt(self.error_text(error))
        if not run.is_sub:
            self.finish(run.record, error=error)

    @quietly
    def _settle(self, context: CallbackContext) -> None:
        if (run := self._runs.get(context.invocation_id)) is not None:
            run.settle(context.agent_name)

    @quietly
    def _asks(self, context: CallbackContext, request: LlmRequest) -> None:
        run = self._runs.get(context.invocation_id)
        if run is None:
            return
        run.settle(context.agent_name)
        for instruction in () if run.is_sub else run.record.instructions():
            part = types.Part.from_text(text=text_of(instruction))
            request.contents.append(types.Content(role="user", parts=[part]))
        message = run.record.message(run.speaker(context.agent_name), model=request.model)
        run.answers[context.agent_name] = _Answer(message)

    @quietly
    def _answers(self, context: CallbackContext, response: LlmResponse) -> None:
        run = self._runs.get(context.invocation_id)
        answer = None if run is None else run.answers.get(context.agent_name)
        if run is None or answer is None:
            return
        parts = (response.content.parts if response.content is not None else None) or ()
        texts = [("reasoning" if part.thought else "text", part.text) for part in parts if part.text]
        if response.partial:
            for kind, text in texts:
                answer.message.write(text, kind)
            return
        answer.whole, answer.is_whole = answer.whole + texts, True
        for part in parts:
            if part.function_call is not None and part.function_call.id:
                run.asked[part.function_call.id] = answer.message
        if (told := response.usage_metadata) is not None:
            numbers = {"input_tokens": told.prompt_token_count or 0, "output_tokens": told.candidates_token_count or 0}
            answer.usage = drop_none(model=response.model_version or None, **numbers)
        answer.stop = None if response.finish_reason is None else str(response.finish_reason.value)

    @quietly
    def _calls(self, tool: BaseTool, arguments: dict[str, Any], context: ToolContext) -> None:
        run = self._runs.get(context.invocation_id)
        if run is None:
            return
        run.settle(context.agent_name)
        id = context.function_call_id or tool.name
        asked = run.asked.pop(id, None)
        record = run.record.call(run.speaker(context.agent_name), tool.name, arguments, asked, id=id)
        # In the task of the call: an agent that is this tool runs in it, or in one that it starts.
        run.calls[id] = (record, self._inside.set(run))

    @quietly
    def _returns(self, context: ToolContext, result: Any, error: str | None) -> None:
        run = self._runs.get(context.invocation_id)
        record, token = (None, None) if run is None else run.calls.pop(context.function_call_id or "", (None, None))
        if record is not None:
            record.end(result, error)
        if token is not None:
            self._inside.reset(token)
