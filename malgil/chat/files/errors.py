"""What can go wrong with a file.

    NotFound
    └── FileNotFound        404  it does not exist, or no session of yours holds it
    Conflict
    └── ClientIdTaken       409  a message that shows no file has this client_message_id
    TooLarge
    └── FileTooLarge        413
    UnsupportedType
    └── TypeNotAllowed      415  what the file is, by its content, is not taken here
    Invalid
    └── FileDamaged         422  it is not whole, or not what it seems to be
    Unavailable
    └── BytesMissing        503  it exists, and the store of this process does not have it
"""

from malgil.kit.errors import Conflict, Invalid, NotFound, TooLarge, Unavailable, UnsupportedType


class FileNotFound(NotFound):
    code = "FILE_NOT_FOUND"
    title = "File not found"

    def __init__(self, file_id: str) -> None:
        super().__init__(f"No file {file_id[:64]!r} that you may see.")


class ClientIdTaken(Conflict):
    code = "CLIENT_ID_TAKEN"
    title = "Client's id taken"


class FileTooLarge(TooLarge):
    code = "FILE_TOO_LARGE"
    title = "File too large"

    def __init__(self, most: int) -> None:
        super().__init__(f"A file may have at most {most} bytes.")


class TypeNotAllowed(UnsupportedType):
    code = "FILE_TYPE_NOT_ALLOWED"
    title = "Type of file not allowed"

    def __init__(self, media_type: str) -> None:
        super().__init__(f"By its content this is {media_type}, which is not taken here.")


class FileDamaged(Invalid):
    code = "FILE_DAMAGED"
    title = "The file is damaged"


class BytesMissing(Unavailable):
    code = "FILES_UNAVAILABLE"
    title = "File not here"

    def __init__(self) -> None:
        super().__init__("The file exists, but its bytes are not in this server's store.", retry_after=5.0)
