"""Runs of OpenAI Agents, recorded as they happen: every run of the program, from one line on.

    OpenAIAgentsTap("http://127.0.0.1:8600").install()
    result = Runner.run_streamed(agent, "A hotel in Lisbon?")

`Runner` asks the SDK's default runner. The tap takes its place and passes everything on, with hooks of its own before
the program's, which tell of agents, models, tools and handoffs, and with an eye on the streamed events. A run inside a
tool (`agent.as_tool`) is a part of the run around it, and its agent a sub-agent.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, Self, Unpack, cast

import orjson
from agents import Agent, Handoff, ModelResponse, RunConfig, RunHooks, RunResult, RunResultStreaming
from agents.run import AgentRunner, get_default_agent_runner, set_default_agent_runner
from agents.run_config import CallModelData, ModelInputData

from ...client.agent.cancel_scope import CancelScope
from ...client.arguments import drop_none
from ..background import in_loop
from .run_record import CallRecord, MessageRecord, RunRecord, by_flag
from .steps import Speaker, StreamedText
from .tap import RunStopped, Tap, TapOptions, prompt_of, quietly
from .values import text_of

DELTAS = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "text",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning_summary_text.delta": "reasoning",
}
"""Streamed events that bring text, and which kind."""
ENDS = ("response.completed", "response.incomplete", "response.failed")
TOLD_BY_HOOKS = ("message", "reasoning", "function_call")
Options = dict[str, Any]


class OpenAIAgentsTap(Tap):
    """Records every run of `Runner` from `install` to `uninstall`, or until it is closed. The SDK's session
    (`session=`), conversation or group (`RunConfig.group_id`) is the session, unless a `session` was given.

    A cancel ends a streamed run as `result.cancel()` does, and any other by `RunStopped`. What it is told by steering
    is added to the input of the model's next call, as a user's message.
    """

    framework = "openai-agents"

    def __init__(self, url: str, **options: Unpack[TapOptions]) -> None:
        super().__init__(url, **options)
        self._before: AgentRunner | None = None

    def install(self) -> Self:
        """Record what runs from now on. Idempotent."""
        if self._before is None:
            self._before = get_default_agent_runner()
            set_default_agent_runner(_TappedRunner(self, self._before))
        return self

    @property
    def installed(self) -> bool:
        """Whether runs are recorded."""
        return self._before is not None

    def uninstall(self) -> None:
        """Record no further runs. Idempotent."""
        before, self._before = self._before, None
        runner = get_default_agent_runner()
        if before is not None and isinstance(runner, _TappedRunner) and runner.tap is self:
            set_default_agent_runner(before)  # otherwise somebody else's runner asks ours, which passes it on

    def _shut(self) -> None:
        self.uninstall()
        super()._shut()


class _Run:
    """A run, or one inside a tool of another."""

    def __init__(self, tap: Tap, record: RunRecord, is_sub: bool) -> None:
        self.tap = tap
        self.record = record
        self.is_sub = is_sub
        self._messages: list[MessageRecord] = []
        self._streamed = 0
        self._calls: dict[str, CallRecord] = {}
        self._asked: dict[str, MessageRecord] = {}

    def speaker(self, agent: Any) -> Speaker:
        """An agent of the run."""
        return Speaker(str(agent.name), self.is_sub)

    @quietly
    def asks(self, agent: Agent[Any]) -> None:
        """A model is called."""
        self._messages.append(self.record.message(self.speaker(agent), model=_model(agent)))

    @quietly
    def streams(self, event: Any) -> None:
        """A streamed event. The n-th response that is streamed is that of the n-th call."""
        if event.type != "raw_response_event":
            return
        kind = event.data.type
        if (part := DELTAS.get(kind)) is not None and self._streamed < len(self._messages):
            self._messages[self._streamed].write(event.data.delta, part)
        elif kind in ENDS:
            self._streamed += 1

    @quietly
    def answers(self, agent: Agent[Any], response: ModelResponse) -> None:
        """A model has answered."""
        message = self._messages[-1]
        for item in response.output:
            kind = getattr(item, "type", "")
            if kind == "function_call":
                self._asked[str(getattr(item, "call_id", None))] = message
            elif kind not in TOLD_BY_HOOKS:  # the provider's own tools have been at work already
                self.record.call(self.speaker(agent), kind, item, message).end()
        usage = response.usage
        took = drop_none(model=_model(agent), input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)
        message.end(_parts(response), usage=took if usage.total_tokens else None, id=response.response_id)

    @quietly
    def calls(self, context: Any, agent: Any, tool: Any) -> None:
        """A tool is called."""
        id = getattr(context, "tool_call_id", None) or tool.name
        arguments = getattr(context, "tool_arguments", None)
        asked = self._asked.pop(id, None)
        self._calls[id] = self.record.call(self.speaker(agent), tool.name, _arguments(arguments), asked, id=id)

    @quietly
    def returns(self, context: Any, tool: Any, result: object) -> None:
        """It returned."""
        if (call := self._calls.pop(getattr(context, "tool_call_id", None) or tool.name, None)) is not None:
            call.end(result)

    @quietly
    def hands_off(self, agent: Any, other: Any) -> None:
        """Another agent takes over."""
        name = Handoff.default_tool_name(other)
        self.record.call(self.speaker(agent), name, None, self._messages[-1]).end({"assistant": other.name})

    @quietly
    def ends(self, output: Any = None, error: BaseException | None = None) -> None:
        """It is over: what is open in it, or all of the run."""
        if not self.is_sub:
            self.tap.finish(self.record, output, error)
        elif error is not None:
            left: list[MessageRecord | CallRecord] = [*self._messages, *self._calls.values()]
            for each in left:
                each.interrupt(self.tap.error_text(error))

    def check(self) -> None:
        """Raise RunStopped when a signal has stopped the run."""
        if self.record.stopping:
            raise RunStopped


class _Hooks(RunHooks[Any]):
    """Tells of a run, and then the program's own hooks."""

    def __init__(self, run: _Run, own: Any) -> None:
        self._run = run
        self._own = own

    async def on_llm_start(self, context: Any, agent: Any, system_prompt: str | None, input_items: list[Any]) -> None:
        self._run.check()
        self._run.asks(agent)
        if self._own is not None:
            await self._own.on_llm_start(context, agent, system_prompt, input_items)

    async def on_llm_end(self, context: Any, agent: Any, response: ModelResponse) -> None:
        self._run.answers(agent, response)
        if self._own is not None:
            await self._own.on_llm_end(context, agent, response)

    async def on_agent_start(self, context: Any, agent: Any) -> None:
        if self._own is not None:
            await self._own.on_agent_start(context, agent)

    async def on_agent_end(self, context: Any, agent: Any, output: Any) -> None:
        if self._own is not None:
            await self._own.on_agent_end(context, agent, output)

    async def on_handoff(self, context: Any, from_agent: Any, to_agent: Any) -> None:
        self._run.hands_off(from_agent, to_agent)
        if self._own is not None:
            await self._own.on_handoff(context, from_agent, to_agent)

    async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
        self._run.check()
        self._run.calls(context, agent, tool)
        if self._own is not None:
            await self._own.on_tool_start(context, agent, tool)

    async def on_tool_end(self, context: Any, agent: Any, tool: Any, result: object) -> None:
        self._run.returns(context, tool, result)
        if self._own is not None:
            await self._own.on_tool_end(context, agent, tool, result)


