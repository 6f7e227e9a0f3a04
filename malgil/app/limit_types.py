"""What `config/rate_limit.yaml` may say: limits, of endpoints and of roles."""

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_settings import NoDecode

from malgil.access.model import valid_name

_ENDPOINT: Final = re.compile(r"(\*|GET|HEAD|POST|PUT|PATCH|DELETE) /[!-~]*")
_MOST: Final = 1_000_000


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limit(_Closed):
    """`limit` in `per` seconds, and `burst` more after a quiet time."""

    limit: Annotated[int, Field(ge=1, le=_MOST)]
    per: Annotated[float, Field(ge=1, le=86_400, allow_inf_nan=False)] = 60.0
    burst: Annotated[int, Field(ge=0, le=_MOST)] = 0


def _endpoint(text: str) -> str:
    if not _ENDPOINT.fullmatch(text):
        raise ValueError("an endpoint is written `POST /agent/chat`, or `* /api/{rest:path}` for every method")
    return text


def _role(name: str) -> str:
    if not valid_name(name):
        raise ValueError("that is not the name of a role")
    return name


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


Limits = Annotated[
    tuple[Limit, ...], NoDecode, BeforeValidator(_listed), Field(min_length=1, max_length=8)
]
EndpointLimits = Annotated[dict[Annotated[str, AfterValidator(_endpoint)], Limits], NoDecode]


class RoleAllowance(_Closed):
    """What a role has of its own."""

    default: Limits | None = None
    messages: Limits | None = None
    endpoints: EndpointLimits = {}


RoleLimits = Annotated[dict[Annotated[str, AfterValidator(_role)], RoleAllowance], NoDecode]
