"""Run the command line as ``python -m stenogram``."""

from .cli.main import main

if __name__ == "__main__":
    main()
