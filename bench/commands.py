"""How a benchmark talks to its processes: one JSON line asks, one answers."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Command = Callable[..., Awaitable[dict[str, Any]]]

_LONGEST = 64 * 2**20


async def obey(commands: Mapping[str, Command]) -> None:
    """Say `{}` when ready, then carry out what standard input asks for, until it ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_LONGEST)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print("{}", flush=True)
    while line := await reader.readline():
        asked = json.loads(line)
        try:
            answer = await commands[asked.pop("do")](**asked)
        except Exception as e:
            answer = {"error": repr(e)}
        print(json.dumps(answer), flush=True)
