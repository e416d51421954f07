"""The files of a checkpoint's folder: its config and its weights. Needs no torch."""

import hashlib
from pathlib import Path

from pydantic import ValidationError

from sedd_cli.errors import NotLoadableError
from sedd_cli.models.config import Config
from sedd_cli.models.formats import find_format
from sedd_cli.models.formats.facts import Facts
from sedd_cli.models.layout import CONFIG, WEIGHTS


def read_config(folder: Path) -> Config:
    path = folder / CONFIG
    try:
        data = path.read_bytes()
        facts = Facts(folder)
        layout = find_format(facts)
        return Config.model_validate_json(data) if layout is None else Config.model_validate(layout.sections(facts))
    except (KeyError, TypeError) as error:
        raise NotLoadableError(
            f"{path} lacks what a config of its model_type has: {error}", "Fetch the file again."
        ) from error
    except FileNotFoundError:
        raise NotLoadableError(
            f"{folder} has no config.json", "A checkpoint is a folder with config.json and model.safetensors."
        ) from None
    except OSError as error:
        raise NotLoadableError(f"cannot read {path}: {error.strerror}", "Check its permissions.") from error
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'the file'}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()[:5]
        )
        raise NotLoadableError(
            f"{path} is not the config of a SEDD or RADD checkpoint: {faults}",
            "Compare it with the config.json of a public checkpoint.",
        ) from None


def weights_file(folder: Path) -> Path:
    for name in WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    raise NotLoadableError(f"{folder} has no weights", f"Expected {' or '.join(WEIGHTS)} beside config.json.")


def folder_size(folder: Path) -> int:
    """Bytes of the files of a folder, without subfolders."""
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())


FileIdentity = tuple[int, ...]


def file_identity(path: Path) -> FileIdentity:
    """Numbers that change when a file is replaced or written to."""
    stat = path.stat()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def weights_hash(folder: Path, loaded: FileIdentity | None = None) -> str:
    """SHA-256 of the weights file, hexadecimal. `loaded`: the identity that the file must still have.

    Raises `NotLoadableError` if the file is missing, cannot be read, or was replaced.
    """
    path = weights_file(folder)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        # Checked last, so that a change during the hashing is noticed.
        replaced = loaded is not None and file_identity(path) != loaded
    except OSError as error:
        raise NotLoadableError(f"cannot read {path}: {error.strerror}", "Check its permissions.") from error
    if replaced:
        raise NotLoadableError(
            f"{path} was replaced since it was loaded: its hash is not that of the loaded weights",
            "Run the command again, or use a copy that no training run writes to.",
        )
    return digest
