"""What browsers get: the client (an npm package) and the console, plain ES modules without a build step."""

from pathlib import Path

CONSOLE = Path(__file__).resolve().parent / "console"
CLIENT = Path(__file__).resolve().parent / "client" / "src"
