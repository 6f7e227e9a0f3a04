"""The demo: a small shop whose support agent answers from real rows (orders, products, deliveries, refunds).

Promises that a tool reads only the caller's rows in the caller's tenant, that somebody else's order number is answered
exactly like one that does not exist, and that an order is refunded at most once. Never calls anything outside.
Each result carries facts (numbers, codes, RFC 3339 dates, whole won, names in both languages) and, under `say`, how
they read to a person in Korean and in English.
"""
