"""    MalgilError
    ├── Mismatch              422  the idempotency key came before with another body        (kit)
    └── Conflict
        └── StillUnderWay     409  the first request with this key has not left an answer   read again later
"""

from malgil.kit.errors import Conflict


class StillUnderWay(Conflict):
    code = "IDEMPOTENCY_UNDER_WAY"
    title = "The first request with this key has no answer yet"
