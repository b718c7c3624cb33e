"""The Python in the README and in the guides runs, against a real gateway, as a reader would run it."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTED = "http://127.0.0.1:8600"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
PAGES = {
    "README.md": "hotels",
    "docs/tutorials/team-of-agents.md": "The booking is completed.",
    "docs/how-to/write-a-projection.md": "spent 312\nbefore 300\ndearest Hotel Tivoli\nsessions ['lisbon']",
    "docs/how-to/record-a-coding-agent.md": "message.started\ntool.called\ntool.returned\nmessage.completed",
    "docs/tutorials/quickstart.md": "The hotel is {'name': 'Casa Azul'} since version",
}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[str]:
    """The URL of a gateway in a process of its own."""
    command = [sys.executable, "-m", "stenogram", "serve", "--port", "0", "--log", str(tmp_path / "docs.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"http://[\d.]+:\d+", line):
                yield found[0]
                break
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.mark.parametrize(("page", "says"), PAGES.items())
def test_the_code_of_a_page_runs_in_order(page: str, says: str, gateway: str) -> None:
    blocks = BLOCK.findall((ROOT / page).read_text())
    assert blocks, f"{page} shows no Python"
    program = "\n".join(blocks).replace(DOCUMENTED, gateway)
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False)
    assert ran.returncode == 0, ran.stderr
    assert says in ran.stdout
