"""`stenogram mcp`: an MCP server over stdio, for one participant."""

import click

from .options import DEFAULT_GATEWAY, as_option, examples, is_installed, token_option


@click.command(
    short_help="Take part from an MCP client (over stdio).",
    epilog=examples(
        "claude mcp add board -- stenogram mcp --as claude-1",
        "claude mcp add board -e STENOGRAM_TOKEN=… -- stenogram mcp --url https://board.example.com",
    ),
)
@click.option(
    "--url",
    envvar="STENOGRAM_URL",
    default=DEFAULT_GATEWAY,
    show_default=True,
    show_envvar=True,
    metavar="URL",
    help="The http:// URL of the gateway.",
)
@token_option
@as_option("Who it is, at a gateway that runs open (without tokens).")
@click.option(
    "--kind",
    type=click.Choice(["agent", "user", "service"]),
    default="agent",
    show_default=True,
    help="What kind of participant --as names.",
)
def mcp(url: str, token: str | None, participant: str | None, kind: str) -> None:
    """Serve MCP over stdin and stdout, so that a coding agent takes part in sessions as one participant.

    An MCP client starts this. A gateway serves the same at /mcp, where a client calls it by itself.
    """
    import asyncio

    if not is_installed("mcp"):
        raise click.ClickException("This needs the package mcp: pip install 'stenogram[mcp]'.")
    if (token is None) == (participant is None):
        raise click.UsageError("Say who it is: --token, or at a gateway that runs open --as.")

    from ..adapters.mcp import Caller, serve_stdio

    asyncio.run(serve_stdio(url, Caller(token, participant, kind)))  # type: ignore[arg-type]
