"""The command line: `hansard`. One file a command; `main` puts them together."""
