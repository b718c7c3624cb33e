"""What the taps of all frameworks are: a gateway, who speaks there, who may see it, and the runs that are recorded."""

import asyncio
import atexit
import contextlib
import logging
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import wraps
from typing import Any, ParamSpec, TypedDict, Unpack

from ...client.agent.error_policy import ErrorText, told_of
from ...client.arguments import To
from ...client.errors import reason_of
from ...client.transport.identity import Token
from ...domain.errors import ConfigurationError
from ...domain.ids import ParticipantId, SessionId
from ..background import Background, InThreads
from ..journal import session_id
from .backlog import MAX_CHARS, Room
from .run_record import RunRecord
from .run_writer import RunWriter
from .speakers import Speakers, TokenFor
from .speech import Audiences
from .values import sound

FLUSH_TIMEOUT_S = 5.0
"""For which closing waits for the gateway to take what is left."""
LATE_END_S = 1.0
"""For which closing waits for runs to end: a framework may say so a moment after the program has all of the output."""
TEAM = "agents"
MAX_TITLE_CHARS = 120
RUN_CHARS = 5_000
"""What a run counts besides its input, so that their number is bounded, too."""
P = ParamSpec("P")
logger = logging.getLogger("stenogram.adapters.taps")


class TapOptions(TypedDict, total=False):
    """How a tap gets at the gateway, and what it makes of what it is told.

    `session`: where all is recorded; without it, the session of the framework's own conversation or thread, or a new
    one for each run. `participant`: who holds the runs; without it, the agent that a run begins with. `token`: of that
    participant, who then speaks for all agents; or `tokens`, a function that makes one for each participant. `to` is
    who may see what agents do, `sub_agents_to` what sub-agents do: the team, unless you say otherwise. What the record
    says of an exception is the name of its class, `error_text=str` its text. `max_chars` of text and values wait while
    the gateway is away.
    """

    session: str | None
    participant: ParticipantId | None
    token: Token | None
    tokens: TokenFor | None
    to: To | None
    sub_agents_to: To | None
    error_text: ErrorText
    max_chars: int


class Tap(InThreads):
    """Records runs of a framework's agents; made by the modules for frameworks. May be used from any thread and loop,
    for any number of runs at once. The connection is made with the first run, also after it was closed. `aclose`
    (`async with`), leaving a `with` and the end of the process wait up to five seconds for what is still to be sent;
    before that, up to one for a run whose end the framework has not told of: that run has then failed."""

    framework = "framework"
    cancellations: tuple[type[BaseException], ...] = ()
    """Exceptions with which the framework ends a run that was cancelled, besides the usual."""

    def __init__(self, url: str, **options: Unpack[TapOptions]) -> None:
        if options.get("token") is not None and options.get("tokens") is not None:
            raise ConfigurationError("Give the tap either one token or a function that makes them.")
        self._url = url
        self._options = options
        self._session = options.get("session")
        self._audiences = Audiences(options.get("to"), options.get("sub_agents_to", TEAM))
        self._room = Room(options.get("max_chars", MAX_CHARS))
        self._background = Background(self._end)
        self._speakers: Speakers | None = None
        self._writing: dict[Future[None], RunRecord] = {}
        self._at_exit = atexit.register(_close, weakref.ref(self))

    def begin(
        self, holder: str, prompt: str, input: Any, conversation: str | None = None, *, steerable: bool = False
    ) -> RunRecord:
        """A run begins. `holder` is the agent that it begins with, `prompt` what it was asked, `conversation` what the
        framework calls the one that it is a part of."""
        title = sound(prompt.strip().partition("\n")[0][:MAX_TITLE_CHARS])
        run = RunRecord(self._room, title or holder, input, holder, steerable)
        if not self._room.take(run.input.chars + RUN_CHARS):
            logger.warning("Run %s is not recorded: too much waits for the gateway", run.id)
            run.backlog.discard()
            return run
        name = self._session or conversation
        where = f"run-{run.id}" if name is None else session_id(name)
        future = self._background.submit(self._write(run, where))
        self._writing[future] = run
        future.add_done_callback(lambda done: self._writing.pop(done, None))
        return run

    def finish(self, run: RunRecord, output: Any = None, error: BaseException | None = None) -> None:
        """A run is over: with an output, or by an error, which may be a cancellation."""
        cancelled = isinstance(error, (*CANCELLATIONS, *self.cancellations))
        run.end(output, None if error is None else self.error_text(error), cancelled=cancelled)

    def error_text(self, error: BaseException) -> str:
        """What the record says of an exception."""
        return told_of(error, self._options.get("error_text", reason_of))

    async def _write(self, run: RunRecord, session: SessionId) -> None:
        if self._speakers is None:
            options = self._options
            self._speakers = Speakers(
                self._url, options.get("token"), options.get("tokens"), options.get("participant")
            )
        try:
            await RunWriter(run, session, self.framework, self._speakers, self._audiences).write()
        finally:
            self._room.give(run.input.chars + RUN_CHARS)

    async def _end(self) -> None:
        """In the loop: let the runs that have ended be written to their end."""
        writing = {asyncio.wrap_future(future): run for future, run in self._writing.items()}
        if at_work := [future for future, run in writing.items() if not run.ended]:
            await asyncio.wait(at_work, timeout=LATE_END_S)
        for run in writing.values():
            run.end(error="The tap was closed.")
        if writing:
            _, late = await asyncio.wait(writing, timeout=FLUSH_TIMEOUT_S)
            for each in late:
                each.cancel()
        speakers, self._speakers = self._speakers, None
        if speakers is not None:
            await speakers.aclose()


class RunStopped(Exception):
    """Somebody in the session has stopped this run (a signal `cancel`)."""

    def __init__(self) -> None:
        super().__init__("The run was stopped by a signal in its session.")


CANCELLATIONS = (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, RunStopped)


def prompt_of(input: Any) -> str:
    """What a run was asked: the last thing that is said in its input."""
    if isinstance(input, Mapping) and "messages" in input:
        input = input["messages"]
    while isinstance(input, list | tuple) and input:  # of a pair (role, words), the words
        input = input[-1]
    content = input.get("content") if isinstance(input, Mapping) else getattr(input, "content", input)
    return content if isinstance(content, str) else ""


def quietly(told: Callable[P, None]) -> Callable[P, None]:
    """A callback of a framework, whose failure must not reach the program: it is logged."""

    @wraps(told)
    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            told(*args, **kwargs)
        except RunStopped:
            raise
        except Exception:
            logger.exception("What a framework said could not be recorded")

    return call


def _close(tap: "weakref.ref[Tap]") -> None:
    """At the end of the process."""
    if (left := tap()) is not None:
        with contextlib.suppress(Exception):
            left._shut()
