"""What can go wrong with listening.

    Conflict
    └── EpochChanged (log)
        └── Resync          what was followed is no longer to be trusted: start again without a cursor
    NotFound
    └── Gone                the session was there and has been erased: do not come back
"""

from malgil.kit.errors import NotFound
from malgil.log.errors import EpochChanged


class Resync(EpochChanged):
    code = "RESYNC"
    title = "Start again without a cursor"


class Gone(NotFound):
    code = "SESSION_ERASED"
    title = "The session has been erased"
