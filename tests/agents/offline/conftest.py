"""The demo shop and a conversation in it."""

from tests.fixtures.shop import shop as shop
from tests.fixtures.shop import talk as talk
