"""NOTIFY: how a commit is announced to the other processes that have the log open, and LISTEN for them.

The notification is part of the statement that writes the batch (`sql.WRITE_BATCH`), so that the server sends it with
the commit and never without. It says which log was written and by whom; a hint, no more: who hears it reads the log.
"""

CHANNEL = "stenogram"
"""Where the commits to all logs of a database are announced."""

NOTIFY = f"SELECT pg_notify('{CHANNEL}', %(notification)s) FROM moved"
"""Ends the statement whose part `moved` has a row if the batch was written."""

LISTEN = f"LISTEN {CHANNEL}"


def payload(schema: str, writer: str) -> str:
    """What is announced: the log's schema, and the name of the engine that wrote."""
    return f"{schema} {writer}"


def read_payload(text: str) -> tuple[str, str]:
    """The schema, which may have spaces in it, and the writer."""
    schema, _, writer = text.rpartition(" ")
    return schema, writer
