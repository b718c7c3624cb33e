"""The Python in the documentation satisfies a strict type checker, as it is copied."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.pages import BLOCK, PAGES, ROOT, Page

ELSEWHERE = (
    Page("docs/how-to/issue-tokens.md", "program"),
    Page("docs/how-to/test-your-code.md", "program"),
    Page("docs/how-to/use-under-eventsourcing.md", "program"),
)
"""Pages that are run by tests of their own."""


def test_every_page_with_python_is_known() -> None:
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
    shown = {str(page.relative_to(ROOT)) for page in pages if BLOCK.search(page.read_text())}
    assert shown == {page.path for page in (*PAGES, *ELSEWHERE)}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_snippet_passes_mypy_strict(tmp_path: Path) -> None:
    for page in (*PAGES, *ELSEWHERE):
        for number, module in enumerate(page.modules()):
            name = re.sub(r"\W", "_", Path(page.path).stem.lower())
            (tmp_path / f"{name}_{number}.py").write_text(module)
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--config-file", str(ROOT / "pyproject.toml")]
    ran = subprocess.run([*command, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "")
