"""The files of a checkpoint's folder: its config and its weights. Needs no torch."""

import hashlib
import json
from math import prod
from pathlib import Path, PurePath
from typing import Any

from pydantic import ValidationError

from sedd_cli.errors import NotLoadableError
from sedd_cli.models.config import Config
from sedd_cli.models.formats import find_format
from sedd_cli.models.formats.facts import Facts
from sedd_cli.models.layout import CONFIG, HYDRA_CONFIG, HYDRA_WEIGHTS, LAST, WEIGHTS, index_of
from sedd_cli.text.encodings import without_bom
from sedd_cli.text.stand_ins import check_genuine


def config_file(folder: Path) -> Path:
    """`config.json`, or the config of a run of the original code."""
    own, hydra = folder / CONFIG, folder / HYDRA_CONFIG
    return hydra if hydra.is_file() and not own.is_file() else own


def read_config(folder: Path, shift: bool | None = None) -> Config:
    """Raises `NotLoadableError` if there is no config, or none that sedd reads. `shift`: as for `find_format`."""
    path = config_file(folder)
    check_genuine(path)
    layout = None
    try:
        data = without_bom(path.read_bytes())
        if path.suffix != ".json":
            return Config.model_validate(_yaml(data))
        facts = Facts(folder)
        layout = find_format(facts, shift)
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
            f"{path} is not the config of a {layout.name if layout else 'SEDD or RADD'} checkpoint: {faults}",
            "Compare it with the config.json of a public checkpoint.",
        ) from None
    except ValueError as error:
        raise NotLoadableError(f"{path} or a file beside it is damaged: {error}", "Fetch the file again.") from error


def config_table(folder: Path) -> dict[str, Any]:
    """All keys of a config that `read_config` reads."""
    path = config_file(folder)
    table: dict[str, Any] = json.loads(path.read_bytes()) if path.suffix == ".json" else _yaml(path.read_bytes())
    return table


def _yaml(data: bytes) -> Any:
    # A dependency of huggingface_hub.
    import yaml

    try:
        return yaml.safe_load(data)
    except (yaml.YAMLError, ValueError):
        return None


def weights_files(folder: Path) -> tuple[Path, ...]:
    """The files with the tensors of a checkpoint: one, or its shards.

    The usual names come first, then those that the original code and Lightning give. Raises `NotLoadableError` if
    there are no weights, not all shards, or several files none of which is the one.
    """
    for name in WEIGHTS:
        if (folder / name).is_file():
            return (folder / name,)
        if (folder / index_of(name)).is_file():
            return _shards(folder / index_of(name))
    for name in (HYDRA_WEIGHTS, LAST):
        if (folder / name).is_file():
            return (folder / name,)
    others = sorted(path for pattern in ("*.ckpt", "*.pth") for path in folder.glob(pattern) if path.is_file())
    if len(others) > 1:
        raise NotLoadableError(
            f"{folder} has several weights: {', '.join(path.name for path in others)}",
            f"Leave one of them there, or name one {LAST}.",
        )
    if not others:
        raise NotLoadableError(f"{folder} has no weights", f"Expected {' or '.join(WEIGHTS)} beside config.json.")
    return tuple(others)


def has_weights(folder: Path) -> bool:
    try:
        return bool(weights_files(folder))
    except NotLoadableError:
        return False


def shard_names(index: Path) -> list[str]:
    """The shards that an index names, in order. Raises `NotLoadableError` if it is none."""
    check_genuine(index)
    try:
        names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
        if not names or any(PurePath(name).name != name for name in names):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotLoadableError(f"{index} is not an index of shards", "Fetch it again.") from error
    return names


def _shards(index: Path) -> tuple[Path, ...]:
    shards = tuple(index.parent / name for name in shard_names(index))
    if missing := [shard.name for shard in shards if not shard.is_file()]:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise NotLoadableError(
            f"{index.parent} lacks {', '.join(missing[:3])}{more}, of the {len(shards)} shards that {index.name} names",
            "Fetch the missing ones.",
        )
    return shards


def folder_size(folder: Path) -> int:
    """Bytes of the files of a folder, without subfolders but for its weights."""
    weights = weights_files(folder) if has_weights(folder) else ()
    return sum(file.stat().st_size for file in {*folder.iterdir(), *weights} if file.is_file())


def count_parameters(folder: Path) -> int | None:
    """Numbers in the tensors of a checkpoint's files, by their headers; None for other files than safetensors."""
    count = 0
    for path in weights_files(folder):
        if path.suffix != ".safetensors":
            return None
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        count += sum(prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
    return count


FileIdentity = tuple[int, ...]


def file_identity(*paths: Path) -> FileIdentity:
    """Numbers that change when one of these files is replaced or written to."""
    stats = [path.stat() for path in paths]
    return tuple(n for stat in stats for n in (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns))


def weights_hash(folder: Path, loaded: FileIdentity | None = None) -> str:
    """SHA-256 of the weights file, hexadecimal; of shards, that of their bytes one after the other.

    `loaded`: the identity that the files must still have. Raises `NotLoadableError` if a file is missing, cannot be
    read, or was replaced.
    """
    paths = weights_files(folder)
    digest = hashlib.sha256()
    try:
        for path in paths:
            with path.open("rb") as file:
                hashlib.file_digest(file, lambda: digest)
        # Checked last, so that a change during the hashing is noticed.
        replaced = loaded is not None and file_identity(*paths) != loaded
    except OSError as error:
        raise NotLoadableError(f"cannot read {paths[0]}: {error.strerror}", "Check its permissions.") from error
    if replaced:
        raise NotLoadableError(
            f"{paths[0]} was replaced since it was loaded: its hash is not that of the loaded weights",
            "Run the command again, or use a copy that no training run writes to.",
        )
    return digest.hexdigest()
