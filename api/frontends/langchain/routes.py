"""The addresses of the Agent Streaming Protocol, as LangChain's SDK calls them.

POST /v1/langchain/threads/{thread}/stream/events · /v1/langchain/threads/{thread}/commands
GET  /v1/langchain/threads/{thread}/state
POST /v1/langchain/threads/{thread}/runs/{run}/cancel
"""

from typing import Any

from aiohttp import web

from ....domain.errors import Conflict, NotFound
from ....domain.state import State
from ...http.responses import json_response, read_body
from ...protocol.json_input import read_json
from ...protocol.queries import no_query
from ..envelopes import kinds_of
from ..followed_log import followed_log
from ..service import FrontEndService
from ..turn import RUN, waiting_for
from ..turn_requests import TurnDesk
from ..turn_stream import read_stream_place
from .answers import CommandDoneAnswer, RunsStoppedAnswer, ThreadStateAnswer
from .encoder import SEQ_BITS, filter_of, place_of_seq
from .requests import (
    EventStreamRequest,
    InputInject,
    InputRespond,
    RunStart,
    ThreadCommand,
    answering_run,
    begun_run,
    injected,
    read_input,
)
from .stream import follow_thread
from .translation import interrupt
from .values import values


class LangChainRoutes:
    """Handlers of the routes."""

    def __init__(self, service: FrontEndService) -> None:
        self._service = service

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve them."""
        thread = "/v1/langchain/threads/{thread}"
        router.add_post(f"{thread}/stream/events", self.stream)
        router.add_post(f"{thread}/commands", self.command)
        router.add_get(f"{thread}/state", self.state, allow_head=False)
        router.add_post(f"{thread}/runs/{{run}}/cancel", self.cancel)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Follow a thread, whatever runs in it. `Last-Event-ID` goes before `since`."""
        principal, session = self._service.asked(request)
        no_query(request)
        given = read_input(EventStreamRequest, read_json(await read_body(request), self._service.settings.depth))
        tenant = await self._service.tenants.of_request(request, principal)
        after = None if given.since is None else place_of_seq(given.since)
        if place := request.headers.get("Last-Event-ID"):
            after = read_stream_place(place, tenant.log.epoch)
        return await follow_thread(request, self._service.streams, principal, tenant, session, filter_of(given), after)

    async def command(self, request: web.Request) -> web.Response:
        """Carry out a command: begin a run, answer, or steer."""
        principal, session = self._service.asked(request)
        no_query(request)
        given = read_input(ThreadCommand, read_json(await read_body(request), self._service.settings.depth))
        carry_out = {"run.start": self._start, "input.respond": self._respond, "input.inject": self._inject}
        tenant = await self._service.tenants.of_request(request, principal)
        await tenant.log.catch_up()
        state = await tenant.log.state(session)
        desk = self._service.desk(request, tenant, principal, session)
        result = await carry_out[given.method](desk, state, given.params)
        meta = {"applied_through_seq": state.version << SEQ_BITS, "thread_id": session}
        return json_response(CommandDoneAnswer(type="success", id=given.id, result=result, meta=meta))

    async def state(self, request: web.Request) -> web.Response:
        """A thread as it is."""
        principal, session = self._service.asked(request)
        no_query(request)
        tenant = await self._service.tenants.of_request(request, principal)
        viewer = await principal.viewer(tenant.log, session)
        async with followed_log(tenant.log).transcripts.now(session) as (state, transcript):
            if state.session.status == "none":
                raise NotFound(f"There is no session {session!r}.")
            shown = values(state.document, transcript, viewer, kinds_of(state), state.version)
        runs = await self._service.desk(request, tenant, principal, session).runs_under_way(state)
        asked = [interrupt(each) for each in waiting_for(state, viewer)]
        tasks: list[dict[str, Any]] = [
            {"id": run.removeprefix(RUN), "name": _serves(state, run), "interrupts": []} for run in runs
        ]
        if asked:
            tasks.append({"id": "approvals", "name": "approvals", "interrupts": asked})
        return json_response(
            ThreadStateAnswer(
                values=shown,
                next=[_serves(state, run) for run in runs],
                tasks=tasks,
                checkpoint={"thread_id": session, "checkpoint_ns": ""},
                metadata={"version": state.version},
            )
        )

    async def cancel(self, request: web.Request) -> web.Response:
        """Have a run stopped. Asking again does nothing more; what the query says besides is passed over."""
        principal, session = self._service.asked(request)
        tenant = await self._service.tenants.of_request(request, principal)
        desk = self._service.desk(request, tenant, principal, session)
        return json_response(RunsStoppedAnswer(stopped=await desk.stop(request.match_info["run"])))

    async def _start(self, desk: TurnDesk, state: State, params: dict[str, Any]) -> dict[str, Any]:
        given = read_input(RunStart, params)
        asked = begun_run(given)
        await desk.require_own(asked.said)
        if (
            given.multitask_strategy == "reject"
            and await desk.find(asked.run) is None
            and await desk.runs_under_way(state)
        ):
            raise Conflict("A run is under way; wait until it is over, or choose another `multitask_strategy`.")
        instead = given.multitask_strategy in ("interrupt", "rollback")
        return {"run_id": (await desk.begin(asked._replace(instead=instead))).run}

    async def _respond(self, desk: TurnDesk, _: State, params: dict[str, Any]) -> dict[str, Any]:
        turn = await desk.begin(answering_run(read_input(InputRespond, params)))
        return {"run_id": turn.run if turn.task is None else turn.task.removeprefix(RUN)}

    async def _inject(self, desk: TurnDesk, state: State, params: dict[str, Any]) -> dict[str, Any]:
        given = read_input(InputInject, params)
        runs = await desk.runs_under_way(state)
        if not given.namespace and not runs:
            raise Conflict("No run is under way; `run.start` begins one.")
        target = f"agent:{given.namespace[0]}" if given.namespace else f"task:{runs[-1]}"
        await desk.steer(injected(given.message), target)
        return {}


def _serves(state: State, run: str) -> str:
    """Who has a run, or is to have it."""
    task = state.tasks.known[run]
    return task.owner or task.assignee or "agent"
