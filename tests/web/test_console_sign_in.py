"""How one comes into the console: by a link that works once, by name, by token; and when none of these helps."""

import pytest
from playwright.async_api import Page, expect
from support.browser import OpenPage, StartForPages
from support.console import SECRET, token

pytestmark = [pytest.mark.web, pytest.mark.slow, pytest.mark.timeout(300)]


async def test_a_link_signs_in_once(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start()
    link = gateway.sign_in_link("maya")
    page: Page = await open_page(link, expected=("410",))
    await expect(page.get_by_role("button", name="maya · sign out")).to_be_visible()
    assert page.url == f"{gateway.url}/console/", "the address forgets it"
    assert await page.evaluate("history.length") <= 2
    await page.reload()
    await expect(page.get_by_role("button", name="maya · sign out")).to_be_visible()
    other: Page = await open_page(link)
    await expect(other.get_by_role("alert")).to_contain_text("has been used")
    await expect(other.get_by_role("alert")).to_contain_text("stenogram link")
    assert "link=" not in other.url
    await other.get_by_label("Who are you?").fill("ben")
    await other.keyboard.press("Enter")
    await expect(other.get_by_role("button", name="ben · sign out")).to_be_visible()
    await expect(other.get_by_role("alert")).to_have_count(0)


async def test_a_link_that_is_followed_in_an_open_console_counts_there(
    start: StartForPages, open_page: OpenPage
) -> None:
    gateway = await start()
    page: Page = await open_page(gateway.sign_in_link("maya"))
    await expect(page.get_by_role("button", name="maya · sign out")).to_be_visible()
    await page.goto(gateway.sign_in_link("ben"))
    await expect(page.get_by_role("button", name="ben · sign out")).to_be_visible()
    assert "link=" not in page.url


async def test_no_request_has_the_code_in_its_address_or_referer(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start()
    link = gateway.sign_in_link("maya", "s/trip")
    code = link.partition("#link=")[2]
    page: Page = await open_page("about:blank", expected=("404",))
    seen: list[str] = []
    page.on("request", lambda request: seen.append(f"{request.url} {request.headers}"))
    await page.goto(link)
    await expect(page.get_by_role("button", name="maya · sign out")).to_be_visible()
    assert any("/console/sign-in" in each for each in seen)
    assert not [each for each in seen if code in each]


async def test_while_there_is_no_gateway_the_page_says_so_and_asks_again(
    start: StartForPages, open_page: OpenPage
) -> None:
    gateway = await start()
    page: Page = await open_page("about:blank", expected=("Failed to load", "ERR_", "503"))
    away = True

    async def answer(route: object) -> None:
        await (route.abort() if away else route.continue_())  # type: ignore[attr-defined]

    await page.route("**/console/sign-in", answer)
    await page.goto(gateway.sign_in_link("maya"))
    await expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    away = False
    await expect(page.get_by_role("button", name="maya · sign out")).to_be_visible()


async def test_a_gateway_that_answers_nobody_says_why(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start()
    page: Page = await open_page("about:blank", expected=("403",))
    await page.set_extra_http_headers({"X-Forwarded-For": "10.0.0.1"})

    async def page_itself(route: object) -> None:  # as if a proxy had let it through
        headers = {name: value for name, value in route.request.headers.items() if name != "x-forwarded-for"}  # type: ignore[attr-defined]
        await route.continue_(headers=headers)  # type: ignore[attr-defined]

    await page.route("**/console/**", page_itself)
    await page.goto(f"{gateway.url}/console/")
    await expect(page.get_by_role("alert")).to_contain_text("open: it trusts everyone who reaches it")


@pytest.mark.thorough
async def test_an_expired_token_asks_for_another(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start(jwt_secret=SECRET)
    page: Page = await open_page(f"{gateway.url}/console/#token={token(seconds=15)}", expected=("401", "404"))
    await expect(page.get_by_role("heading", name="Sessions")).to_be_visible()
    await expect(page.get_by_label("Your token")).to_be_visible()
    await expect(page.get_by_role("alert")).to_contain_text("expired")
    await page.get_by_label("Your token").fill(token(seconds=600))
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Sessions")).to_be_visible()
