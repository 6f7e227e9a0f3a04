"""Where bytes rest: the database pool, the unit of work, the embedded PostgreSQL, migrations.

Promises one transaction per unit of work, with effects only after its commit. Never knows a domain table.
"""
