"""What a search may be asked, and what it answers."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from malgil.chat.queries import time_of
from malgil.chat.search.store import CANDIDATES, SCAN
from malgil.kit.text import Text

Q_MOST = 200


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("must say what to look for")
    return text


def _moment(text: str) -> str:
    if time_of(text) is None:
        raise ValueError("must be an RFC 3339 time with its offset")
    return text


Moment = Annotated[
    str, StringConstraints(max_length=64), AfterValidator(_moment),
    Field(examples=["2026-01-31T09:00:00Z"], json_schema_extra={"format": "date-time"}),
]


class SearchQuery(BaseModel):
    # Values of a query are text, so numbers are read from it; unknown parameters are ignored.
    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    q: Annotated[
        Text, StringConstraints(min_length=1, max_length=Q_MOST), AfterValidator(_said),
        Field(description="Words, Korean or English; ids and numbers as they are.", examples=["배송 조회"]),
    ]
    session_id: Annotated[
        Annotated[str, StringConstraints(max_length=64)] | None, Field(description="In this session only.")
    ] = None
    sender: Annotated[
        Annotated[Text, StringConstraints(min_length=1, max_length=128)] | None,
        Field(description="`user`: people; `agent`: agents; otherwise who: a user's or an agent's id."),
    ] = None
    since: Annotated[Moment | None, Field(alias="from", description="Sent then or later.")] = None
    until: Annotated[Moment | None, Field(alias="to", description="Sent before that.")] = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class Hit(BaseModel):
    message_id: str = Field(examples=["msg_01kb2q8w0f3v9xk7n5t1m4c6ze"])
    session_id: str = Field(examples=["sess_01kb2q8w0f3v9xk7n5t1m4c6ze"])
    snippet: str = Field(
        description="A piece of the message as HTML: everything is escaped but `<mark>` around what was found.",
        examples=["주문하신 상품의 <mark>배송</mark> 상태를 알려 드립니다."],
    )
    score: float = Field(description="Higher is better; comparable within one answer only.", examples=[3.1416])
    created_at: datetime


class SearchResults(BaseModel):
    results: list[Hit] = Field(description="The best first; of equal ones the newest.")
    total: int = Field(description=f"How many were found; {CANDIDATES} may stand for more.", ge=0, le=CANDIDATES)
    partial: bool = Field(description=(
        f"There may be more: of messages with words as common as these only the newest {SCAN:,} of those in question "
        "were looked through, or there were more hits than are counted. `from` and `to` lead to older ones."
    ))
