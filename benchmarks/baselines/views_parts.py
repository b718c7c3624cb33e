"""One side of the benchmark of projections: all built-in views, divided between processes, as a gateway with
`--views-processes` does it. `views_parts.py LOG VIEWS EVENTS PARTS`.

The clock starts when all processes are ready, and stops when the last has committed the last event.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

VIEWS = Path(__file__).with_name("views.py")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log")
    parser.add_argument("views")
    parser.add_argument("events", type=int)
    parser.add_argument("parts", type=int)
    options = parser.parse_args()
    command = [sys.executable, VIEWS, "built-in", options.log, options.views, str(options.events)]
    parts = [
        subprocess.Popen(
            [*command, "--part", str(part), str(options.parts)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for part in range(options.parts)
    ]
    for part in parts:
        assert part.stdout is not None
        part.stdout.readline()
    began = time.perf_counter()
    for part in parts:
        assert part.stdin is not None
        part.stdin.write("go\n")
        part.stdin.flush()
    figures = [json.loads(part.communicate()[0]) for part in parts]
    took = time.perf_counter() - began
    seconds = sum(options.events / each["per cpu second"] for each in figures)
    print(json.dumps({"events": options.events / took, "per cpu second": options.events / seconds}))


if __name__ == "__main__":
    main()
