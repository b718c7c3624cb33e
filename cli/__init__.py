"""The command line: `stenogram`. One file a command; `main` puts them together."""
