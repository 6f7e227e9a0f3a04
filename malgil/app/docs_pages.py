"""`/docs` and `/redoc` without the network: what FastAPI would have browsers fetch from elsewhere is served from here.

A server on a closed network must show its pages too; and nobody else needs to know who reads them.
"""

from pathlib import Path
from typing import Final

import fastapi_offline
from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

ASSETS: Final = "/docs/assets"

_FOLDER: Final = Path(fastapi_offline.__file__).parent / "static"
_OPENAPI: Final = "/openapi.json"


def install(api: FastAPI) -> None:
    """Serve both pages; `api` must not have its own."""

    @api.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=_OPENAPI, title=api.title, swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS}/swagger-ui.css", swagger_favicon_url=f"{ASSETS}/favicon.png",
        )

    @api.get("/redoc", include_in_schema=False)
    async def redoc() -> HTMLResponse:
        return get_redoc_html(
            openapi_url=_OPENAPI, title=api.title, redoc_js_url=f"{ASSETS}/redoc.standalone.js",
            redoc_favicon_url=f"{ASSETS}/favicon.png", with_google_fonts=False,
        )

    api.mount(ASSETS, StaticFiles(directory=_FOLDER))
