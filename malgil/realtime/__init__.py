"""Who is listening now: the bus between replicas, the hub that follows logs, and the transports that speak to clients.

Promises that every listener sees each log entry once and in order, whatever the bus loses, doubles or reorders, and
that one slow client costs the others nothing. Never decides who may see a session: it asks through `gate.py`.
"""
