"""What a person's browser does with a real server: streams, reloads, a second device, kill -9, foreign pages."""

import re

import httpx
from playwright.async_api import Browser

from tests.crash.harness import Server
from tests.system.pages import CLOSE_OF, EMPTY, EVENT_SOURCE, FOLLOWER, QUESTION, documented, open_page

SECONDS = 30_000
"""How long a browser may take for anything, in milliseconds."""


async def messages(api: httpx.AsyncClient, session_id: str) -> list[dict]:
    answer = await api.get(f"/api/chat/sessions/{session_id}/messages")
    assert answer.status_code == 200, answer.text
    return answer.json()["messages"]


async def kill_and_restart(server: Server) -> None:
    server.kill()
    server.start()
    assert await server.ready()


async def test_an_event_source_survives_kill_9(server: Server, api: httpx.AsyncClient, browser: Browser) -> None:
    page = await open_page(browser, f"{server.url}/page", EVENT_SOURCE)
    await page.wait_for_function("seen.text.length > 10", timeout=SECONDS)
    assert "done" not in await page.evaluate("seen.names")

    await kill_and_restart(server)

    await page.wait_for_function("seen.names.includes('done')", timeout=SECONDS)
    seen = await page.evaluate("seen")
    asked, answer = await messages(api, seen["session"])
    assert (asked["content"], asked["sender_type"]) == (QUESTION, "user")
    assert (answer["message_id"], answer["content"]) == (seen["message"], seen["text"])
    assert seen["exact"], "pieces arrived twice, or not at all, across the restart"
    assert seen["opened"] == 2
    assert seen["names"][0] == "start"
    assert seen["names"].count("start") == seen["names"].count("done") == 1

    # Left open, it comes back once more, is told that nothing is left (204), and stops for good.
    await page.wait_for_function("stream.readyState === EventSource.CLOSED", timeout=SECONDS)
    assert (await api.get("/api/chat/sessions")).json()["total"] == 1
    assert len(await messages(api, seen["session"])) == 2


async def test_a_script_sees_why_it_was_refused(server: Server, browser: Browser) -> None:
    page = await open_page(browser, f"{server.url}/page", EMPTY)
    socket = server.url.replace("http", "ws", 1)

    unknown = await page.evaluate(CLOSE_OF, f"{socket}/ws/sess_01m7x7jjr2t440dwymvh6d9f17")
    assert (unknown["code"], unknown["heard"]) == (4404, 0)
    assert unknown["reason"]

    forged = await page.evaluate(CLOSE_OF, f"{socket}/ws/mine?token=not-a-token")
    assert (forged["code"], forged["heard"]) == (4401, 0)

    stale = await page.evaluate(CLOSE_OF, f"{socket}/ws/mine?after=00000000.7")
    assert (stale["code"], stale["heard"]) == (4002, 0)


async def test_a_refresh_goes_on_where_the_page_was(
    server: Server, api: httpx.AsyncClient, browser: Browser
) -> None:
    page = await open_page(browser, f"{server.url}/page#refreshed", FOLLOWER)
    await page.wait_for_function("seen.live", timeout=SECONDS)
    await api.post("/api/chat/sessions/refreshed/messages", json={"content": QUESTION})
    await page.wait_for_function("seen.text.length > 10", timeout=SECONDS)

    await page.reload()

    assert not await page.evaluate("seen.done"), "the answer was over before the reload: nothing was tried"
    await page.wait_for_function("seen.done", timeout=SECONDS)
    seen = await page.evaluate("seen")
    assert seen["loads"] == 2
    assert seen["seqs"] == list(range(1, len(seen["seqs"]) + 1))
    assert seen["text"] == (await messages(api, "refreshed"))[-1]["content"]


async def test_a_second_device_shows_the_same(server: Server, api: httpx.AsyncClient, browser: Browser) -> None:
    address = f"{server.url}/page#shared"
    first = await open_page(browser, address, FOLLOWER)
    await first.wait_for_function("seen.live", timeout=SECONDS)
    await api.post("/api/chat/sessions/shared/messages", json={"content": QUESTION})
    await first.wait_for_function("seen.text.length > 10", timeout=SECONDS)

    second = await open_page(browser, address, FOLLOWER)

    for page in (first, second):
        await page.wait_for_function("seen.done", timeout=SECONDS)
    one, other = await first.evaluate("seen"), await second.evaluate("seen")
    assert one["seqs"] == other["seqs"] == list(range(1, len(one["seqs"]) + 1))
    assert one["text"] == other["text"] == (await messages(api, "shared"))[-1]["content"]


async def test_a_foreign_page_cannot_open_a_socket(server: Server, api: httpx.AsyncClient, browser: Browser) -> None:
    target = f"{server.url.replace('http', 'ws', 1)}/ws/stolen?after=start"
    # Another program's page on the same machine: the closest a foreign origin can get.
    foreign = await open_page(browser, "http://other.localhost:7777/page", EMPTY)
    refused = await foreign.evaluate(CLOSE_OF, target)
    assert (refused["code"], refused["heard"]) == (4403, 0)
    assert (await api.get("/api/chat/sessions")).json()["total"] == 0

    own = await open_page(browser, f"{server.url}/page#stolen", FOLLOWER)
    await own.wait_for_function("seen.live", timeout=SECONDS)


async def test_a_foreign_page_cannot_make_anything_happen(
    server: Server, api: httpx.AsyncClient, browser: Browser
) -> None:
    foreign = await open_page(browser, "http://other.localhost:7777/page", EMPTY)
    # Requests that a browser sends without asking first: the page cannot read the answer, but they arrive.
    await foreign.evaluate(
        """async (url) => {
            const send = (path, asked) =>
                fetch(url + path, { mode: "no-cors", signal: AbortSignal.timeout(10000), ...asked }).catch(() => null);
            await send("/agent/chat/stream?task=hi");
            await send("/agent/chat", { method: "POST", body: '{"task": "hi"}' });
            await new Promise((done) => {
                const image = new Image();
                image.onload = image.onerror = done;
                setTimeout(done, 10000);
                image.src = `${url}/agent/chat/stream?task=hi`;
            });
        }""",
        server.url,
    )
    assert (await api.get("/api/chat/sessions")).json()["total"] == 0
    measured = (await api.get("/metrics")).text
    counts = re.findall(r'^malgil_http_requests_total{.*status="403"} (.*)$', measured, re.MULTILINE)
    assert sum(map(float, counts)) == 3, "a request was not refused, or never arrived and proves nothing"


async def test_the_documented_javascript_client_survives_kill_9(
    server: Server, api: httpx.AsyncClient, browser: Browser
) -> None:
    html = f"""<script type="module">
        import {{ follow }} from "/follow.js";
        window.seen = {{ text: "", done: false }};
        const show = (id, text, done) => Object.assign(seen, {{ text, done }});
        follow(`ws://${{location.host}}/ws/documented`, show, "{QUESTION}");
    </script>"""
    page = await open_page(browser, f"{server.url}/page", html, {f"{server.url}/follow.js": documented("js")})
    await page.wait_for_function("window.seen?.text.length > 10", timeout=SECONDS)
    assert not await page.evaluate("seen.done")

    await kill_and_restart(server)

    await page.wait_for_function("seen.done", timeout=SECONDS)
    asked, answer = await messages(api, "documented")
    assert asked["content"] == QUESTION
    assert await page.evaluate("seen.text") == answer["content"]
