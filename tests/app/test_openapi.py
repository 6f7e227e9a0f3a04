"""The API's description: whole, and true to itself. That the server is true to it, `tests/fuzz` proves."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema_rs import Draft202012Validator

from malgil.app.openapi import operations
from malgil.app.settings import Settings
from malgil.app.wiring import build

Json = dict[str, Any]


@pytest.fixture
async def described(database_url: str, tmp_path: Path) -> AsyncIterator[Json]:
    application = await build(Settings(data_dir=tmp_path), database_url, node="test")
    transport = httpx.ASGITransport(application.asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield (await client.get("/openapi.json")).json()
    await application.drain()
    await application.close()


def found(described: Json, thing: Json) -> Json:
    """What a `$ref` names."""
    for part in thing["$ref"].split("/")[1:] if "$ref" in thing else ():
        described = described[part]
    return described if "$ref" in thing else thing


def contents(described: Json) -> Iterator[tuple[str, str, Json]]:
    """Where, media type, and what stands there: every body of every operation."""
    for _, _, operation in operations(described):
        name = operation["operationId"]
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            yield f"{name} request", kind, content
        for status, answer in operation["responses"].items():
            for kind, content in found(described, answer).get("content", {}).items():
                yield f"{name} {status}", kind, content


def test_every_operation_says_what_it_is(described: Json) -> None:
    tags = {tag["name"]: tag["description"] for tag in described["tags"]}
    ids = []
    for path, verb, operation in operations(described):
        assert operation["summary"], (path, verb)
        assert operation["description"], (path, verb)
        assert set(operation["tags"]) <= set(tags), (path, verb)
        assert all(one["schema"] for one in operation.get("parameters", ())), (path, verb)
        ids.append(operation["operationId"])
    assert len(set(ids)) == len(ids)


def test_every_example_fits_its_schema_and_nothing_is_without(described: Json) -> None:
    for where, kind, content in contents(described):
        if not kind.endswith("json") and not kind.startswith("text/"):
            continue
        schema = content["schema"] | {"components": described["components"]}
        assert content.get("examples"), where
        for name, example in content["examples"].items():
            faults = [error.message for error in Draft202012Validator(schema).iter_errors(example["value"])]
            assert not faults, (where, name, faults)


def test_what_is_said_in_words_is_said_in_korean_and_in_english(described: Json) -> None:
    for where, kind, content in contents(described):
        names = set(content.get("examples", ()))
        assert kind == "application/problem+json" or names in ({"ko", "en"}, {"example"}, set()), where
        if "content" in str(content.get("schema")):
            assert names == {"ko", "en"}, where


def test_the_problems_of_the_edge_are_everybody_s(described: Json) -> None:
    for path, _, operation in operations(described):
        open_to_all = operation["tags"] == ["Health"]
        expected = {"403"} if open_to_all else {"401", "403", "429", "503"}
        assert expected | ({"413"} if "requestBody" in operation else set()) <= set(operation["responses"]), path
        assert open_to_all == (operation["security"] == [])
        for answer in operation["responses"].values():
            assert "X-Trace-Id" in found(described, answer)["headers"], path


def test_links_lead_to_operations_and_give_all_that_their_paths_ask_for(described: Json) -> None:
    paths = {operation["operationId"]: path for path, _, operation in operations(described)}
    links = [
        link for _, _, operation in operations(described)
        for answer in operation["responses"].values() for link in answer.get("links", {}).values()
    ]
    assert len(links) > 20
    for link in links:
        asked = {part[1:-1] for part in paths[link["operationId"]].split("/") if part.startswith("{")}
        assert set(link["parameters"]) == asked
