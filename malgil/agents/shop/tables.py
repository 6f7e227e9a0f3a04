"""Tables of the demo shop. Money is whole won; order numbers are unique in a tenant."""

import sqlalchemy as sa

from malgil.storage.schema import metadata

_time = sa.TIMESTAMP(timezone=True)

products = sa.Table(
    "shop_products",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("product_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("category", sa.Text, nullable=False),
    sa.Column("name_ko", sa.Text, nullable=False),
    sa.Column("name_en", sa.Text, nullable=False),
    sa.Column("price_krw", sa.BigInteger, nullable=False),
    sa.Column("stock", sa.Integer, nullable=False),
    sa.Column("search", sa.Text, nullable=False),
)

orders = sa.Table(
    "shop_orders",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("order_number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("ordered_at", _time, nullable=False),
    sa.Column("total_krw", sa.BigInteger, nullable=False),
    sa.Index("ix_shop_orders_user", "tenant", "user_id", "ordered_at"),
)

order_items = sa.Table(
    "shop_order_items",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("order_number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("line", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("product_id", sa.BigInteger, nullable=False),
    sa.Column("quantity", sa.Integer, nullable=False),
    sa.Column("unit_price_krw", sa.BigInteger, nullable=False),
)

deliveries = sa.Table(
    "shop_deliveries",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("order_number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("carrier", sa.Text, nullable=False),
    sa.Column("tracking_number", sa.Text, nullable=False),
    sa.Column("expected_at", _time, nullable=False),
    sa.Column("delivered_at", _time),
)

delivery_events = sa.Table(
    "shop_delivery_events",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("order_number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("step", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("place", sa.Text, nullable=False),
    sa.Column("at", _time, nullable=False),
)

refund_rules = sa.Table(
    "shop_refund_rules",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("rule", sa.Text, primary_key=True),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("days", sa.Integer),
    sa.Column("fee_krw", sa.BigInteger),
    sa.Column("position", sa.Integer, nullable=False),
)

# One order is refunded at most once: the primary key is the promise, whatever calls the tool how often.
refunds = sa.Table(
    "shop_refunds",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("order_number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("call_id", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("amount_krw", sa.BigInteger, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("requested_at", _time, nullable=False),
)
