"""What a failed call of the system means to a client: one table from errno to MailError."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from doocot.errors import Kind, MailError


def disk_error(error: OSError, path: str) -> MailError:
    """What a failed file call means to the client; the log gets the path and the system's words."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return MailError(Kind.OVER_QUOTA, "Not enough disk space.", f"{path}: {error.strerror}")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return MailError(Kind.NO_PERM, "Permission denied.", f"{path}: {error.strerror}")
    return MailError(Kind.UNAVAILABLE, "The mail could not be read or written.", f"{path}: {error.strerror}")


@contextmanager
def disk_errors(path: str) -> Iterator[None]:
    """Any OSError of the block as MailError, with the path that failed (or `path`)."""
    try:
        yield
    except OSError as error:
        raise disk_error(error, error.filename or path) from error
