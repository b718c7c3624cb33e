"""The reference of events and commands is made from the models, and says something about every member."""

import runpy
from pathlib import Path

import pytest
from pydantic import BaseModel

from stenogram.domain.catalogue import BUILT_IN
from stenogram.domain.commands import COMMANDS
from stenogram.domain.json.explained import field_docstrings

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    """The pages as the generator makes them now."""
    pages: dict[str, str] = runpy.run_path(str(DOCS / "generate.py"))["pages"]()
    return pages


@pytest.mark.parametrize("name", ["events.md", "commands.md"])
def test_the_committed_page_is_what_the_models_say(made: dict[str, str], name: str) -> None:
    assert (DOCS / "reference" / name).read_text() == made[name], "run: python docs/generate.py"


def test_every_type_and_command_is_there(made: dict[str, str]) -> None:
    assert all(f"\n### {type}\n" in made["events.md"] for type in BUILT_IN)
    assert all(f"\n### {do}\n" in made["commands.md"] for do in COMMANDS)


@pytest.mark.parametrize("model", [*BUILT_IN.values(), *COMMANDS.values()], ids=lambda model: model.__name__)
def test_every_member_is_explained(model: type[BaseModel]) -> None:
    described = field_docstrings(model)
    assert model.__doc__
    assert [name for name in model.model_fields if not described.get(name)] == []
