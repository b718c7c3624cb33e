"""Operations, as OpenAPI describes them."""

from collections.abc import Sequence

from .schemas import NAME, Schema, ref

JSON_OBJECT: Schema = {"application/json": {"schema": {"type": "object"}}}
TYPES: Schema = {
    "type": "array",
    "items": {"type": "string", "pattern": r"^[a-z][a-z0-9_.]*\*?$", "maxLength": 128},
    "minItems": 1,
    "maxItems": 64,
}


def operation(name: str, summary: str, parameters: list[Schema], answer: Schema, also: Sequence[str] = ()) -> Schema:
    """What is asked for with GET; `also` are the media types that can be had in the place of JSON."""
    content = {"application/json": {"schema": answer}, **{type: {"schema": {"type": "string"}} for type in also}}
    problems = ["400", "401", "403", "404", "503"]
    return {
        "operationId": name,
        "summary": summary,
        "parameters": [*parameters, *_identity()],
        "responses": {"200": {"description": summary, "content": content}, **_problems(problems)},
    }


def command(session: Schema) -> Schema:
    """What is done with POST."""
    return {
        "operationId": "execute_command",
        "summary": "Carry out a command",
        "parameters": [session, *_identity()],
        "requestBody": {"required": True, "content": {"application/json": {"schema": ref("Command")}}},
        "responses": {
            "200": {"description": "Done, and durable", "content": {"application/json": {"schema": ref("Ack")}}},
            **_problems(["400", "401", "403", "404", "409", "413", "422", "429", "503"]),
        },
    }


def probe(name: str, summary: str, content: Schema | None = None) -> Schema:
    """What anybody may ask."""
    answer = {"description": summary, "content": content or JSON_OBJECT}
    return {
        "operationId": name,
        "summary": summary,
        "security": [],
        "responses": {"200": answer, **_problems(["503"])},
    }


def _identity() -> list[Schema]:
    return [
        {**parameter("participant", NAME), "description": "Who asks, on an open gateway"},
        {**parameter("kind", {"enum": ["agent", "user", "service"]}), "description": "Of what kind, likewise"},
    ]


def parameter(name: str, schema: Schema, where: str = "query") -> Schema:
    """A parameter of a query, a path or the headers."""
    return {"name": name, "in": where, "schema": schema, **({"required": True} if where == "path" else {})}


def _problems(statuses: list[str]) -> Schema:
    content = {"application/problem+json": {"schema": ref("Problem")}}
    return {status: {"description": "A problem (RFC 9457)", "content": content} for status in statuses}
