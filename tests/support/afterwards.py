"""What is to be done when a block ends, or when its process does, however that ends: `kill -9` is seen to as well.

A shell beside the process waits for the end of its standard input, which only that process holds open.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def afterwards(*command: str | Path) -> Iterator[None]:
    """Run a command then, and wait for it; what it says is dropped."""
    with subprocess.Popen(
        ["sh", "-c", 'read _; exec "$@"', "sh", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a Ctrl-C is not for it
    ):
        yield
