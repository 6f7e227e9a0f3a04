"""Errors of the storage room. All of them stop the start of the program: nobody meets them in a request.

    MalgilError
    └── StorageUnusable     the data cannot be opened; `way_out` says what a person can do
        ├── DataDirLocked   another living Malgil has this DATA_DIR
        └── NewerSchema     the data was made by a newer Malgil
"""

from malgil.kit.errors import MalgilError


class StorageUnusable(MalgilError):
    """`detail` is what is wrong, `way_out` what to do; `str()` of the error is both."""

    status = 503
    code = "STORAGE_UNUSABLE"
    title = "Storage unusable"

    def __init__(self, detail: str, way_out: str) -> None:
        super().__init__(f"{detail}\n{way_out}")
        self.way_out = way_out


class DataDirLocked(StorageUnusable):
    code = "DATA_DIR_LOCKED"
    title = "Data directory in use"


class NewerSchema(StorageUnusable):
    code = "NEWER_SCHEMA"
    title = "Data made by a newer Malgil"
