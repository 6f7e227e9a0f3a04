"""How fast Malgil is, as ratios to what the same stack does with no product in it: `python -m bench`.

Every figure is taken together with its limit, in one run on one machine. The limit is the bare server (the same
uvicorn, uvloop, httptools and websockets, with a raw ASGI handler that sends the same bytes) or the bare driver (the
same statement on asyncpg), or both. The bars are those of the specification; RESULTS.md is what the last run found.
"""
