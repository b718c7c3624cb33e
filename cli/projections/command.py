"""`stenogram projections`: how views are, and what to do when one is not as it should be.

It works on the store of the views, beside the gateways that keep them current: they do what is asked for here within a
second.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ..options import examples, json_option, log_option

if TYPE_CHECKING:
    from .view_admin import ViewAdmin

Command = Callable[..., Any]


@click.group(
    short_help="Look after views.",
    epilog=examples(
        "stenogram projections list",
        "stenogram projections rebuild transcript",
        "stenogram projections retry board trip-7",
        "stenogram projections verify state --sample 100",
    ),
)
def projections() -> None:
    """Look after views: how they are, rebuild, promote, verify, and heal what is parked.

    Gateways keep views current; these commands tell them what to do, and work while gateways run.
    """


def _admin_command(command: Command) -> Command:
    """The options that say where views and log are; the command gets what they lead to, open."""

    @log_option
    @click.option(
        "--views", envvar="STENOGRAM_VIEWS", show_envvar=True, default="", metavar="PATH", help="Where the views are."
    )
    @click.option("--tenant", default="", metavar="NAME", help="Whose log.")
    def with_admin(log: str, views: str, tenant: str, **given: Any) -> None:
        from .view_admin import open_view_admin

        async def run() -> None:
            async with open_view_admin(log, views, tenant) as admin:
                await command(admin, **given)

        asyncio.run(run())

    with_admin.__doc__ = command.__doc__
    with_admin.__name__ = command.__name__.rstrip("_")
    with_admin.__click_params__ = [  # type: ignore[attr-defined]
        *getattr(with_admin, "__click_params__", []),
        *getattr(command, "__click_params__", []),
    ]
    return with_admin


View = click.argument("view", metavar="VIEW")


@projections.command(name="list", short_help="List views, and how each is.")
@_admin_command
@json_option
async def list_(admin: "ViewAdmin", as_json: bool) -> None:
    """List the builds of all views: their version and state, how many events they are behind the log, how many they
    fold a second and how many seconds remain at that rate, how many keys are parked and events passed over, and what is
    wrong. Retired builds are those that readers saw
    before; they can be promoted again."""
    from .tables import show_builds

    show_builds(await admin.healths(retired=True), as_json)


@projections.command(short_help="Say whether views are healthy.")
@_admin_command
@click.option("--wait", is_flag=True, help="Wait until every view has caught up, with progress bars.")
@json_option
async def status(admin: "ViewAdmin", wait: bool, as_json: bool) -> None:
    """Say what is wrong with views, key by key, and how many events a view passed over because they are not for
    everyone in their session; the exit code is 1 when something is wrong."""
    from .tables import show_troubles

    if wait:
        await admin.wait_until_caught_up()
    healthy = show_troubles(await admin.healths(), await admin.parked(), as_json)
    if not healthy:
        raise click.exceptions.Exit(1)


@projections.command(short_help="Rebuild a view beside the one that readers see.")
@_admin_command
@View
@click.option("--no-wait", is_flag=True, help="Do not wait until it is done.")
@json_option
async def rebuild(admin: "ViewAdmin", view: str, no_wait: bool, as_json: bool) -> None:
    """Rebuild a view from the log. Readers stay on the present build until the new one has caught up, or, where
    gateways run with --promote manual, until it is promoted."""
    build = await admin.rebuild(view)
    _say(as_json, f"{view} is being rebuilt (build {build.id}).", view=view, build=build.id, state="building")
    if no_wait:
        return
    if await admin.wait_until_built(build):
        _say(as_json, f"Readers see build {build.id} of {view} now.", view=view, build=build.id, state="current")
    else:
        told = f"Build {build.id} has caught up; `stenogram projections promote {view}` shows it to readers."
        _say(as_json, told, view=view, build=build.id, state="caught-up")


@projections.command(short_help="Show readers the newest build of a view.")
@_admin_command
@View
@click.option("--build", "id", type=int, metavar="ID", help="This build, be it one that readers saw before.")
@click.option("--anyway", is_flag=True, help="Also if it has not caught up.")
@json_option
async def promote(admin: "ViewAdmin", view: str, id: int | None, anyway: bool, as_json: bool) -> None:
    """Show readers the newest build of a view that is being made, or another; the one they see now is kept for ten
    minutes, in which it can be promoted again."""
    build = await admin.promote(view, id, anyway)
    told = f"Readers see build {build.id} of {view}, version {build.version}, now."
    _say(as_json, told, view=view, build=build.id, version=build.version, state="current")


@projections.command(short_help="Fold again what had failed.")
@_admin_command
@View
@click.argument("keys", nargs=-1, metavar="[KEY]…")
@json_option
async def retry(admin: "ViewAdmin", view: str, keys: tuple[str, ...], as_json: bool) -> None:
    """Fold parked keys again from the event that failed, after what was wrong is mended; without keys, all of them, and
    a view that was stopped since its handlers had ended the process."""
    stopped, parked = await admin.retry(view, keys)
    for build in stopped:
        _say(as_json, f"{view} goes on with build {build} where it stopped.", view=view, build=build, wish="retry")
    for key in parked:
        _say(as_json, f"{view} goes on with {key!r} at the event that failed.", view=view, key=key, wish="retry")


@projections.command(short_help="Leave out the event that fails.")
@_admin_command
@View
@click.argument("key", metavar="KEY")
@json_option
async def skip(admin: "ViewAdmin", view: str, key: str, as_json: bool) -> None:
    """Leave out the event at which a key is parked, and go on behind it."""
    await admin.wish(view, (key,), "skip")
    _say(as_json, f"{view} goes on with {key!r} behind the event that failed.", view=view, key=key, wish="skip")


@projections.command(short_help="Fold again, and compare.")
@_admin_command
@View
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Only so many sessions, drawn at random.")
@click.option(
    "--projection",
    "names",
    multiple=True,
    metavar="MODULE:ATTRIBUTE",
    help="Where projections of your own are.",
)
@json_option
async def verify(admin: "ViewAdmin", view: str, sample: int | None, names: tuple[str, ...], as_json: bool) -> None:
    """Compare a view with a fresh fold of the log; the exit code is 1 when they differ."""
    from .tables import show_verified

    if not show_verified(await admin.verify(view, sample, names), as_json):
        raise click.exceptions.Exit(1)


def _say(as_json: bool, told: str, **members: Any) -> None:
    """What was done: a sentence for people, or an object on a line."""
    import orjson

    click.echo(orjson.dumps(members).decode() if as_json else told)
