"""A connection to the log's file."""

import sqlite3


class Connection(sqlite3.Connection):
    """`full_by_bytes`: the last page was full of bytes before it was full of events. So the next one is
    likely to be, too, and it pays to look at the sizes first."""

    full_by_bytes: bool = False
