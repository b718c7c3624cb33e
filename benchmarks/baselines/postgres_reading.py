"""Reading a session's rows with psycopg, a thousand at a time: as tuples, and nothing is done with them."""

import argparse
import json
import time

import psycopg

STATEMENT = """
    SELECT position, session, version, subject, type, data, key, time FROM {schema}.event
    WHERE session = %b AND version > %b ORDER BY version LIMIT 1000
"""


def main(url: str, schema: str, session: str) -> None:
    statement = STATEMENT.format(schema=f'"{schema}"').encode()
    with psycopg.connect(url, autocommit=True) as connection, connection.cursor(binary=True) as cursor:
        began, events, version = time.perf_counter(), 0, 0
        while rows := cursor.execute(statement, (session, version)).fetchall():
            events += len(rows)
            version = rows[-1][2]
        print(json.dumps({"events": events / (time.perf_counter() - began)}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("schema")
    parser.add_argument("session")
    options = parser.parse_args()
    main(options.url, options.schema, options.session)
