"""Users' projections are found by name; what is no projection is named."""

import sys
from pathlib import Path

import pytest

from stenogram.domain.errors import ConfigurationError
from stenogram.projections.authoring.loading import load, offered

MODULE = """
from pydantic import BaseModel
from stenogram.domain.model import EventData
from stenogram.projections import DocProjection

class Count(BaseModel):
    events: int = 0

count = DocProjection("count", Count)
other = DocProjection("other", Count)
silent = DocProjection("silent", Count)
both = [count, other]

@count.on
@other.on
def _(doc: Count, event: EventData) -> None:
    doc.events += 1
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of an application, in the working directory."""
    name = f"app_of_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    return name


def test_projections_are_loaded_by_name(module: str) -> None:
    assert [each.name for each in load([f"{module}:other", f"{module}:both"])] == ["other", "count", "other"]
    assert load([]) == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("{}", "names no projection"),
        (":count", "names no projection"),
        ("{}:nothing", "has no 'nothing'"),
        ("{}:Count", "is no projection"),
        ("{}:silent", "silent handles nothing"),
        ("no.such.module:count", "cannot be imported: ModuleNotFoundError"),
    ],
)
def test_what_is_no_projection_is_refused(module: str, name: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        load([name.format(module)])


def test_nothing_is_offered_where_nothing_is_installed() -> None:
    assert offered() == []
