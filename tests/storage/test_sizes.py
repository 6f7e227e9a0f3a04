"""What the database says of the size of its tables."""

from malgil.observe.metrics import Metrics
from malgil.storage.database import Database
from malgil.storage.sizes import table_sizes


async def test_every_table_has_a_size(database: Database) -> None:
    async with database.unit_of_work() as uow:
        await uow.conn.execute(
            "INSERT INTO log_streams (stream, aggregate, tenant) "
            "SELECT 's' || n, 'a', 't' FROM generate_series(1, 500) n"
        )
        await uow.conn.execute("ANALYZE log_streams")
    async with database.read() as conn:
        sizes = {one.table: one for one in await table_sizes(conn)}
    assert {"log_events", "log_deltas", "log_streams", "chat_messages", "idempotency_keys"} <= set(sizes)
    assert (sizes["log_streams"].rows, sizes["log_deltas"].rows) == (500, 0)
    assert sizes["log_streams"].bytes > sizes["log_deltas"].bytes > 0
    metrics = Metrics("test")
    metrics.tables_measured((one.table, one.bytes, one.rows) for one in sizes.values())
    assert b'malgil_db_table_rows{table="log_streams"} 500.0' in metrics.text()
