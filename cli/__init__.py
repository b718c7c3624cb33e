"""The command line: `hansard`."""
