"""The demo shop for its own tests."""

from tests.fixtures.shop import shop as shop
