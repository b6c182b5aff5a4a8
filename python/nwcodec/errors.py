"""What goes wrong, as exceptions.

Every message names file, tensor and byte where there are such, and says what to do; the fields have the same for
programs.
"""

from __future__ import annotations

import contextvars
import re

__all__ = [
    "Error",
    "InvalidArgumentError",
    "NotFoundError",
    "IoError",
    "CorruptError",
    "UnsupportedError",
    "LimitError",
    "MismatchError",
    "ExistsError",
    "NonFiniteError",
    "InterruptedError",
    "InternalError",
    "BusyError",
]


class Error(Exception):
    """The base of all errors of this package.

    Attributes:
        file: the file that it is about, or None.
        tensor: the tensor's name, or None.
        offset: the byte in the file, or None.
    """

    def __init__(self, message: str, file: str | None = None, tensor: str | None = None, offset: int | None = None):
        super().__init__(message)
        self.file = file
        self.tensor = tensor
        self.offset = offset


class InvalidArgumentError(Error, ValueError):
    """The caller asked for something that makes no sense."""


class NotFoundError(Error, LookupError):
    """A file, a tensor or a key is missing."""


class IoError(Error, OSError):
    """The operating system refused to read or write."""


class CorruptError(Error):
    """The bytes contradict themselves or a checksum: fetch the file again."""


class UnsupportedError(Error):
    """Well formed, but a version, a dtype or a device that this build does not know."""


class LimitError(Error, MemoryError):
    """A size is over a limit, or over the memory that there is."""


class MismatchError(Error):
    """Two things that must belong together do not: model and streams, codec and stream, index and shard."""


class ExistsError(Error, FileExistsError):
    """The output is already there; `force=True` replaces it."""


class NonFiniteError(Error):
    """A weight is NaN or infinite."""


class InterruptedError(Error):  # noqa: A001 - the library's name for it
    """Somebody asked to stop."""


class InternalError(Error):
    """A library failed in a way that nobody foresaw."""


class BusyError(Error):
    """Another process is at work on the same output."""


# By nwc::ErrorCode.
_BY_CODE = {
    1: InvalidArgumentError,
    2: NotFoundError,
    3: IoError,
    4: CorruptError,
    5: UnsupportedError,
    6: LimitError,
    7: MismatchError,
    8: ExistsError,
    9: NonFiniteError,
    10: InterruptedError,
    11: InternalError,
    12: BusyError,
}


# The library's texts have the program's options. What stands before the name of the argument that has their place;
# None where options are meant (nwcodec/__main__.py).
argument_prefix: contextvars.ContextVar[str | None] = contextvars.ContextVar("argument_prefix", default="")
_OPTION = re.compile(r"(?<!trim )--(base|layers)(?![-\w])(?: (\d+))?")


def of_native(code: int, message: str, file: str, tensor: str, offset: int | None) -> Error:
    """The exception for an error of the library."""
    prefix = argument_prefix.get()
    if prefix is not None:
        message = _OPTION.sub(lambda m: f"{prefix}{m[1]}={m[2] or 'DIRECTORY'}", message)
    return _BY_CODE.get(code, Error)(message, file or None, tensor or None, offset)
