"""Errors of huggingface_hub as `SeddError`s."""

import errno
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import constants
from huggingface_hub.errors import (  # type: ignore[attr-defined]
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,  # of its HTTP library, which has changed before
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from sedd_cli.errors import NotLoadableError, SeddError, UsageError
from sedd_cli.models.cache import Kind, silenced_hub

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_TOKEN = "set HF_TOKEN to your token (huggingface.co/settings/tokens)"


class NoRepositoryError(NotLoadableError):
    """The hub has no such repository, or it is private."""


@contextmanager
def explain_errors(repository: str, revision: str, kind: Kind = "model") -> Iterator[None]:
    """Raise every error of a block that uses the hub as a `SeddError`.

    Suppresses huggingface_hub's warnings, which would go to stderr directly.
    """
    try:
        with silenced_hub(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except SeddError:
        raise
    except (HTTPError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise _explain(error, repository, revision, kind) from error


def _explain(error: BaseException, repository: str, revision: str, kind: Kind) -> SeddError:
    if isinstance(error, LocalEntryNotFoundError) and error.__cause__ is not None:
        # Its own message is only that something went wrong.
        return _explain(error.__cause__, repository, revision, kind)
    if isinstance(error, HfHubHTTPError):
        return _explain_response(error, repository, revision, kind)
    if isinstance(error, OfflineModeIsEnabled | LocalEntryNotFoundError):
        return NotLoadableError(
            f"{repository} is not in the hub's cache at this revision, and HF_HUB_OFFLINE forbids downloads",
            "Unset HF_HUB_OFFLINE, or download it elsewhere and copy the cache (sedd doctor shows its path).",
        )
    if isinstance(error, HFValidationError):
        return UsageError(f"{repository!r} is not a valid repository name: {_first_line(error)}", "Use OWNER/NAME.")
    if isinstance(error, FileMetadataError | ValueError | KeyError | TypeError):
        return SeddError(
            f"{constants.ENDPOINT} does not answer like the hub: {_first_line(error)}", "Check HF_ENDPOINT."
        )
    if "Timeout" in type(error).__name__:
        return SeddError(
            f"{constants.ENDPOINT} did not answer in time",
            f"Try again, or raise HF_HUB_DOWNLOAD_TIMEOUT and HF_HUB_ETAG_TIMEOUT above "
            f"{constants.HF_HUB_DOWNLOAD_TIMEOUT} and {constants.HF_HUB_ETAG_TIMEOUT} s.",
        )
    if isinstance(error, OSError) and error.errno is not None:
        return _explain_os_error(error)
    if "Connect" in type(error).__name__:
        return SeddError(
            f"{constants.ENDPOINT} cannot be reached: {_first_line(error)}",
            "Check the connection (and HF_ENDPOINT, if set), and try again.",
        )
    return SeddError(
        f"cannot download {repository} from {constants.ENDPOINT}: {_first_line(error)}",
        "Check the connection (and HF_ENDPOINT, if set), and try again.",
    )


def _explain_response(error: HfHubHTTPError, repository: str, revision: str, kind: Kind) -> SeddError:
    """The error for an HTTP error status of the hub."""
    url = f"{constants.ENDPOINT}/{constants.REPO_TYPES_URL_PREFIXES.get(kind, '')}{repository}"
    if isinstance(error, GatedRepoError):
        return NotLoadableError(
            f"{repository} is gated: you have to accept its conditions first",
            f"Accept them at {url}, then {_TOKEN}.",
        )
    if isinstance(error, RepositoryNotFoundError):
        return NoRepositoryError(
            f"the hub has no repository {repository}, or it is private",
            f"Check the name at {url}; for a private one, {_TOKEN}.",
        )
    if isinstance(error, RevisionNotFoundError):
        return NotLoadableError(f"{repository} has no revision {revision!r}", f"See {url}/commits.")
    if isinstance(error, RemoteEntryNotFoundError):
        return NotLoadableError(f"a file of {repository} is missing: {_first_line(error)}", f"See {url}.")
    status = error.response.status_code
    if status in (401, 403):
        return NotLoadableError(f"the hub refuses access to {repository} ({status})", f"See {url}, and {_TOKEN}.")
    if status == 429:
        return SeddError(
            f"the hub received too many requests from this address (429), the last for {repository}",
            f"Wait some minutes; for a higher limit, {_TOKEN}.",
        )
    return SeddError(f"the hub answers {status} for {repository}: {_first_line(error)}", "Try again later.")


def _explain_os_error(error: OSError) -> SeddError:
    cache = f"the hub's cache {constants.HF_HUB_CACHE}"
    if error.errno in _NO_SPACE:
        return SeddError(
            f"no space in {cache}: {error.strerror}",
            "Free space (sedd models rm), or set HF_HOME to another disk.",
        )
    path = error.filename or cache
    return SeddError(f"cannot read or write {path}: {error.strerror}", "Check its permissions, or set HF_HOME.")


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
