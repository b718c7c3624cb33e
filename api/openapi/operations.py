"""Operations, as OpenAPI describes them."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import get_args

from ...domain.model import Kind
from ..access.tokens import RUN_HEADER
from ..http.answer import ProblemAnswer
from ..http.responses import PROBLEM_JSON
from ..http.session_answers import AckAnswer
from ..protocol.queries import Query
from ..transport.sse_connection import EVENT_STREAM
from .schemas import NAME, TEXT, Schema, component_of, ref

JSON = "application/json"
NO_SCHEMAS: Mapping[str, Schema] = MappingProxyType({})
JSON_OBJECT: Schema = {"type": "object"}


def operation(name: str, summary: str, parameters: list[Schema], answer: Schema, also: Sequence[str] = ()) -> Schema:
    """What is asked for with GET; `also` are the media types that can be had in the place of JSON."""
    found = _answer(summary, answer)
    found["content"] |= {type: {"schema": {"type": "string"}} for type in also}
    return {
        "operationId": name,
        "summary": summary,
        "parameters": [*parameters, *identity()],
        "responses": {"200": found, **problems(["400", "401", "403", "404", "503"])},
    }


def operating(name: str, summary: str, parameters: list[Schema], answer: Schema) -> Schema:
    """What operators do with POST, without a body."""
    return {
        **operation(name, summary, parameters, answer),
        "responses": {
            "200": _answer(summary, answer),
            **problems(["400", "401", "403", "404", "409", "503"]),
        },
    }


def command(session: Schema) -> Schema:
    """A command over HTTP."""
    done: Schema = {JSON: {"schema": component_of(AckAnswer)}}
    return action("execute_command", "Carry out a command", [session], ref("Command"), done, "Done, and durable")


def action(
    name: str,
    summary: str,
    parameters: list[Schema],
    body: Schema,
    answer: Schema,
    answered: str = "Done",
    required: bool = True,
) -> Schema:
    """What is done with POST; `answer` is what comes, by media type. The body may be empty that is not `required`."""
    return {
        "operationId": name,
        "summary": summary,
        "parameters": [*parameters, *identity()],
        "requestBody": {"required": required, "content": {JSON: {"schema": body}}},
        "responses": {
            "200": {"description": answered, "content": answer},
            **problems(["400", "401", "403", "404", "409", "413", "422", "429", "503"]),
        },
    }


def stream(name: str, summary: str, parameters: list[Schema]) -> Schema:
    """What is followed with GET, and comes as server-sent events alone."""
    described = operation(name, summary, parameters, JSON_OBJECT, also=(EVENT_STREAM,))
    del described["responses"]["200"]["content"][JSON]
    return described


def probe(name: str, summary: str, answer: Schema = JSON_OBJECT, media_type: str = JSON) -> Schema:
    """What anybody may ask."""
    return {
        "operationId": name,
        "summary": summary,
        "security": [],
        "responses": {"200": _answer(summary, answer, media_type), **problems(["503"])},
    }


def identity() -> list[Schema]:
    """The parameters that say who asks."""
    return [
        {**parameter("participant", NAME), "description": "Who asks, on an open gateway"},
        {**parameter(RUN_HEADER, NAME, where="header"), "description": "Which process of theirs this is"},
        {**parameter("kind", {"enum": list(get_args(Kind))}), "description": "Of what kind, likewise"},
    ]


def parameter(name: str, schema: Schema, where: str = "query") -> Schema:
    """A parameter of a query, a path or the headers."""
    return {"name": name, "in": where, "schema": schema, **({"required": True} if where == "path" else {})}


def last_event_id(before: str) -> Schema:
    """The header with which a client goes on where its stream was cut; what it goes before says the same."""
    return {**parameter("Last-Event-ID", TEXT, where="header"), "description": f"Goes before `{before}`"}


def query_parameters(model: type[Query], schemas: Mapping[str, Schema] = NO_SCHEMAS) -> list[Schema]:
    """The parameters that a query's model reads; `schemas` are of those that it cannot describe."""
    described = model.model_json_schema()
    properties = {**described["properties"], **schemas}
    required = described.get("required", ())
    return [
        {**parameter(name, _given(schema)), **({"required": True} if name in required else {})}
        for name, schema in properties.items()
        if schema.get("type") != "object"  # many parameters, which the route knows
    ]


def _given(schema: Schema) -> Schema:
    """The schema of a parameter that is there: `null` is not among its values."""
    one_of = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    about = {name: value for name, value in schema.items() if name != "anyOf" and (name, value) != ("default", None)}
    if not one_of:
        return about
    return {**about, **one_of[0]} if len(one_of) == 1 else {**about, "anyOf": one_of}


def _answer(summary: str, schema: Schema, media_type: str = JSON) -> Schema:
    return {"description": summary, "content": {media_type: {"schema": schema}}}


def problems(statuses: list[str]) -> Schema:
    """The responses of these statuses."""
    problem = _answer("A problem (RFC 9457)", component_of(ProblemAnswer), PROBLEM_JSON)
    return dict.fromkeys(statuses, problem)
