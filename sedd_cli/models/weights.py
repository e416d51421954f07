"""The tensors of a checkpoint's files, under the names that its network gives them.

Independent of the config's format: files may be shards, states of a training run that hold the weights among other
things, and written by wrappers that put a prefix before every name.
"""

import pickle
import re
import warnings
import zipfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from sedd_cli.errors import NotLoadableError
from sedd_cli.models.folder import FileIdentity, file_identity
from sedd_cli.models.layout import WEIGHTS
from sedd_cli.text.stand_ins import check_genuine

COMPILED = "_orig_mod."
PREFIXES = ("model.", "module.", "backbone.", COMPILED)
"""Of modules around the network: an author's own, DistributedDataParallel, torch.compile."""
AVERAGES = ("ema", "ema_state_dict", "model_ema", "state_dict_ema")
PLAIN = ("state_dict", "model", "model_state_dict", "module")
"""Keys of a run's state under which its weights stand: averaged ones are better, and taken first."""
SETTINGS_PACKAGES = ("omegaconf", "typing", "collections", "pathlib", "argparse", "transformers", "tokenizers", "numpy")
"""Packages whose objects stand beside the weights in Lightning's checkpoints, as settings of the run."""
SETTINGS_TYPES = tuple(f"builtins.{name}" for name in ("dict", "list", "set", "tuple", "int", "float", "str", "bool"))

Table = dict[str, Tensor]


@dataclass(frozen=True)
class Source:
    """A tensor in a safetensors file."""

    path: Path
    name: str
    identity: FileIdentity

    def read(self) -> Tensor:
        """In a mapping of its own. Raises `NotLoadableError` if the file was replaced."""
        with safe_open(self.path, framework="pt") as file:
            if file_identity(self.path) != self.identity:
                raise NotLoadableError(f"{self.path} was replaced while it was read", "Load it again.")
            tensor: Tensor = file.get_tensor(self.name)
            return tensor


class Sources(dict[int, Source]):
    """By the address of the view of it."""

    def mapped_alone(self, tensor: Tensor) -> Tensor:
        """A tensor, or first rows of it, with no memory in common with others: what is read of it ends with it.

        One that is no view of a file, or another view of it, is returned as it is.
        """
        source = self.get(tensor.data_ptr())
        alone = tensor if source is None else source.read()[: len(tensor)]
        return alone if (alone.shape, alone.stride()) == (tensor.shape, tensor.stride()) else tensor


@dataclass(frozen=True)
class Weights:
    """Tensors by name, and `notes` on where they were found and what was changed of their names.

    Those of safetensors files are views of a mapping, in memory as far as they are read; `sources` has them.
    """

    tensors: Table
    notes: tuple[str, ...]
    sources: Sources


def read_weights(files: Sequence[Path], buffers: Collection[str] = (), *, prefixed: bool = False) -> Weights:
    """Read the files of `folder.weights_files`. No code of theirs is run.

    `buffers`: names of the network's tensors that are not trained, and so not averaged. `prefixed`: a prefix that all
    names have belongs to the layout, and stays. Raises `NotLoadableError` for files that are damaged, unsafe, or hold
    no named tensors.
    """
    tensors: Table = {}
    notes: list[str] = []
    sources = Sources()
    for path in files:
        check_genuine(path)
        if path.suffix == ".safetensors":
            identity, found = file_identity(path), _read_safetensors(path)
            sources |= {tensor.data_ptr(): Source(path, name, identity) for name, tensor in found.items()}
            tensors |= found
            continue
        table, where = _unwrap(_read_pickle(path), path, buffers)
        # Copied out of the mapping: a run that goes on writes over its file.
        tensors |= {name: tensor.clone() for name, tensor in table.items()} if where else table
        if where or (path.name not in WEIGHTS and len(files) == 1):
            notes.append(f"the weights are those {where}in {path.name}")
    tensors, taken_off = (tensors, []) if prefixed else _without_prefix(tensors)
    notes += [f"the prefix {prefix} was taken off the names of the weights" for prefix in taken_off]
    return Weights(tensors, tuple(notes), sources)


def _read_safetensors(path: Path) -> Table:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        tensors = load_file(path)
    except MemoryError:
        raise
    except Exception as error:
        raise _damaged(path, error) from error
    # `safetensors.torch.save_model` stores a tensor of two names once, and the other name here.
    return tensors | {name: tensors[kept] for name, kept in metadata.items() if kept in tensors}


def _read_pickle(path: Path) -> object:
    try:
        mapped = zipfile.is_zipfile(path)
        stored = _load(path, mapped=mapped)
        return _load(path) if mapped and _is_table(stored) else stored
    except pickle.UnpicklingError as error:
        foreign = _foreign_globals(path)
        if foreign and all(name in SETTINGS_TYPES or name.split(".")[0] in SETTINGS_PACKAGES for name in foreign):
            return _read_beside_settings(path, foreign)
        raise _unsafe(path, foreign, error) from error
    except MemoryError:
        raise
    except Exception as error:
        # Of damaged bytes torch makes what it will: KeyError, IndexError, struct.error, AssertionError.
        raise _damaged(path, error) from error


