"""The console, in a real browser: looked at, acted in, taken back in time, and given what it must not run."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect
from support.browser import OpenPage, StartForPages
from support.console import SECRET, SHOW, axe_faults, enter, expect_moment, hotels, played, token, write_hostile

from stenogram.api.server import Gateway
from stenogram.client import Client
from stenogram.domain.concepts.document import StatePatched

pytestmark = [pytest.mark.web, pytest.mark.slow, pytest.mark.timeout(300)]
MOMENTS = 20


async def _at(open_page: OpenPage, gateway: Gateway, path: str = "", **more: Any) -> Page:
    page: Page = await open_page(f"{gateway.url}/console/{path}", **more)
    await enter(page)
    return page


async def test_the_list_says_first_what_needs_somebody(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start()
    async with hotels(gateway.url) as agent:
        async with Client(gateway.url, participant="ada", kind="user") as client:
            await client.do("quiet", "session.open", {"title": "Q3 report"})
            await client.do("over", "session.open", {"title": "Visa for Arun"})
            await client.do("over", "session.close", {})
        page = await _at(open_page, gateway)
        await expect(page.get_by_role("region", name="closed")).to_contain_text("Visa for Arun")
        asking = asyncio.create_task(agent.ask("The Tivoli at 210 €?", ["book", "wait"]))
        needs = page.get_by_role("region", name="needs you")
        await expect(needs).to_contain_text("hotels asks: “The Tivoli at 210 €?”")
        await needs.get_by_role("link").click()
        await page.get_by_role("button", name="book").click()
        assert await asking == "book"
        await page.get_by_role("link", name="sessions").click()
        await expect(page.get_by_role("region", name="needs you")).to_have_count(0)
        await page.keyboard.press("/")
        await page.keyboard.type("report")
        await expect(page.get_by_role("link", name="Q3 report")).to_be_visible()
        await expect(page.get_by_role("link", name="A weekend")).to_have_count(0)


async def test_one_acts_and_sees_what_comes_of_it(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start()
    async with hotels(gateway.url) as agent:
        page = await _at(open_page, gateway, "s/trip")
        await expect(page.get_by_role("heading", name="A weekend in Lisbon")).to_be_visible()
        await page.get_by_label("say", exact=True).fill("With a view, please.")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("log")).to_contain_text("With a view, please.")
        async with agent.say() as message:
            await message.write("I am looking ")
            await expect(page.locator(".entry.open")).to_contain_text("I am looking")
        await page.locator(".card").filter(has_text="hotels").get_by_role("button", name="steer").click()
        await page.get_by_label("instruction").fill("Not before nine.")
        await page.keyboard.press("Enter")
        await expect(page.locator(".card").filter(has_text="hotels")).to_contain_text("steer")
        await page.locator(".card").filter(has_text="hotels").get_by_role("button", name="stop").click()
        await page.get_by_role("button", name="stop: sure?").click()
        await expect(page.locator(".card").filter(has_text="hotels")).to_contain_text("cancel")


async def test_the_state_is_edited_and_a_conflict_shows_both_values(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start()
    async with hotels(gateway.url) as agent:
        await agent.session.state.merge({"price": 680})
        page = await _at(open_page, gateway, "s/trip?tab=state")
        await page.get_by_role("button", name="680").click()
        await page.locator("textarea").fill("700")
        await page.get_by_role("button", name="Set", exact=True).click()
        await expect(page.get_by_role("button", name="700")).to_be_visible()
        # It shows before the gateway has agreed.
        patches = agent.session.events(after=0, types=["state.patched"])
        price = (await asyncio.wait_for(anext(patches), 40)).data
        assert isinstance(price, StatePatched)
        assert price.patch[0] == {"op": "add", "path": "/price", "value": 700}
        await page.get_by_role("button", name="700").click()
        await page.locator("textarea").fill("{")
        await page.get_by_role("button", name="Set", exact=True).click()
        await expect(page.get_by_role("alert")).to_be_visible()


async def test_what_others_change_while_one_edits_is_not_written_over(
    start: StartForPages, open_page: OpenPage
) -> None:
    gateway = await start()
    async with hotels(gateway.url) as agent:
        await agent.session.state.merge({"price": 680})
        page = await _at(open_page, gateway, "s/trip?tab=state")
        await page.get_by_role("button", name="680").click()
        await page.locator("textarea").fill("700")
        await agent.session.state.merge({"price": 650})
        conflict = page.locator(".conflict")
        await expect(conflict).to_contain_text("theirs 650")
        await expect(conflict).to_contain_text("yours 700")
        await expect(page.get_by_role("button", name="Set", exact=True)).to_be_disabled()
        await page.get_by_role("button", name="take theirs").click()
        await expect(page.get_by_role("button", name="650")).to_be_visible()
        await page.get_by_role("button", name="650").click()
        await page.locator("textarea").fill("710")
        await agent.session.state.merge({"price": 640})
        await page.get_by_role("button", name="set yours").click()
        await expect(page.get_by_role("button", name="710")).to_be_visible()
        await agent.session.state.wait(lambda state: state["price"] == 710)


async def test_two_devices_of_one_person_show_the_same(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start()
    async with hotels(gateway.url) as agent:
        laptop = await _at(open_page, gateway, "s/trip?tab=state")
        phone = await _at(open_page, gateway, "s/trip?tab=state")
        await phone.set_viewport_size({"width": 390, "height": 844})
        await laptop.get_by_label("say", exact=True).fill("With a view, please.")
        await laptop.keyboard.press("Enter")
        await expect(phone.get_by_role("log")).to_contain_text("With a view, please.")
        asking = asyncio.create_task(agent.ask("The Tivoli at 210 €?", ["book", "wait"]))
        await expect(laptop.get_by_role("button", name="book")).to_be_visible()
        await phone.get_by_role("button", name="book").click()
        assert await asking == "book"
        for page in (laptop, phone):
            await expect(page.get_by_role("button", name="book")).to_have_count(0)
        await agent.session.state.merge({"price": 680})
        await laptop.get_by_role("button", name="680").click()
        await laptop.locator("textarea").fill("700")
        await laptop.get_by_role("button", name="Set", exact=True).click()
        await expect(phone.get_by_role("button", name="700")).to_be_visible()


async def test_every_panel_shows_the_same_moment_as_the_gateway(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start()
    async with played(gateway.url), Client(gateway.url, participant="ada", kind="user") as client:
        last = (await client.show("trip"))["version"]
        page = await _at(open_page, gateway, "s/trip", expected=("404",))  # views that had nothing then
        for version in sorted({3 + number * (last - 3) // MOMENTS for number in range(MOMENTS)}):
            await page.evaluate(SHOW, version)
            await expect_moment(page, client, version)
        await page.keyboard.press("l")
        await expect(page.locator(".live")).to_have_attribute("aria-pressed", "true")
        await page.keyboard.press("ArrowLeft")
        await expect(page.locator(".scrubber")).to_contain_text(f"{last - 1} / {last}")
        await expect(page.get_by_role("button", name="Say")).to_have_count(0)


async def test_text_never_becomes_markup(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start()
    await write_hostile(gateway.url)
    page = await _at(open_page, gateway)
    await expect(page.get_by_role("link", name="<img")).to_be_visible()
    await page.get_by_role("link", name="<img").click()
    for tab in ("tasks", "state", "signals", "usage", "log", "agents"):
        await page.get_by_role("link", name=tab, exact=True).click()
        await expect(page.locator(".panel")).to_contain_text("<img" if tab not in {"signals", "usage"} else "")
    await page.get_by_role("link", name="log", exact=True).click()
    await page.locator(".log-row").nth(1).click()
    await expect(page.locator(".opened pre")).to_be_visible()
    assert await page.evaluate("window.hacked") is None
    assert await page.locator("img").count() == 0


async def test_it_reconnects_and_says_so(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start()
    async with hotels(gateway.url) as agent:
        page = await _at(open_page, gateway, "s/trip", expected=("WebSocket",))
        status = page.get_by_role("status")
        await expect(status).to_contain_text("connected")
        await gateway.websocket_server.drain()
        gateway.websocket_server._draining = False
        await expect(status).to_contain_text("○ connected")
        await agent.session.post("Still here.")
        await expect(page.get_by_role("log")).to_contain_text("Still here.")


async def test_a_gateway_that_is_killed_is_gone_on_with(
    tmp_path: Path, open_page: OpenPage, unused_tcp_port: int
) -> None:
    """`kill -9`, and another one over the same log at the same address: nothing is missed, and nothing doubled."""
    url = f"http://127.0.0.1:{unused_tcp_port}"
    options = ("--log", str(tmp_path / "log.db"), "--port", str(unused_tcp_port))
    first = await _serve(*options)
    async with Client(url, participant="ada", kind="user") as client:
        await client.do("trip", "session.open", {"title": "A weekend"})
        await client.do("trip", "message.post", {"message": "m-1", "text": "Before."})
        expected = ("WebSocket", "Failed to load", "ERR_")
        page: Page = await open_page(f"{url}/console/s/trip#participant=maya", expected=expected)
        await expect(page.get_by_role("log")).to_contain_text("Before.")
        first.kill()
        await first.wait()
        await expect(page.get_by_role("status")).to_contain_text("reconnecting")
        await page.get_by_label("say", exact=True).fill("Meanwhile.")
        await page.keyboard.press("Enter")
        second = await _serve(*options)
        try:
            await expect(page.get_by_role("status")).to_contain_text("connected")
            await client.do("trip", "message.post", {"message": "m-2", "text": "After."})
            await expect(page.get_by_role("log")).to_contain_text("After.")
            await expect(page.locator(".entry", has_text="Meanwhile.")).to_have_count(1)
            await expect(page.locator(".entry", has_text="Before.")).to_have_count(1)
        finally:
            second.kill()
            await second.wait()


async def _serve(*options: str) -> asyncio.subprocess.Process:
    command = (sys.executable, "-m", "stenogram", "serve", *options)
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    assert b"serving" in await process.stderr.readline()
    return process


async def test_the_keyboard_is_enough(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start()
    async with played(gateway.url):
        page = await _at(open_page, gateway, expected=("404",))  # views that had nothing then
        await expect(page.get_by_role("link", name="A weekend")).to_be_visible()
        await page.keyboard.press("j")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="A weekend in Lisbon")).to_be_visible()
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        before = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        await page.keyboard.press("t")
        assert await page.evaluate("getComputedStyle(document.body).backgroundColor") != before
        await page.keyboard.press(" ")
        await expect(page.locator(".session.past")).to_be_visible()
        await page.keyboard.press(" ")
        await page.keyboard.press("Shift+ArrowRight")
        await page.keyboard.press("l")
        await expect(page.locator(".session.past")).to_have_count(0)
        await page.keyboard.press("s")
        await page.keyboard.type("Not before nine.")
        await page.keyboard.press("Enter")
        await page.get_by_role("link", name="signals").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator(".panel")).to_contain_text("Not before nine.")


async def test_a_phone_in_portrait_answers(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start()
    async with hotels(gateway.url) as agent:
        asking = asyncio.create_task(agent.ask("The Tivoli at 210 €?", ["book", "wait"]))
        page = await _at(open_page, gateway)
        await page.set_viewport_size({"width": 360, "height": 640})
        await page.get_by_role("region", name="needs you").get_by_role("link").click()
        await expect(page.get_by_role("button", name="book")).to_be_in_viewport()
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.get_by_role("button", name="book").click()
        assert await asking == "book"


async def test_who_cannot_write_is_shown_no_way_to(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start(jwt_secret=SECRET)
    async with Client(gateway.url, token=token("read:*", "write:*")) as client:
        await client.do("trip", "session.open", {"title": "A weekend"})
    page: Page = await open_page(f"{gateway.url}/console/s/trip#token={token('read:*')}", expected=("401",))
    await expect(page.get_by_role("heading", name="A weekend")).to_be_visible()
    assert "token" not in page.url
    await expect(page.get_by_role("button", name="Say")).to_have_count(0)
    await expect(page.get_by_role("button", name="stop")).to_have_count(0)
    other: Page = await open_page(f"{gateway.url}/console/", expected=("401", "Failed to load"))
    await other.get_by_label("Your token").fill("nonsense")
    await other.keyboard.press("Enter")
    await expect(other.get_by_role("alert")).to_be_visible()
    await other.get_by_label("Your token").fill(token("read:*", "write:*"))
    await other.keyboard.press("Enter")
    await other.get_by_role("link", name="A weekend").click()
    await expect(other.get_by_role("button", name="Say")).to_be_visible()


async def test_operations_show_the_views_and_rebuild_them(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start()
    async with played(gateway.url):
        page = await _at(open_page, gateway, "operations")
        row = page.get_by_role("row", name="transcript")
        await expect(row).to_contain_text("current")
        await expect(page.locator(".facts")).to_contain_text("ready")
        (before,) = [each for each in await gateway.tenants.open[""].views.store.builds() if each.name == "transcript"]
        await row.get_by_role("button", name="rebuild").click()
        await row.get_by_role("button", name="rebuild: sure?").click()
        build = row.filter(has_text="current").get_by_role("cell").first
        await expect(build).not_to_have_text(f"{before.id} · version {before.version}")


async def test_a_view_that_waits_is_promoted_by_whoever_may(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start(jwt_secret=SECRET, promote="manual")
    operator = token("read:*", "write:*", "operate:*")
    async with Client(gateway.url, token=operator) as client:
        await client.do("trip", "session.open", {"title": "A weekend"})
    page: Page = await open_page(f"{gateway.url}/console/operations#token={operator}", expected=("401", "409"))
    row = page.get_by_role("row", name="agents")
    await row.get_by_role("button", name="rebuild").click()
    await row.get_by_role("button", name="rebuild: sure?").click()
    building = row.filter(has_text="building")
    await expect(building).to_contain_text("0")
    await building.get_by_role("button", name="promote").click()
    await expect(building).to_have_count(0)
    other: Page = await open_page(f"{gateway.url}/console/operations#token={token('read:*', 'write:*')}")
    await expect(other.get_by_role("row", name="agents")).to_contain_text("current")
    await expect(other.get_by_role("button", name="rebuild")).to_have_count(0)


async def test_several_questions_are_answered_at_once_and_one_in_words(
    start: StartForPages, open_page: OpenPage
) -> None:
    gateway = await start()
    async with hotels(gateway.url) as agent:
        questions: list[dict[str, Any]] = [
            {"name": "hotel", "question": "Which one?", "options": ["Casa Azul", "Memmo"], "own_words": True},
            {"name": "extras", "question": "What else?", "options": ["breakfast", "parking"], "several": True},
            {"name": "nights", "question": "How long?", "answer_schema": {"type": "integer"}},
        ]
        asking = asyncio.create_task(agent.ask_all("The hotel", questions))
        page = await _at(open_page, gateway)
        await page.get_by_role("region", name="needs you").get_by_role("link").click()
        await page.get_by_label("breakfast").check()
        await page.get_by_label("parking").check()
        await page.get_by_role("textbox", name="Which one?").fill("The nearer one.")
        await page.get_by_role("button", name="answer").click()
        await expect(page.get_by_role("alert")).to_contain_text("match")
        await page.get_by_role("textbox", name="How long?").fill("3")
        await page.get_by_role("button", name="answer").click()
        answers = await asking
        assert (answers["hotel"].words, answers["extras"].options) == ("The nearer one.", ("breakfast", "parking"))
        assert answers["nights"].value == 3
        await expect(
            page.get_by_text("hotel: The nearer one. · extras: breakfast + parking · nights: 3")
        ).to_be_visible()
        asking_one = asyncio.create_task(agent.ask("Book it?", own_words=True))
        await page.get_by_label("in your words").fill("Only with a view.")
        await page.get_by_role("button", name="say so").click()
        assert await asking_one == "Only with a view."


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_it_is_accessible(node: str, start: StartForPages, open_page: OpenPage, theme: str) -> None:
    """No serious fault that axe-core finds, on any screen."""
    gateway = await start()
    async with played(gateway.url) as session:
        asking = asyncio.create_task(session.approvals.ask("The Tivoli at 210 €?", ["book", "wait"]))
        page: Page = await open_page(f"{gateway.url}/console/")
        await page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
        faults = await axe_faults(page)
        await enter(page)
        await expect(page.get_by_role("link", name="A weekend")).to_be_visible()
        faults += await axe_faults(page)
        await page.get_by_role("link", name="A weekend").click()
        await expect(page.get_by_role("button", name="book")).to_be_visible()
        for tab in ("agents", "tasks", "state", "log", "usage"):
            await page.get_by_role("link", name=tab, exact=True).click()
            await page.wait_for_timeout(700)
            faults += await axe_faults(page)
        await page.goto(f"{gateway.url}/console/s/trip?from=1&tab=changes")
        await expect(page.get_by_role("region", name="changes in tasks")).to_contain_text("Find rooms")
        faults += await axe_faults(page)
        await page.get_by_role("link", name="operations").click()
        await expect(page.get_by_role("row", name="transcript")).to_be_visible()
        faults += await axe_faults(page)
        asking.cancel()
    assert not faults, "\n".join(faults)
