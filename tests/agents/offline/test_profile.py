"""What tools say of themselves."""

from typing import Any

import pytest
from pydantic_ai.tools import ToolDefinition

from malgil.agents.offline.profile import profile
from tests.agents.offline.toolset import TICKET, WEATHER, tool
from tests.fixtures.shop import DEFINITIONS


@pytest.mark.parametrize(
    ("name", "metadata", "acts"),
    [
        ("create_ticket", None, True),
        ("requestRefund", None, True),
        ("order_status", None, False),
        ("refund_policy", None, False),
        ("get_weather", None, False),
        ("ping", {"idempotent": False}, True),
        ("ping", {"idempotent": True}, False),
        ("", None, False),
    ],
)
def test_acting(name: str, metadata: dict[str, Any] | None, acts: bool) -> None:
    assert profile(tool(name, "", metadata)).acts is acts


def test_roles_of_the_shops_parameters() -> None:
    roles = {t.name: {p.name: p.role for p in profile(t).parameters} for t in DEFINITIONS}

    assert roles["product_search"] == {
        "query": "text",
        "max_price": "money",
        "min_price": "money",
        "in_stock": "flag",
        "limit": "count",
    }
    assert roles["request_refund"] == {"order_number": "id", "reason": "enum"}
    assert roles["delivery_tracking"] == {"order_number": "id"}


def test_references_are_followed() -> None:
    schema = {
        "$defs": {"Unit": {"enum": ["c", "f"], "type": "string"}},
        "type": "object",
        "properties": {"unit": {"anyOf": [{"$ref": "#/$defs/Unit"}, {"type": "null"}], "description": "단위"}},
    }
    (unit,) = profile(ToolDefinition(name="x", parameters_json_schema=schema)).parameters

    assert (unit.role, unit.choices, unit.required, unit.label("ko")) == ("enum", ["c", "f"], False, "단위")


@pytest.mark.parametrize(
    "schema", [{}, {"type": "object"}, {"properties": {"x": {}}}, {"properties": {"x": {"type": ["null"]}}}]
)
def test_odd_schemas_are_borne(schema: dict[str, Any]) -> None:
    assert profile(ToolDefinition(name="odd", parameters_json_schema=schema)).name == "odd"


def test_labels_and_abilities_follow_the_language() -> None:
    titled = profile(tool("t", "날씨를 봅니다. Looks at the weather.", {"title": "날씨 / Weather"}))
    assert (titled.label("ko"), titled.label("en")) == ("날씨", "Weather")
    assert (titled.ability("ko"), titled.ability("en")) == ("날씨를 봅니다", "Looks at the weather")
    assert profile(WEATHER).ability("ko") == "get weather"
    assert profile(TICKET).parameters[0].label("en") == "the title"
