"""The pages of the documentation: all are on the map, and what they name is there."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ROOMS = "api|benchmarks|cli|client|docs|domain|examples|log|projections|testing|tests"
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md"), *DOCS.rglob("*.rst")]
    if "_build" not in path.parts
}


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_links_to_is_there(page: str) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", PAGES[page])
    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_in_the_code_is_there(page: str) -> None:
    files = re.findall(rf"`((?:{ROOMS})/[\w/]+(?:\.\w+)?/?)`", PAGES[page])
    assert [name for name in files if not (ROOT / name).exists()] == []
    objects = re.findall(r"(?:`|:: )(stenogram(?:\.\w+)+)(?<!\.db)(?:`|\n)", PAGES[page])
    assert [name for name in objects if not _found(name)] == []


def _found(name: str) -> bool:
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def test_the_map_leads_to_every_page() -> None:
    kinds = ("tutorials", "how-to", "reference", "explanation")
    pages = {path.removeprefix("docs/") for path in PAGES if path.split("/")[1:2] and path.split("/")[1] in kinds}
    linked = set(re.findall(r"\]\(([^)#]+)", PAGES["docs/index.md"]))
    assert {page for page in pages if "/python/" not in page} <= linked
    index = PAGES["docs/reference/python/index.rst"]
    assert all(re.search(rf"^   {Path(page).stem}$", index, re.MULTILINE) for page in pages - linked)


def test_decisions_are_numbered_in_order() -> None:
    records = sorted(path.name for path in (DOCS / "decisions").glob("0*.md"))
    assert [int(name[:4]) for name in records] == list(range(1, len(records) + 1))
    for number, name in enumerate(records, 1):
        assert PAGES[f"docs/decisions/{name}"].startswith(f"# {number}. ")
