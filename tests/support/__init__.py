"""What tests and benchmarks share and no user needs: servers to start, raw clients of the protocol."""

import os
from pathlib import Path


def environment() -> dict[str, str]:
    """The environment of a Python process that imports `support` as tests do."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
