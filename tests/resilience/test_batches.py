"""AsyncBatchProcessor: every item once, in order, errors in their places."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from malgil.resilience.batches import AsyncBatchProcessor


@given(items=st.lists(st.integers(), max_size=40), size=st.integers(1, 12), most=st.integers(1, 6))
async def test_every_item_once_and_in_order_within_the_limits(items: list[int], size: int, most: int) -> None:
    processor: AsyncBatchProcessor[int, int] = AsyncBatchProcessor(batch_size=size, max_concurrent=most)
    inside = peak = 0

    async def double(item: int) -> int:
        nonlocal inside, peak
        inside += 1
        peak = max(peak, inside)
        await asyncio.sleep(0)
        inside -= 1
        return item * 2

    assert await processor.process_all(items, double) == [item * 2 for item in items]
    assert peak <= min(size, most)
    rate = 100.0 if items else 0.0
    assert processor.get_stats() == {"processed_count": len(items), "failed_count": 0, "success_rate": rate}


async def test_an_item_that_fails_fails_alone() -> None:
    processor: AsyncBatchProcessor[int, float] = AsyncBatchProcessor(batch_size=2)

    async def divide(item: int) -> float:
        return 12 / item

    results = await processor.process_all([1, 0, 3, 4], divide)
    assert (results[0], results[2], results[3]) == (12, 4, 3)
    assert isinstance(results[1], ZeroDivisionError)
    assert processor.get_stats() == {"processed_count": 3, "failed_count": 1, "success_rate": 75.0}


async def test_a_function_that_fails_before_it_awaits_fails_alone_too() -> None:
    processor: AsyncBatchProcessor[int, int] = AsyncBatchProcessor()

    def sudden(item: int) -> asyncio.Future[int]:
        raise KeyError(item)

    (result,) = await processor.process_all([1], sudden)
    assert isinstance(result, KeyError)


async def test_figures_add_up_over_runs() -> None:
    processor: AsyncBatchProcessor[int, int] = AsyncBatchProcessor()

    async def same(item: int) -> int:
        return item

    await processor.process_all(range(3), same)
    await processor.process_all(range(4), same)
    assert processor.get_stats()["processed_count"] == 7


@pytest.mark.parametrize("sizes", [{"batch_size": 0}, {"max_concurrent": 0}, {"batch_size": -5}])
def test_sizes_below_one_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(sizes))):
        AsyncBatchProcessor(**sizes)
