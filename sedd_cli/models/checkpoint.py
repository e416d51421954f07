"""Checkpoints on disk: a folder with `config.json`, weights, and a tokenizer when it is not GPT-2's."""

import pickle
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from sedd_cli.diffusion.processes import Causal, StateSpace
from sedd_cli.diffusion.schedules import Schedule
from sedd_cli.errors import NotLoadableError
from sedd_cli.models.config import Config
from sedd_cli.models.device import AUTOCAST, Precision, resolve_device, resolve_precision
from sedd_cli.models.folder import FileIdentity, file_identity, read_config, weights_file, weights_hash
from sedd_cli.models.formats import find_format
from sedd_cli.models.formats.facts import Facts
from sedd_cli.models.gpt2 import GPT2_TOKENS, cached_gpt2
from sedd_cli.models.int8 import is_quantised, quantise
from sedd_cli.models.names import cached_repository, find_checkpoint
from sedd_cli.models.network import ScoreNetwork
from sedd_cli.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Checkpoint:
    """A loaded network with its config. `tokenizer` is None where the folder has none."""

    name: str
    folder: Path
    config: Config
    model: ScoreNetwork
    tokenizer: Tokenizer | None
    weights: FileIdentity | None = field(default=None, repr=False)
    """The file that they were read from, which a training run may replace; None where there was no file."""

    @cached_property
    def process(self) -> StateSpace:
        return self.config.process()

    @cached_property
    def noise(self) -> Schedule:
        return self.config.schedule()

    @property
    def mask_id(self) -> int | None:
        """The state that cannot be written; None for the uniform process."""
        return self.process.mask_id

    @property
    def autoregressive(self) -> bool:
        """Whether it reads and writes from left to right, without noise."""
        return isinstance(self.process, Causal)

    @property
    def validation_bound(self) -> float | None:
        """Nats a token on its own validation text, from its provenance; None where that has none."""
        bound = self.config.provenance.get("bound")
        value = bound.get("nats_per_token") if isinstance(bound, dict) else None
        return float(value) if isinstance(value, int | float) and value > 0 else None

    @property
    def subject(self) -> str:
        """What its texts are, from its provenance: "children's stories"; "text" where that does not say."""
        return str(self.config.provenance.get("subject") or "text")

    @property
    def length(self) -> int:
        """Tokens of the canvases that it was trained on."""
        return self.config.model.length

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def precision(self) -> Precision:
        """The precision of the linear layers; on an accelerator by autocast of the blocks."""
        if is_quantised(self.model):
            return "int8"
        return next((name for name, dtype in AUTOCAST.items() if dtype == self.model.autocast), "float32")

    @property
    def parameterization(self) -> str:
        return self.config.parameterization

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.model.parameters())

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the weights file, hexadecimal; computed at the first access, which takes long for a large file.

        Raises `NotLoadableError` if the file is not the one that was loaded.
        """
        return weights_hash(self.folder, self.weights)


def load_checkpoint(name_or_path: str | Path | None = None, device: str = "cpu", dtype: str = "auto") -> Checkpoint:
    """Load a checkpoint by built-in name (None: the default), folder, or hub id (from the hub's cache).

    Public SEDD and RADD folders load as they are; nothing is downloaded.

    Weights of any precision become float32. `dtype` is that of the products: auto, float32; on an accelerator
    bfloat16 or float16, in the blocks; on a CPU int8, of which no float32 copy is kept. Raises `NotLoadableError` if
    the folder is missing, incomplete, unsafe or inconsistent, `UsageError` for an unavailable device or dtype.
    """
    target = resolve_device(device)
    precision = resolve_precision(dtype, target)
    folder = find_checkpoint(None if name_or_path is None else str(name_or_path))
    config = read_config(folder)
    weights = file_identity(weights_file(folder))
    tensors = read_weights(folder)
    layout = find_format(Facts(folder))
    if layout is not None:
        tensors = layout.apply(tensors)
    model = build_network(config, tensors, AUTOCAST.get(precision), folder)
    if precision == "int8":
        quantise(model)
    return Checkpoint(
        name=_name(folder, config),
        folder=folder,
        config=config,
        model=model.to(target),
        tokenizer=read_tokenizer(folder, config),
        weights=weights,
    )


def _name(folder: Path, config: Config) -> str:
    """The repository's name where it came from the hub (configs there are named `small`, or not at all)."""
    return cached_repository(folder) or config.model.name or folder.resolve().name


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Tensors of `model.safetensors`, else of `pytorch_model.bin`, of which no code is ever run."""
    path = weights_file(folder)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            # It warns of unusual pickles that it then refuses: the refusal is enough.
            warnings.simplefilter("ignore")
            weights = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise NotLoadableError(
            f"{path} was not opened: it holds more than tensors, or is damaged ({str(error).splitlines()[0]})",
            "A pickle can run code. Ask its author for model.safetensors.",
        ) from error
    except MemoryError:
        raise
    except Exception as error:
        # Of damaged bytes torch makes what it will: KeyError, IndexError, struct.error, AssertionError.
        raise NotLoadableError(
            f"cannot read {path}: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            "The file is damaged or cut short: fetch it again.",
        ) from error
    if not isinstance(weights, dict) or not all(isinstance(v, Tensor) for v in weights.values()):
        raise NotLoadableError(f"{path} is not a plain table of named tensors", "Save it as model.safetensors.")
    return weights


def build_network(
    config: Config, weights: dict[str, Tensor], autocast: torch.dtype | None, folder: Path
) -> ScoreNetwork:
    """The network of `config` with these weights, which it takes over (no second copy is made)."""
    with torch.device("meta"):
        model = ScoreNetwork(config, autocast)
    weights |= model.backbone.derived_buffers()
    expected = model.backbone.state_dict()
    faults = [
        *(f"{name} is missing" for name in expected.keys() - weights.keys()),
        *(f"{name} is not part of it" for name in weights.keys() - expected.keys()),
        *(
            f"{name} has shape {tuple(weights[name].shape)} instead of {tuple(tensor.shape)}"
            for name, tensor in expected.items()
            if name in weights and weights[name].shape != tensor.shape
        ),
    ]
    if faults:
        more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
        raise NotLoadableError(
            f"config.json and weights in {folder} disagree: {'; '.join(sorted(faults)[:3])}{more}",
            "One of the two files is from another checkpoint.",
        )
    for name in weights:
        weights[name] = weights[name].float()
        # isfinite() would copy a large tensor.
        if not all(bool(extreme.isfinite()) for extreme in weights[name].aminmax()):
            raise NotLoadableError(
                f"the weights in {folder} hold NaN or infinity: {name}",
                "The training run diverged; take an earlier one.",
            )
    model.backbone.load_state_dict(weights, assign=True)
    return model.eval().requires_grad_(False)


def read_tokenizer(folder: Path, config: Config) -> Tokenizer | None:
    """`tokenizer.json`, else `vocab.json` with `merges.txt`, else GPT-2's if the number of tokens is that of GPT-2.

    None if there is none. GPT-2's is read from the hub's cache, never downloaded.
    """
    tokenizer: Tokenizer | None
    try:
        if (folder / "tokenizer.json").is_file():
            tokenizer = Tokenizer.from_file(folder / "tokenizer.json")
        elif (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
            tokenizer = Tokenizer.from_gpt2(folder / "vocab.json", folder / "merges.txt")
        elif config.tokens == GPT2_TOKENS:
            tokenizer = cached_gpt2()
        else:
            return None
    except ValueError as error:
        raise NotLoadableError(
            f"cannot read the tokenizer in {folder}: {error}", "Fetch the file again, or take the checkpoint's own."
        ) from error
    # MASK among the tokens has an id there as well.
    size = config.tokens + (config.mask_id is not None and config.mask_id < config.tokens)
    if tokenizer is not None and tokenizer.size > size:
        raise NotLoadableError(
            f"the tokenizer in {folder} has {tokenizer.size} tokens, config.json says {config.tokens}",
            "One of the two files is from another checkpoint.",
        )
    return tokenizer
