"""The guide to the eventsourcing library says what its code does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.thorough

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "use-under-eventsourcing.md"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
SAID = re.compile(r"print\(.*\)  # (.*)$", re.MULTILINE)


def test_the_guides_code_prints_what_its_comments_say(tmp_path: Path) -> None:
    program = "\n".join(BLOCK.findall(GUIDE.read_text())).replace("port=8600", "port=0")
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=150, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == SAID.findall(program)
