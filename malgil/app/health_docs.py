"""What `/health*` and `/metrics` say of themselves in the API's description."""

from typing import Any, Final

Json = dict[str, Any]

_WORST: Final = {"type": "string", "enum": ["healthy", "degraded", "unhealthy"]}


def _object(**properties: Json) -> Json:
    return {
        "type": "object", "required": list(properties), "additionalProperties": False, "properties": properties,
    }


def _answer(schema: Json, example: Any, note: str = "It is.") -> Json:
    shown = {"example": {"summary": note, "value": example}}
    return {"description": note, "content": {"application/json": {"schema": schema, "examples": shown}}}


def _status(word: str) -> dict[int | str, Json]:
    return {200: _answer(_object(status={"const": word}), {"status": word})}


HEALTH: Final = _status("healthy")
LIVE: Final = _status("ok")
READY: Final[dict[int | str, Json]] = _status("ready") | {
    503: _answer(
        _object(status={"const": "not_ready"}, failing={"type": "array", "items": {"type": "string"}}),
        {"status": "not_ready", "failing": ["database"]}, "Not now; `failing` says why.",
    ) | {"headers": {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}},
}
DETAILED: Final[dict[int | str, Json]] = {
    200: _answer(
        _object(
            status=_WORST, timestamp={"type": "string", "format": "date-time"},
            checks={
                "type": "object",
                "additionalProperties": _object(
                    status=_WORST, latency_ms={"type": "number", "minimum": 0}, detail={"type": ["string", "null"]}
                ),
            },
        ),
        {
            "status": "unhealthy", "timestamp": "2026-11-20T19:40:37.544662Z",
            "checks": {
                "database": {"status": "unhealthy", "latency_ms": 2000.1, "detail": "timed out"},
                "disk_space": {"status": "healthy", "latency_ms": 0.1, "detail": "51200 MiB free"},
                "redis": {"status": "healthy", "latency_ms": 0.1, "detail": "not configured"},
            },
        },
        "The worst of all checks, and each of them.",
    ),
}
METRICS: Final[dict[int | str, Json]] = {
    200: {
        "description": "One line a series.",
        "content": {"text/plain": {"schema": {"type": "string"}, "examples": {
            "example": {"summary": "One line a series.", "value": 'malgil_build_info{version="1.0.0"} 1.0\n'},
        }}},
    },
}
