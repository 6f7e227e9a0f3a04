"""Tools the offline model has never seen, as another product might offer them."""

from typing import Any

from pydantic_ai.tools import ToolDefinition


def tool(name: str, description: str, metadata: dict[str, Any] | None = None, **properties: Any) -> ToolDefinition:
    """A tool whose required parameters are those without a default."""
    required = [key for key, schema in properties.items() if "default" not in schema]
    schema = {"type": "object", "properties": properties, "required": required}
    return ToolDefinition(name=name, description=description, parameters_json_schema=schema, metadata=metadata)


CODES = {"type": "string", "enum": ["USD", "KRW", "EUR"]}
WEATHER = tool("get_weather", "Get the weather forecast for a city.", city={"type": "string", "minLength": 1})
CONVERT = tool(
    "convert_currency",
    "Converts an amount of money into another currency at the current exchange rate.",
    amount={"type": "number"},
    source=CODES,
    target=CODES,
)
TICKET = tool(
    "create_ticket",
    "지원 티켓을 만듭니다. Open a support ticket.",
    title={"type": "string", "description": "제목, the title"},
    body={"type": "string", "default": ""},
    urgent={"type": "boolean", "default": False},
)
MAIL = tool(
    "send_email",
    "이메일을 보냅니다. Send an email.",
    to={"type": "string", "format": "email"},
    subject={"type": "string"},
)
INVOICES = tool(
    "list_invoices", "청구서 목록. The list of invoices.", limit={"type": "integer", "default": 5, "maximum": 9}
)
INVOICE = tool(
    "get_invoice", "청구서 한 장의 내용. One invoice.", invoice_id={"type": "string", "pattern": "^INV-[0-9]+$"}
)
DOCS = tool("search_documents", "문서에서 보증 기간 등을 찾습니다. Search documents.", query={"type": "string"})
UNSEEN = [WEATHER, CONVERT, TICKET, MAIL, INVOICES, INVOICE, DOCS]
