"""One client that waits for each answer: what a single person's requests take."""

import asyncio
import json
from typing import Any, Self


class Http:
    """A kept connection to a server of ours. Use `await Http.open(port, token)`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str) -> None:
        self._reader = reader
        self._writer = writer
        self._token = token

    @classmethod
    async def open(cls, port: int, token: str) -> Self:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
        return cls(reader, writer, token)

    async def ask(self, method: str, path: str, body: Any = None) -> bytes:
        """The body of the answer. Raises RuntimeError unless it is a good one."""
        self._writer.write(request(method, path, self._token, body).encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.partition(b"content-length: ")[2].partition(b"\r")[0])
        found = await self._reader.readexactly(length)
        if head[9:10] != b"2":
            raise RuntimeError(f"{method} {path}: {head[:40]!r} {found[:400]!r}")
        return found

    def close(self) -> None:
        self._writer.close()


def request(method: str, path: str, token: str, body: Any = None) -> str:
    """An HTTP/1.1 request as text."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {token}"]
    sent = ""
    if body is not None:
        sent = json.dumps(body)  # ASCII, so its length is its size
        lines += ["Content-Type: application/json", f"Content-Length: {len(sent)}"]
    return "\r\n".join([*lines, "", sent])
