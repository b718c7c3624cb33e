"""TanStack AI's routes as OpenAPI describes them. The events of its streams are AG-UI's to describe."""

from ..frontends.ag_ui.run_input import RunAgentInput
from ..frontends.tanstack_ai.hydration import HydrationAnswer
from ..frontends.tanstack_ai.routes import RunStoppedAnswer, ThreadQuery
from ..transport.sse_connection import EVENT_STREAM
from .operations import action, last_event_id, operating, operation, parameter, query_parameters
from .schemas import NAME, Schema, answer_schemas, component_of, input_schemas, ref

_ANSWERS = (HydrationAnswer, RunStoppedAnswer)


def tanstack_paths() -> Schema:
    """The paths."""
    agent, thread, run = [parameter(name, NAME, where="path") for name in ("agent", "thread", "run")]
    place = last_event_id("offset")
    under = "/v1/tanstack_ai/agent/{agent}/threads/{thread}"
    asked = [agent, thread, place, *query_parameters(ThreadQuery)]
    answer, given = component_of(HydrationAnswer), ref(RunAgentInput.__name__)
    events: Schema = {EVENT_STREAM: {}}
    stopped = component_of(RunStoppedAnswer)
    return {
        under: {
            "get": operation("tanstack_show", "A thread, or a run of it", asked, answer, also=(EVENT_STREAM,)),
            "post": action("tanstack_run", "Begin a run, or attach to it", [agent, thread, place], given, events),
        },
        f"{under}/stop": {"post": operating("tanstack_stop_all", "Stop all runs", [agent, thread], stopped)},
        f"{under}/runs/{{run}}/stop": {"post": operating("tanstack_stop", "Stop a run", [agent, thread, run], stopped)},
    }


def tanstack_schemas() -> Schema:
    """The schemas of what goes in and comes out."""
    return {**input_schemas((RunAgentInput,)), **answer_schemas(_ANSWERS)}
