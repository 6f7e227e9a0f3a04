"""What can go wrong with the log.

    Conflict
    ├── Fenced            another owner has taken over: stop writing
    ├── VersionConflict   the stream has moved: read again
    └── EpochChanged      the cursor belongs to a history that is no more: start without one
    NotFound
    └── StreamMissing     no such stream
"""

from malgil.kit.errors import Conflict, NotFound


class Fenced(Conflict):
    code = "FENCED"
    title = "Taken over"


class VersionConflict(Conflict):
    code = "VERSION_CONFLICT"
    title = "The version has moved"


class EpochChanged(Conflict):
    code = "EPOCH_CHANGED"
    title = "The history has changed"


class StreamMissing(NotFound):
    code = "STREAM_NOT_FOUND"
    title = "Stream not found"