class _TappedRunner(AgentRunner):
    """The runner that was there, and a tap."""

    def __init__(self, tap: OpenAIAgentsTap, runner: AgentRunner) -> None:
        self.tap = tap
        self._runner = runner
        self._running: ContextVar[_Run | None] = ContextVar("stenogram_run", default=None)

    async def run(self, starting_agent: Any, input: Any, **kwargs: Any) -> RunResult:
        """Run it. Raises RunStopped when a signal has stopped it."""
        if not self.tap.installed:
            return await self._runner.run(starting_agent, input, **kwargs)
        run, scope, loop = self._begin(starting_agent, input, kwargs), CancelScope(), asyncio.get_running_loop()
        if not run.is_sub:
            run.record.stop = lambda: in_loop(loop, scope.cancel)
        scope.enter()
        try:
            with self._around(run):
                result = await self._runner.run(starting_agent, input, **self._with(run, kwargs))
        except BaseException as error:
            ours = scope.leave(error)
            run.ends(error=RunStopped() if ours else error)
            if ours:
                raise RunStopped from None
            raise
        scope.leave(None)
        run.ends(result.final_output)
        return result

    def run_sync(self, starting_agent: Any, input: Any, **kwargs: Any) -> RunResult:
        """Run it, and wait for it. A signal stops it before its next model call or tool: RunStopped is raised."""
        if not self.tap.installed:
            return self._runner.run_sync(starting_agent, input, **kwargs)
        run = self._begin(starting_agent, input, kwargs)
        if not run.is_sub:
            run.record.stop = by_flag  # the hooks look at it
        try:
            with self._around(run):
                result = self._runner.run_sync(starting_agent, input, **self._with(run, kwargs))
        except BaseException as error:
            run.ends(error=error)
            raise
        run.ends(result.final_output)
        return result

    def run_streamed(self, starting_agent: Any, input: Any, **kwargs: Any) -> RunResultStreaming:
        """Run it, streamed."""
        if not self.tap.installed:
            return self._runner.run_streamed(starting_agent, input, **kwargs)
        run = self._begin(starting_agent, input, kwargs)
        try:
            with self._around(run):  # the task that it starts inherits this
                result = self._runner.run_streamed(starting_agent, input, **self._with(run, kwargs))
        except BaseException as error:
            run.ends(error=error)
            raise
        loop, events = asyncio.get_running_loop(), result.stream_events
        if not run.is_sub:
            run.record.stop = lambda: in_loop(loop, result.cancel)
        result.stream_events = lambda: _watched(cast("AsyncGenerator[Any, None]", events()), run)  # type: ignore[method-assign]
        assert result.run_loop_task is not None
        result.run_loop_task.add_done_callback(lambda task: _streamed_to_its_end(run, result, task))
        return result

    def _begin(self, agent: Any, input: Any, kwargs: Options) -> _Run:
        around = self._running.get()
        if around is not None and not around.record.ended:
            return _Run(self.tap, around.record, True)
        config = kwargs.get("run_config")
        group = config.get("group_id") if isinstance(config, Mapping) else getattr(config, "group_id", None)
        where = getattr(kwargs.get("session"), "session_id", None) or kwargs.get("conversation_id") or group
        said = input if isinstance(input, str | list) else "(resumed)"
        return _Run(self.tap, self.tap.begin(str(agent.name), prompt_of(said), said, where, steerable=True), False)

    def _with(self, run: _Run, kwargs: Options) -> Options:
        """The arguments, with the tap's hooks and, where instructions may come, with what reads them."""
        options = {**kwargs, "hooks": _Hooks(run, kwargs.get("hooks"))}
        if not run.is_sub:
            keeps = any(kwargs.get(name) for name in ("conversation_id", "previous_response_id"))
            new_only = keeps or bool(kwargs.get("auto_previous_response_id"))
            config = kwargs.get("run_config")
            if isinstance(config, Mapping):
                own = config.get("call_model_input_filter")
                options["run_config"] = {**config, "call_model_input_filter": self._steered(run, own, new_only)}
            else:
                config = config or RunConfig()
                own = config.call_model_input_filter
                options["run_config"] = replace(config, call_model_input_filter=self._steered(run, own, new_only))
        return options

    @contextmanager
    def _around(self, run: _Run) -> Iterator[None]:
        token = self._running.set(run)
        try:
            yield
        finally:
            self._running.reset(token)

    def _steered(self, run: _Run, own: Any, new_only: bool) -> Callable[[CallModelData[Any]], Any]:
        """A filter of the model's input that adds what the run was told: only what is new, where the provider keeps the
        conversation. Runs inside tools inherit the filter, and are not told."""

        async def filter(data: CallModelData[Any]) -> ModelInputData:
            model = data.model_data
            if own is not None:
                made = own(data)
                model = await made if asyncio.iscoroutine(made) else made
            told = run.record.instructions(all=not new_only) if self._running.get() is run else []
            added: list[Any] = [{"role": "user", "content": text_of(each)} for each in told]
            return ModelInputData([*model.input, *added], model.instructions) if added else model

        return filter