def _load(path: Path, *, mapped: bool = False) -> object:
    """`mapped`: what stands beside the weights, such as an optimiser's state, is not read."""
    with warnings.catch_warnings():
        # It warns of unusual pickles that it then refuses: the refusal is enough.
        warnings.simplefilter("ignore")
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)


def _foreign_globals(path: Path) -> list[str]:
    """What a file names besides what tensors need; empty where torch cannot list it."""
    try:
        return sorted(get_unsafe_globals_in_checkpoint(path))
    except Exception:
        return []


class _Setting:
    """In the place of an object of a run's settings: keeps nothing, runs nothing."""

    def __new__(cls, *_: object) -> "_Setting":
        return super().__new__(cls)

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


def _read_beside_settings(path: Path, foreign: Sequence[str]) -> object:
    """Read a file in which each of the `foreign` classes is replaced by an inert one: none of them is imported."""
    inert: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = []
    for full_name in foreign:
        module, _, name = full_name.rpartition(".")
        inert.append(type(name, (_Setting,), {"__module__": module, "__qualname__": name}))
    try:
        with safe_globals(inert):
            return _load(path, mapped=True)
    except MemoryError:
        raise
    except Exception as error:
        raise _unsafe(path, foreign, error) from error


def _unwrap(stored: object, path: Path, buffers: Collection[str]) -> tuple[Table, str]:
    """The weights in what a file holds, and where in it they stand ("" if there is nothing else)."""
    if _is_table(stored):
        return stored, ""
    if isinstance(stored, Mapping):
        plain = next((key for key in PLAIN if _is_table(stored.get(key))), None)
        for key in AVERAGES:
            average = stored.get(key)
            if _is_table(average):
                return average, f"under {key!r} "
            if isinstance(average, Mapping) and "shadow_params" in average and plain is not None:
                return _named(average["shadow_params"], stored[plain], path, buffers), f"under {key!r} "
        if plain is not None:
            passed_over = "".join(f", not {key!r}, " for key in AVERAGES if stored.get(key))
            return stored[plain], f"under {plain!r}{passed_over or ' '}"
    raise NotLoadableError(f"{path} is not a plain table of named tensors", "Save it as model.safetensors.")


def _is_table(value: Any) -> TypeGuard[Table]:
    return isinstance(value, dict) and bool(value) and all(isinstance(tensor, Tensor) for tensor in value.values())


def _named(averaged: Any, plain: Table, path: Path, buffers: Collection[str]) -> Table:
    """The `plain` table with the averages in a list, which is in the order of a network's parameters.

    A state dict is in that order too. Its buffers and the second name of a shared parameter are left out of the list
    by those who write it from `parameters()`.
    """
    names: dict[object, str] = {}
    for name, tensor in plain.items():
        if not name.endswith(tuple(buffers)):
            names.setdefault((tensor.data_ptr(), tensor.shape), name)
    shapes = [getattr(tensor, "shape", None) for tensor in averaged] if isinstance(averaged, list | tuple) else None
    for listed in (list(plain), list(names.values())):
        if [plain[name].shape for name in listed] == shapes:
            average_of = dict(zip(listed, averaged, strict=True))
            first = {name: names.get((tensor.data_ptr(), tensor.shape), name) for name, tensor in plain.items()}
            return {name: average_of.get(first[name], tensor) for name, tensor in plain.items()}
    raise NotLoadableError(
        f"the averaged weights in {path} are not those of its {len(names)} parameters",
        "Save the averaged network's state_dict as model.safetensors.",
    )


def _without_prefix(tensors: Table) -> tuple[Table, list[str]]:
    """Take off the prefix that every name has, and what torch.compile puts before the parts that it compiled."""
    prefix = ""
    while found := next((p for p in PREFIXES if tensors and all(n.startswith(prefix + p) for n in tensors)), None):
        prefix += found
    named = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    taken_off = [prefix] if prefix else []
    if any(COMPILED in name for name in named):
        named = {name.replace(COMPILED, ""): tensor for name, tensor in named.items()}
        taken_off.append(COMPILED)
    return named, taken_off


def _unsafe(path: Path, foreign: Sequence[str], error: Exception) -> NotLoadableError:
    # Not in torch's words: they advise to read the file unsafely.
    named = list(foreign) or re.findall(r"GLOBAL (\S+) was not an allowed", str(error))
    what = f" ({', '.join(named[:3])}{', ...' if len(named) > 3 else ''})" if named else ", or is damaged"
    return NotLoadableError(
        f"{path} was not opened: it holds more than tensors{what}",
        "A pickle can run code. Ask its author for model.safetensors.",
    )


def _damaged(path: Path, error: Exception) -> NotLoadableError:
    reason = next(iter(str(error).splitlines()), "")
    reason = type(error).__name__ if not reason or "weights_only" in reason else reason
    return NotLoadableError(f"cannot read {path}: {reason}", "The file is damaged or cut short: fetch it again.")
