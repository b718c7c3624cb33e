"""The reference of the Python API shows everything that users import from the client."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from stenogram import client

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "python" / "client.rst").read_text()
SHOWN = re.search(r"^\.\. automodule:: stenogram\.client\n   :members:\n((?:   .*\n)*)", PAGE, re.MULTILINE)
HIDDEN = set(re.findall(r"\b[a-z_]+\b(?!:)", SHOWN[1] if SHOWN else ""))
PUBLIC = {name: getattr(client, name) for name in client.__all__}


def test_the_page_shows_the_whole_module() -> None:
    assert SHOWN, "Sphinx shows what the module lists as __all__."
    assert not HIDDEN & set(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_on_the_page(name: str) -> None:
    if inspect.isclass(PUBLIC[name]) or inspect.isroutine(PUBLIC[name]):
        assert inspect.getdoc(PUBLIC[name]), "Sphinx leaves out what has no docstring."
    else:
        assert f"\n.. py:data:: stenogram.client.{name}\n" in PAGE


def _methods() -> Iterator[tuple[str, object]]:
    for name, each in PUBLIC.items():
        if inspect.isclass(each):
            for member, value in vars(each).items():
                if isinstance(value, property) or inspect.isroutine(value):
                    yield f"{name}.{member}", value


@pytest.mark.parametrize(("name", "method"), list(_methods()))
def test_a_public_method_is_on_the_page(name: str, method: object) -> None:
    if not name.partition(".")[2].startswith("_"):
        assert inspect.getdoc(method)
