"""Pages for the browser. The server has none of its own, so the browser is handed them under the server's address."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

from playwright.async_api import Browser, Page, Route

DOCS = Path(__file__).parents[2] / "docs"
QUESTION = "주문 상태 확인"

EVENT_SOURCE = """
<script>
  // What README.md shows, and beside it everything a test wants to know.
  const seen = { text: "", exact: true, names: [], opened: 0, session: null, message: null };
  const stream = new EventSource("/agent/chat/stream?task=" + encodeURIComponent("주문 상태 확인"));
  stream.onopen = () => seen.opened++;
  for (const name of ["start", "message", "tool", "reset", "done", "error"])
    stream.addEventListener(name, (event) => {
      if (!event.data) return;
      const data = JSON.parse(event.data);
      seen.names.push(name);
      if (name === "start") [seen.session, seen.message] = [data.session_id, data.message_id];
      if (name === "message") {
        seen.exact &&= [...seen.text].length === data.offset;
        seen.text = [...seen.text].slice(0, data.offset).join("") + data.content;
      }
    });
</script>
"""

FOLLOWER = """
<script>
  // Keeps its place and its text in the tab, so that a reload goes on where the page was.
  const seen = JSON.parse(sessionStorage.seen ?? '{"after": "start", "seqs": [], "text": "", "loads": 0}');
  seen.loads++; seen.live = false; seen.done = false;
  const socket = new WebSocket(`ws://${location.host}/ws/${location.hash.slice(1)}?after=${seen.after}`);
  socket.onmessage = ({ data }) => {
    const frame = JSON.parse(data);
    if (frame.type === "live") seen.live = true;
    if (!("seq" in frame && "cursor" in frame)) return;
    seen.after = frame.cursor;
    seen.seqs.push(frame.seq);
    if (frame.type === "stream_chunk") seen.text = [...seen.text].slice(0, frame.offset).join("") + frame.content;
    if (frame.type === "stream_end") seen.done = true;
    sessionStorage.seen = JSON.stringify(seen);
  };
</script>
"""

EMPTY = "<p>A page.</p>"

CLOSE_OF = """
(url) => new Promise((tell) => {
  const socket = new WebSocket(url);
  let heard = 0;
  setTimeout(() => tell({ code: "still open", heard }), 10000);
  socket.onmessage = () => heard++;
  socket.onclose = ({ code, reason }) => tell({ code, reason, heard });
})
"""


def documented(language: str) -> str:
    """The first block of that language in docs/clients.md."""
    found = re.search(rf"```{language}\n(.*?)```", (DOCS / "clients.md").read_text(encoding="utf-8"), re.DOTALL)
    assert found, f"docs/clients.md has no {language} client"
    return found[1]


async def open_page(browser: Browser, address: str, html: str, scripts: dict[str, str] | None = None) -> Page:
    """A new device that shows `html` under `address`; `scripts` are JavaScript files by their addresses."""
    page = await browser.new_page()
    held = f"<!doctype html><meta charset='utf-8'><title>test</title>{html}"
    await page.route(address.partition("#")[0], _giving(held, "text/html"))
    for name, text in (scripts or {}).items():
        await page.route(name, _giving(text, "text/javascript"))
    await page.goto(address)
    return page


def _giving(text: str, kind: str) -> Callable[[Route], Awaitable[None]]:
    async def give(route: Route) -> None:
        await route.fulfill(body=text, content_type=kind)

    return give