async def _watched(events: AsyncGenerator[Any, None], run: _Run) -> AsyncIterator[Any]:
    """The events, each told of before the program gets it."""
    async with aclosing(events):
        async for event in events:
            run.streams(event)
            yield event


def _streamed_to_its_end(run: _Run, result: RunResultStreaming, task: "asyncio.Task[Any]") -> None:
    if task.cancelled():
        run.ends(error=asyncio.CancelledError())
        return
    error = task.exception() or result.run_loop_exception
    run.ends(None if error else result.final_output, error)


def _model(agent: Agent[Any]) -> str | None:
    """What its model is called, where that is known."""
    return agent.model or None if isinstance(agent.model, str) else None


def _parts(response: ModelResponse) -> list[StreamedText]:
    """What a response says and thinks."""
    parts: list[StreamedText] = []
    for item in response.output:
        part = {"message": "text", "reasoning": "reasoning"}.get(getattr(item, "type", ""))
        for block in [*(getattr(item, "summary", None) or ()), *(getattr(item, "content", None) or ())] if part else ():
            text = getattr(block, "text", None) or getattr(block, "refusal", None)
            if part and isinstance(text, str):
                parts.append((part, text))
    return parts


def _arguments(said: Any) -> Any:
    try:
        return orjson.loads(said) if isinstance(said, str) else said
    except orjson.JSONDecodeError:
        return said
