"""Checkpoints on disk: a folder with a config, weights, and a tokenizer when it is not GPT-2's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch

from sedd_cli.diffusion.network import TrainedBlocks
from sedd_cli.diffusion.processes import Causal, StateSpace
from sedd_cli.diffusion.schedules import Schedule
from sedd_cli.errors import NotLoadableError
from sedd_cli.models.bfloat16 import bfloat16_layers
from sedd_cli.models.config import Config
from sedd_cli.models.device import AUTOCAST, Precision, resolve_device, resolve_precision
from sedd_cli.models.fitting import fit
from sedd_cli.models.folder import FileIdentity, config_file, file_identity, read_config, weights_files, weights_hash
from sedd_cli.models.formats import check_plain, find_format
from sedd_cli.models.formats.facts import Facts, Format
from sedd_cli.models.gpt2 import GPT2_TOKENS, cached_gpt2
from sedd_cli.models.hub_ids import cached_repository
from sedd_cli.models.int8 import Int8Linear
from sedd_cli.models.layout import SENTENCE_PIECE
from sedd_cli.models.names import find_checkpoint
from sedd_cli.models.network import ScoreNetwork
from sedd_cli.models.piecewise import PiecewiseLinear, replaced_precision
from sedd_cli.models.placing import Placing
from sedd_cli.models.weights import read_weights
from sedd_cli.ranges import counted
from sedd_cli.text.tokenizer import Tokenizer, sentence_piece

Layers = type[PiecewiseLinear]
CPU_LAYERS: dict[Precision, Callable[[], Layers]] = {"bfloat16": bfloat16_layers, "int8": lambda: Int8Linear}
"""What takes the place of linear layers on a CPU."""


@dataclass(frozen=True)
class Checkpoint:
    """A loaded network with its config. `tokenizer` is None where the folder has none.

    `notes`: how the folder was read, where that needs saying: which weights of several, what was changed of them.
    """

    name: str
    folder: Path
    config: Config
    model: ScoreNetwork
    tokenizer: Tokenizer | None
    weights: FileIdentity | None = field(default=None, repr=False)
    """The files that they were read from, which a training run may replace; None where there were none."""
    notes: tuple[str, ...] = ()

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
    def blocks(self) -> TrainedBlocks | None:
        """How the network denoises by blocks; None where it sees the whole canvas."""
        size = self.config.model.block_size
        return None if size is None else TrainedBlocks(size, self.opening)

    @property
    def opening(self) -> int | None:
        """The token at position 0 of a canvas where no text stands; None: it is written like any other."""
        return self.tokenizer.end_of_text_id if self.config.opens_with_end and self.tokenizer else None

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
        if (replaced := replaced_precision(self.model)) is not None:
            return replaced
        return next((name for name, dtype in AUTOCAST.items() if dtype == self.model.autocast), "float32")

    @property
    def parameterization(self) -> str:
        return self.config.parameterization

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.model.parameters())

    @cached_property
    def hash(self) -> str:
        """`weights_hash`, hexadecimal; computed at the first access, which takes long for large files.

        Raises `NotLoadableError` if a file is not the one that was loaded.
        """
        return weights_hash(self.folder, self.weights)


def load_checkpoint(name_or_path: str | Path | None = None, device: str = "cpu", dtype: str = "auto") -> Checkpoint:
    """Load a checkpoint by built-in name (None: the default), folder, or hub id (from the hub's cache).

    Public SEDD and RADD folders, run folders of the original code and states of training runs load as they are; what
    was read of them is in the notes. Nothing is downloaded.

    Weights of any precision become float32. `dtype` is that of the products: auto, float32; on an accelerator
    bfloat16 or float16, in the blocks; on a CPU bfloat16 or int8, of the weights too: no float32 copy is made. Raises
    `NotLoadableError` if the folder is missing, incomplete, unsafe or inconsistent, `UsageError` for an unavailable
    device or dtype.
    """
    target = resolve_device(device)
    precision = resolve_precision(dtype, target)
    folder = find_checkpoint(None if name_or_path is None else str(name_or_path))
    config = read_config(folder)
    layout = find_format(Facts(folder))
    tokenizer = read_tokenizer(folder, config, layout)
    if layout is not None and tokenizer is not None:
        config = without_unused_rows(config, tokenizer)
    return assemble(folder, config, tokenizer, layout, target, precision)


def assemble(
    folder: Path,
    config: Config,
    tokenizer: Tokenizer | None,
    layout: Format | None,
    device: torch.device,
    precision: Precision,
) -> Checkpoint:
    """The checkpoint of a folder whose small files are read. Raises as `load_checkpoint` does."""
    files = weights_files(folder)
    identity = file_identity(*files)
    if device.type == "cpu" and precision in CPU_LAYERS:
        model, notes = build_network(config, files, folder, layout, layers=CPU_LAYERS[precision]())
    else:
        model, notes = build_network(config, files, folder, layout, autocast=AUTOCAST.get(precision))
    return Checkpoint(
        name=_name(folder, config),
        folder=folder,
        config=config,
        model=model.to(device),
        tokenizer=tokenizer,
        weights=identity,
        notes=(*notes, *(tokenizer.notes if tokenizer else ())),
    )


def without_unused_rows(config: Config, tokenizer: Tokenizer) -> Config:
    """The config with the states that the tokenizer knows: published vocabularies have rows that no text leads to.

    Where MASK is the last state there are none.
    """
    if config.mask_id is None:
        return config
    states = max(tokenizer.size, config.mask_id + 1)
    return config.model_copy(update={"tokens": min(config.tokens, states - 1)})


def _name(folder: Path, config: Config) -> str:
    """The repository's name where it came from the hub (configs there are named `small`, or not at all)."""
    return cached_repository(folder) or config.model.name or folder.resolve().name


def build_network(
    config: Config,
    files: Sequence[Path],
    folder: Path,
    layout: Format | None = None,
    *,
    autocast: torch.dtype | None = None,
    layers: Layers | None = None,
) -> tuple[ScoreNetwork, list[str]]:
    """The network of a config with the weights in `files`, and notes on how they were read.

    `layout`: of another family's folder. `layers` take the place of linear ones. Beside what stays, one tensor is in
    memory at a time.
    """
    with torch.device("meta"):
        model = ScoreNetwork(config, autocast)
        if layers:
            model.backbone.prepare_pieces()
    weights = read_weights(files, model.backbone.derived_buffers().keys(), prefixed=layout is not None)
    check_plain(weights.tensors, folder)
    tensors = weights.tensors if layout is None else layout.apply(weights.tensors, config)
    notes, sources = list(weights.notes), weights.sources
    del weights
    notes += fit(tensors, model, config, f"{config_file(folder).relative_to(folder)} and weights in {folder}")
    Placing(tensors, sources, layers, folder).fill(model.backbone)
    return model.eval().requires_grad_(False), notes


def read_tokenizer(
    folder: Path, config: Config, layout: Format | None = None, *, complete: bool = True
) -> Tokenizer | None:
    """`tokenizer.json`, else `vocab.json` with `merges.txt`, else GPT-2's if the number of tokens is that of GPT-2.

    None if there is none. GPT-2's is read from the hub's cache, never downloaded. Raises `NotLoadableError` if it is
    damaged, SentencePiece, changes texts, or has more tokens than the config; of another family's folder also if it
    has a tenth less, which no padding of a vocabulary is. `complete`: as for `Tokenizer.from_file`.
    """
    tokenizer: Tokenizer | None
    if (folder / "tokenizer.json").is_file():
        tokenizer = Tokenizer.from_file(folder / "tokenizer.json", complete=complete)
    elif (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        split, added = (layout.split, Facts(folder).token_ids) if layout else ("", None)
        tokenizer = Tokenizer.from_gpt2(folder / "vocab.json", folder / "merges.txt", split, added)
    elif config.text_tokens == GPT2_TOKENS:
        tokenizer = cached_gpt2()
    elif (folder / SENTENCE_PIECE).is_file():
        raise sentence_piece(str(folder))
    else:
        tokenizer = None
    if tokenizer is None:
        return None
    # MASK among the tokens has an id there as well.
    size = config.text_tokens + (config.mask_id is not None)
    too_few = layout is not None and tokenizer.size < 0.9 * size
    if too_few or tokenizer.size > size:
        only = "only " if too_few else ""
        raise NotLoadableError(
            f"the tokenizer in {folder} has {only}{counted(tokenizer.size, 'token')}, config.json says {size:,}"
            + (" beside PAD" if config.pad_id is not None else ""),
            "One of the two files is from another checkpoint.",
        )
    tokenizer.add_ends(config.end_ids)
    return tokenizer
