"""Writes docs/reference/settings.md from `Settings`; a test asserts that it is up to date.

python docs/generate_settings.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import orjson
from pydantic.fields import FieldInfo

from stenogram.api.settings import Settings
from stenogram.cli.main import stenogram

PAGE = Path(__file__).parent / "reference" / "settings.md"

HEAD = """\
<!-- Made by docs/generate_settings.py from stenogram.api.settings; change that, and run it. -->

# Settings

Every setting of a gateway. Each is an environment variable, and most are an option of `stenogram serve` as well; the
option wins. Secrets have no option, because every user of a machine can read command lines. In Python they are the
fields of `stenogram.api.settings.Settings`.

Durations are in seconds, sizes in bytes. A list is JSON in the variable, and a repeated option on the command line.
"""
TAIL = """\
Applications of the `eventsourcing` library have settings of their own:
[use under eventsourcing](../how-to/use-under-eventsourcing.md#choose-the-log).
"""


def page() -> str:
    """The whole page."""
    return "\n".join((HEAD, *(_section(name, field) for name, field in Settings.model_fields.items()), TAIL))


def _section(name: str, field: FieldInfo) -> str:
    rows = [
        ("environment variable", f"`{Settings.model_config['env_prefix']}{name.upper()}`"),
        ("option", _option(name)),
        ("values", _values(name)),
        ("default", _default(field.default)),
    ]
    table = "\n".join(f"| {what} | {value} |" for what, value in rows)
    return f"## {name}\n\n{field.description}.\n\n| | |\n|---|---|\n{table}\n"


def _option(name: str) -> str:
    serve = stenogram.commands["serve"]
    options = [each for each in serve.get_params(click.Context(serve)) if each.name == name]
    return "`" + " / ".join((*options[0].opts, *options[0].secondary_opts)) + "`" if options else "none"


def _values(name: str) -> str:
    schema: dict[str, Any] = Settings.model_json_schema()["properties"][name]
    for each in schema.get("anyOf", ()):
        schema = schema if each["type"] == "null" else schema | each
    if "enum" in schema:
        return " · ".join(f"`{value}`" for value in schema["enum"])
    kind = {"array": "list of texts", "integer": "whole number", "string": "text", "boolean": "`true` · `false`"}
    bounds = {"minimum": "at least", "maximum": "at most", "exclusiveMinimum": "more than"}
    limits = [f"{words} {schema[bound]:,}" for bound, words in bounds.items() if bound in schema]
    return ", ".join((kind.get(schema["type"], schema["type"]), *limits))


def _default(value: object) -> str:
    if value in (None, "", ()):
        return "none"
    return f"`{value if isinstance(value, str) else orjson.dumps(value).decode()}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
