"""What the shop's tools are given. The descriptions are read by models, in both languages."""

from typing import Annotated

from pydantic import BaseModel, Field

from malgil.agents.shop.model import Only, Reason, Topic

_MAX_NUMBER = 10**12

OrderNumber = Annotated[int, Field(ge=1, le=_MAX_NUMBER, description="주문 번호, the order number")]
Price = Annotated[int, Field(ge=0, le=10**9)]
Count = Annotated[int, Field(ge=1, le=20, description="개수, how many to show at most")]


class OrderStatus(BaseModel):
    order_number: OrderNumber


class ListOrders(BaseModel):
    only: Annotated[Only, Field(description="which orders")] = "all"
    limit: Count = 5


class ProductSearch(BaseModel):
    query: Annotated[str, Field(min_length=1, max_length=200, description="검색어, words to search for")]
    max_price: Annotated[Price | None, Field(description="최고 가격, highest price in won")] = None
    min_price: Annotated[Price | None, Field(description="최저 가격, lowest price in won")] = None
    in_stock: Annotated[bool, Field(description="재고 있는 상품만, only products in stock")] = False
    limit: Count = 5


class DeliveryTracking(BaseModel):
    order_number: OrderNumber | None = None


class RefundPolicy(BaseModel):
    topic: Annotated[Topic, Field(description="which rules")] = "refund"
    order_number: OrderNumber | None = None


class RequestRefund(BaseModel):
    order_number: OrderNumber
    reason: Annotated[Reason, Field(description="환불 사유, why")] = "change_of_mind"
