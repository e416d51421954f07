"""What huggingface_hub meets, in our words."""

import errno
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import constants
from huggingface_hub.errors import (  # type: ignore[attr-defined]
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,  # its HTTP library's, which has changed and may again
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from sedd_cli.errors import NotLoadableError, SeddError, UsageError
from sedd_cli.models.cache import Kind

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_TOKEN = "set HF_TOKEN to a token of yours (huggingface.co/settings/tokens)"


class NoRepositoryError(NotLoadableError):
    """The hub has no such repository, or does not show it."""


@contextmanager
def explain_errors(repository: str, revision: str, kind: Kind = "model") -> Iterator[None]:
    """Say what went wrong in a block that talks to the hub: every error leaves it as a `SeddError`.

    huggingface_hub's own warnings, which would go to stderr past us, are held back.
    """
    logger = logging.getLogger("huggingface_hub")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except SeddError:
        raise
    except (HTTPError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise _explain(error, repository, revision, kind) from error
    finally:
        logger.setLevel(before)


def _explain(error: BaseException, repository: str, revision: str, kind: Kind) -> SeddError:
    if isinstance(error, LocalEntryNotFoundError) and error.__cause__ is not None:
        # Its own words are that something went wrong.
        return _explain(error.__cause__, repository, revision, kind)
    if isinstance(error, HfHubHTTPError):
        return _explain_response(error, repository, revision, kind)
    if isinstance(error, OfflineModeIsEnabled | LocalEntryNotFoundError):
        return NotLoadableError(
            f"{repository} is not in the hub's cache as asked for, and HF_HUB_OFFLINE forbids to fetch it",
            "Unset HF_HUB_OFFLINE, or fetch it elsewhere and copy the cache (sedd doctor says where it is).",
        )
    if isinstance(error, HFValidationError):
        return UsageError(f"{repository!r} cannot be a repository's name: {_first_line(error)}", "It is OWNER/NAME.")
    if isinstance(error, FileMetadataError | ValueError | KeyError | TypeError):
        return SeddError(
            f"{constants.ENDPOINT} does not answer as the hub does: {_first_line(error)}", "Check HF_ENDPOINT."
        )
    if "Timeout" in type(error).__name__:
        return SeddError(
            f"{constants.ENDPOINT} did not answer in time",
            f"Try again; HF_HUB_DOWNLOAD_TIMEOUT and HF_HUB_ETAG_TIMEOUT (s) allow for more than "
            f"{constants.HF_HUB_DOWNLOAD_TIMEOUT} and {constants.HF_HUB_ETAG_TIMEOUT}.",
        )
    if isinstance(error, OSError) and error.errno is not None:
        return _explain_os_error(error)
    return SeddError(
        f"cannot fetch {repository} from {constants.ENDPOINT}: {_first_line(error)}",
        "Check the connection (and HF_ENDPOINT, if set), and try again.",
    )


def _explain_response(error: HfHubHTTPError, repository: str, revision: str, kind: Kind) -> SeddError:
    """What the hub answered that was no file."""
    url = f"{constants.ENDPOINT}/{constants.REPO_TYPES_URL_PREFIXES.get(kind, '')}{repository}"
    if isinstance(error, GatedRepoError):
        return NotLoadableError(
            f"{repository} is gated: its authors ask for something first", f"Accept that at {url}, then {_TOKEN}."
        )
    if isinstance(error, RepositoryNotFoundError):
        return NoRepositoryError(
            f"the hub has no repository {repository}, or it is private",
            f"Check the name at {url}; for a private one, {_TOKEN}.",
        )
    if isinstance(error, RevisionNotFoundError):
        return NotLoadableError(f"{repository} has no revision {revision!r}", f"See {url}/commits.")
    if isinstance(error, RemoteEntryNotFoundError):
        return NotLoadableError(f"a file of {repository} is not there: {_first_line(error)}", f"See {url}.")
    status = error.response.status_code
    if status in (401, 403):
        return NotLoadableError(f"the hub refuses access to {repository} ({status})", f"See {url}, and {_TOKEN}.")
    if status == 429:
        return SeddError(
            f"the hub has had too many requests from here (429), the last for {repository}",
            f"Wait some minutes; to be allowed more, {_TOKEN}.",
        )
    return SeddError(f"the hub answers {status} for {repository}: {_first_line(error)}", "Try again later.")


def _explain_os_error(error: OSError) -> SeddError:
    where = f"the hub's cache {constants.HF_HUB_CACHE}"
    if error.errno in _NO_ROOM:
        return SeddError(
            f"no room in {where}: {error.strerror}", "Make room (sedd models rm), or set HF_HOME to another disk."
        )
    place = error.filename or where
    return SeddError(f"cannot write {place}: {error.strerror}", "Check its permissions, or set HF_HOME.")


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
