"""The guide to testing says what its code does."""

import re
import subprocess
import sys
from pathlib import Path

GUIDE = Path(__file__).parents[3] / "docs" / "how-to" / "test-your-code.md"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
SAID = re.compile(r"print\(.*\)  # (.*)$", re.MULTILINE)


def test_the_guides_code_prints_what_its_comments_say() -> None:
    program = "\n".join(BLOCK.findall(GUIDE.read_text()))
    ran = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    said = SAID.findall(program)
    assert len(said) == 6
    assert ran.stdout.splitlines()[:6] == said
    assert "the log is read in pages in order" in ran.stdout
