"""The API's description: what the routes say of themselves, completed with what holds for all of them.

A route names the problems that are its own and the models it speaks in (`chat.http`). What every operation has in
common is added here, once, so that a new route gets it by being there: the problems that the edge may answer, the
headers of every answer, who may call, examples of the models, and links from what made a thing to what can be done with
it.
"""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI

from malgil.app.problem_docs import PROBLEM_SCHEMA, headers, problem_responses
from malgil.chat.examples import EXAMPLES

Json = dict[str, Any]

TAGS: Final = [
    {"name": "Chat", "description": "Sessions, who takes part in them, what is said, and each session's log. "
     "대화 세션, 참여자, 메시지와 세션 기록."},
    {"name": "Agents", "description": "Ask an agent and get the answer, whole or as it grows. "
     "에이전트에게 묻고 답을 한 번에, 또는 쓰이는 대로 받습니다."},
    {"name": "Files", "description": "Files that messages bring along. 메시지에 첨부된 파일."},
    {"name": "Health", "description": "Whether this process can be sent requests, and what it measures. No token. "
     "상태와 지표. 토큰이 필요 없습니다."},
]
_OPEN: Final = "Health"
"""The tag of what needs no token and is not limited."""

_IDS: Final[tuple[str, ...]] = ("session_id", "message_id", "file_id", "user_id")
_HEADERS: Final[dict[str, Json]] = {
    "X-Trace-Id": {
        "description": "Names this request in the logs.", "required": True,
        "schema": {"type": "string", "minLength": 1}, "example": "trace_01a1fa79a65fb44052c1717295225aad",
    },
    "X-RateLimit-Limit": {
        "description": "How many requests the tightest limit allows at once.",
        "schema": {"type": "integer", "minimum": 0}, "example": 60,
    },
    "X-RateLimit-Remaining": {
        "description": "How many of them are left.", "schema": {"type": "integer", "minimum": 0}, "example": 59,
    },
    "X-RateLimit-Reset": {
        "description": "Seconds until all of them are there again.",
        "schema": {"type": "integer", "minimum": 0}, "example": 1,
    },
    "RateLimit": {
        "description": "The same as a structured field.", "schema": {"type": "string"},
        "example": '"messages";r=59;t=1',
    },
    "RateLimit-Policy": {
        "description": "Every limit that holds for this request.", "schema": {"type": "string"},
        "example": '"messages";q=60;w=60',
    },
    "Retry-After": {
        "description": "Seconds to wait before the same request may succeed.", "required": True,
        "schema": {"type": "integer", "minimum": 1}, "example": 5,
    },
    "WWW-Authenticate": {
        "description": "What to sign in with.", "required": True, "schema": {"type": "string", "pattern": "^Bearer"},
        "example": "Bearer",
    },
}
_SECURITY: Final[dict[str, Json]] = {
    "bearerAuth": {
        "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
        "description": "Claims `sub`, `tenant`, `roles`, `exp`. In development mode a call without a token is `guest`.",
    },
    "queryToken": {
        "type": "apiKey", "in": "query", "name": "token",
        "description": "The same token, for an EventSource or an image: browsers set no headers there.",
    },
}
_LIMITS: Final = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "RateLimit", "RateLimit-Policy")
_READS: Final = ("get", "head")


class DescribedAPI(FastAPI):
    """`dev`: a call needs no token."""

    def __init__(self, *, dev: bool, **parts: Any) -> None:
        super().__init__(openapi_tags=TAGS, **parts)
        self._dev = dev

    def openapi(self) -> Json:
        if self.openapi_schema is None:
            self.openapi_schema = complete(super().openapi(), dev=self._dev)
        return self.openapi_schema


def complete(described: Json, *, dev: bool) -> Json:
    """FastAPI's description of the routes, with everything that they have in common."""
    components = described.setdefault("components", {})
    components["headers"] = _HEADERS
    components["securitySchemes"] = _SECURITY
    components["responses"] = problem_responses("X-Trace-Id", *_LIMITS)
    components["schemas"] = components.get("schemas", {}) | {"Problem": PROBLEM_SCHEMA}
    for _, verb, operation in operations(described):
        _complete(operation, verb, components, dev=dev)
    _link(described)
    return described


def _exemplify(body: Json) -> None:
    """Show what is said in this body by examples of its model."""
    for content in body.get("content", {}).values():
        schema = content.get("schema", {})
        name = schema.get("title") or schema.get("$ref", "").rpartition("/")[2]
        if name in EXAMPLES:
            content["examples"] = EXAMPLES[name]


def operations(described: Json) -> Iterator[tuple[str, str, Json]]:
    """Path, verb and operation."""
    for path, verbs in described["paths"].items():
        for verb, operation in verbs.items():
            yield path, verb, operation


def _complete(operation: Json, verb: str, components: Json, *, dev: bool) -> None:
    is_open = _OPEN in operation.get("tags", ())
    answers = operation["responses"]
    for status in ("403",) if is_open else ("401", "403", "429", "503"):
        answers.setdefault(status, {})
    if "requestBody" in operation:
        answers.setdefault("413", {})
    _exemplify(operation.get("requestBody", {}))
    for status, answer in answers.items():
        _exemplify(answer)
        if status in components["responses"] and "content" not in answer:
            answers[status] = {"$ref": f"#/components/responses/{status}"}
        else:
            shown = ("X-Trace-Id",) if is_open else ("X-Trace-Id", *_LIMITS)
            answer["headers"] = answer.get("headers", {}) | headers(*shown)
    operation["responses"] = dict(sorted(answers.items()))
    tokens: list[Json] = [{"bearerAuth": []}]
    if verb in _READS:
        tokens.append({"queryToken": []})
    if dev:
        tokens.append({})
    operation["security"] = [] if is_open else tokens


def _link(described: Json) -> None:
    """From every answer that names a new thing to every operation that takes its id in the path."""
    everything = list(operations(described))
    for path, verb, operation in everything:
        for status, answer, model in _good_json(operation) if verb == "post" else ():
            told = _properties(described, model)
            new = [one for one in _IDS if one in told and (status == "201" or one not in _names(path))]
            links = {
                target["operationId"]: {"operationId": target["operationId"], "parameters": filled} | _body(target, new)
                for other, _, target in everything
                if (filled := _filled(other, path, new, target))
            }
            if links:
                answer["links"] = links


def _filled(target: str, source: str, new: list[str], operation: Json) -> dict[str, str] | None:
    """Where the target path's parameters come from; None when they do not all, or nothing from the answer is taken."""
    wanted, known = _names(target), _names(source)
    taken = set(wanted) & set(new) or _body(operation, new)
    if not taken or not set(wanted) <= {*new, *known}:
        return None
    return {one: f"$response.body#/{one}" if one in new else f"$request.path.{one}" for one in wanted}


def _body(target: Json, new: list[str]) -> Json:
    """The new ids that the target's body asks for."""
    body = target.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    taken = {one: f"$response.body#/{one}" for one in body.get("required", ()) if one in new and one != "user_id"}
    return {"requestBody": taken} if taken else {}


def _names(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


def _good_json(operation: Json) -> Iterator[tuple[str, Json, Json]]:
    """Status, answer and schema of what the operation answers when all is well."""
    for status, answer in operation["responses"].items():
        content = answer.get("content", {}).get("application/json")
        if status.startswith("2") and content:
            yield status, answer, content["schema"]


def _properties(described: Json, schema: Json) -> Json:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: Json = described["components"]["schemas"].get(name, schema).get("properties", {})
    return found
