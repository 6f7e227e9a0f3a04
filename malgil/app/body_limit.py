"""The limit on request bodies: nobody makes the server hold more than it agreed to."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from malgil.app.problems import problem
from malgil.kit.errors import TooLarge


class BodyLimitLayer:
    """Pure ASGI: a body of more than `limit` bytes is answered 413, at once when its length is announced."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit
        self._detail = f"The body may have at most {limit} bytes."

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), None)
        if announced is None:
            await self._app(scope, self._counted(receive), send)
        elif announced.isdigit() and len(announced) < 16 and int(announced) <= self._limit:
            await self._app(scope, receive, send)  # the server itself holds the client to what it announced
        else:
            await problem(TooLarge(self._detail))(scope, receive, send)

    def _counted(self, receive: Receive) -> Receive:
        total = 0

        async def counted() -> Message:
            nonlocal total
            message = await receive()
            total += len(message.get("body", b""))
            if total > self._limit:
                # Starlette's own exception: FastAPI turns every other one into "cannot parse the body".
                raise HTTPException(413, self._detail)
            return message

        return counted
