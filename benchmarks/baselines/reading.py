"""Reading a session's rows with sqlite3, a thousand at a time: as tuples, and nothing is done with them."""

import argparse
import json
import sqlite3
import time
from pathlib import Path


def main(path: Path, session: str) -> None:
    connection = sqlite3.connect(path)
    began, events, version = time.perf_counter(), 0, 0
    statement = "SELECT * FROM event WHERE session = ? AND version > ? ORDER BY version LIMIT 1000"
    while rows := connection.execute(statement, (session, version)).fetchall():
        events += len(rows)
        version = rows[-1][2]
    print(json.dumps({"events": events / (time.perf_counter() - began)}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("session")
    options = parser.parse_args()
    main(options.path, options.session)
