"""Answers over HTTP: what is not given is left out, what is JSON already is spliced in, and OpenAPI says the same."""

import json
from typing import Any

import orjson
import pytest

from stenogram.api.http.event_answers import EventGap, LogPageAnswer, SessionPageAnswer
from stenogram.api.http.responses import json_response
from stenogram.api.http.session_answers import SessionSummary, session_answer
from stenogram.api.http.view_answers import DocumentAnswer
from stenogram.api.openapi.document import openapi_json
from stenogram.domain.audience import Viewer
from stenogram.projections.views import BUILT_IN
from stenogram.testing.rehearsal import Rehearsal


def body(answer: Any) -> bytes:
    made = json_response(answer).body
    assert isinstance(made, bytes)
    return made


def test_what_is_not_given_is_left_out() -> None:
    summary = SessionSummary(session="s", version=1, status="open", labels={})
    assert body(summary) == b'{"session":"s","version":1,"status":"open","labels":{}}'


def test_what_is_given_as_null_is_said() -> None:
    answer = DocumentAnswer(view="v", key="k", position=1, value=None)
    assert json.loads(body(answer)) == {"view": "v", "key": "k", "position": 1, "value": None}


def test_bytes_of_events_are_spliced_in_as_they_are() -> None:
    events = orjson.Fragment(b'[{"a": 1 }]')
    gap = EventGap.model_validate({"from": 2, "to": 3})
    answer = LogPageAnswer(events=events, to="e.3", head="e.3", caught_up=True, gap=gap)
    assert body(answer) == b'{"events":[{"a": 1 }],"to":"e.3","head":"e.3","caught_up":true,"gap":{"from":2,"to":3}}'


def test_a_task_is_shown_with_what_is_to_become_of_it() -> None:
    session = Rehearsal()
    session.do("planner", "task.create", task="t-1", title="T", priority=7, max_attempts=2, within=60)
    session.do("hotels", "task.claim", task="t-1")
    session.do("hotels", "task.fail", task="t-1", attempt=1, error="No line.", retryable=True)
    (task,) = json.loads(body(session_answer(session.state, Viewer("ada", "user"))))["tasks"]
    assert (task["priority"], task["max_attempts"], task["tries"], task["last_error"]) == (7, 2, 1, "No line.")
    assert task["deadline"].startswith("2026-01-01T00:01:0")
    described = json.loads(openapi_json(()))["components"]["schemas"]["SessionTask"]
    assert set(task) == set(described["properties"])


def test_every_reference_in_the_description_leads_somewhere() -> None:
    document = json.loads(openapi_json(BUILT_IN))
    named = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= named


def references(schema: Any) -> list[str]:
    if isinstance(schema, dict):
        own = [schema["$ref"]] if isinstance(schema.get("$ref"), str) else []
        return [*own, *[found for each in schema.values() for found in references(each)]]
    return [found for each in schema for found in references(each)] if isinstance(schema, list) else []


@pytest.mark.parametrize("name", ["title", "opened"])
def test_what_may_be_left_out_is_described_as_that_and_not_as_null(name: str) -> None:
    summary = json.loads(openapi_json(()))["components"]["schemas"]["SessionSummary"]
    assert name not in summary["required"]
    assert summary["properties"][name]["type"] == "string"
    assert "default" not in summary["properties"][name]


def test_events_are_described_by_their_models() -> None:
    page = json.loads(openapi_json(()))["components"]["schemas"][SessionPageAnswer.__name__.removesuffix("Answer")]
    assert page["properties"]["events"]["items"] == {"$ref": "#/components/schemas/Event"}
