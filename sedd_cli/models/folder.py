"""A checkpoint's folder as files: its config, and which file holds the weights. Nothing here needs torch."""

import hashlib
from pathlib import Path

from pydantic import ValidationError

from sedd_cli.errors import NotLoadableError
from sedd_cli.models.config import Config
from sedd_cli.models.names import CONFIG, WEIGHTS


def read_config(folder: Path) -> Config:
    path = folder / CONFIG
    try:
        return Config.model_validate_json(path.read_bytes())
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


def weights_hash(folder: Path) -> str:
    """SHA-256 of the weights file, hexadecimal. Raises `NotLoadableError` if there is none."""
    with weights_file(folder).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
