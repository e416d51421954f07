"""A training session: prepare the data, train, validate and save, reported as events."""

import math
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from sedd_cli.distributed import World
from sedd_cli.errors import NotLoadableError, UsageError
from sedd_cli.generation.engine import generate
from sedd_cli.models.adaptation import is_autoregressive
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.models.defaults import inherited_settings
from sedd_cli.models.folder import read_config
from sedd_cli.models.network import ScoreNetwork
from sedd_cli.text.tokenizer import Tokenizer
from sedd_cli.training.gap_lengths import LengthFigures, measure_lengths
from sedd_cli.training.init_from import load_initial_checkpoint
from sedd_cli.training.loop import StepReport, Trainer, make_network, validation_bound
from sedd_cli.training.objective_table import OBJECTIVES
from sedd_cli.training.packed import PackedCorpus
from sedd_cli.training.precision import fastest_precision, measures_precision
from sedd_cli.training.preparation import CorpusReport, prepare
from sedd_cli.training.recipe import Recipe
from sedd_cli.training.run import Metrics, RunFolder
from sedd_cli.training.states import States


@dataclass(frozen=True)
class PreparationReport:
    """The data is packed: tokens and documents to train on, canvases in a pass, parameters of the network.

    `notes`: how the tokenizer or the checkpoint to start from was read, where that needs saying, and the precisions
    that were measured.
    """

    tokens: int
    documents: int
    canvases: int
    validation_tokens: int
    vocabulary: int
    parameters: int
    resumed_at: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ValidationReport:
    """The bound of the averaged weights in nats a token and bits a byte, with its Monte Carlo error in nats.

    Where padding is learnt, also how well lengths of gaps are told (`gap_lengths.LengthFigures`).
    """

    step: int
    nats_per_token: float
    standard_error: float
    bits_per_byte: float
    lengths: LengthFigures | None = None


@dataclass(frozen=True)
class SaveReport:
    step: int


@dataclass(frozen=True)
class SampleReport:
    """A text sampled with the averaged weights, seed 0."""

    step: int
    text: str


Event = CorpusReport | PreparationReport | StepReport | ValidationReport | SaveReport | SampleReport


@contextmanager
def flush_denormals() -> Iterator[None]:
    """Round numbers below 1e-38 to 0. Gradients have many once the network is certain of something, and a CPU then
    takes twice as long for a step. Threads inherit the setting when they are created: enter this before torch's."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


class TrainingSession:
    """A run of a recipe in a folder that all processes of `world` can access. `stop`, set in any of them, ends it after
    the current step, saved."""

    def __init__(
        self, recipe: Recipe, folder: Path, device: torch.device, *, resume: bool = False, world: World | None = None
    ) -> None:
        self.recipe, self.folder, self.device, self.world = recipe, RunFolder(folder), device, world or World()
        self.states = States(self.folder.states, self.world)
        self.stop = threading.Event()
        self.stopped = False
        """Whether it was stopped before the end of the recipe; the same in all processes."""
        self._resume = resume
        if recipe.batch_size % self.world.size:
            raise UsageError(
                f"{self.world.size} processes cannot share batches of {recipe.batch_size} canvases equally",
                "Make batch_size a multiple of the number of processes.",
            )
        if resume:
            self.folder.check_resume(recipe)
        self._init_checkpoint = None if resume or recipe.start is None else load_initial_checkpoint(recipe, folder)
        self._notes = self._init_checkpoint.notes if self._init_checkpoint else ()
        self._locks = ExitStack()
        if not self.world.is_first:
            return
        if resume:
            self.folder.lock(self._locks)
            self.states.remove_partial()
            self.folder.remove_partial()
        else:
            self.folder.create(self._locks)

    def events(self) -> Iterator[Event]:
        """Train to the end of the recipe, or until `stop`; saves in either case."""
        with self._locks, flush_denormals():
            yield from self._events()

    def _events(self) -> Iterator[Event]:
        recipe = self.recipe
        if not self._resume and self.world.is_first:
            initial = None if self._init_checkpoint is None else self._init_checkpoint.tokenizer
            yield from prepare(recipe, self.folder, initial)
            self._inherit_settings()
        self.world.barrier()
        tokenizer = self.folder.load_tokenizer()
        self._notes += tokenizer.notes
        self._load_provenance(tokenizer)
        self.data = PackedCorpus(self.folder.data / "train", recipe.model.length)
        self.validation = PackedCorpus(self.folder.data / "validation", recipe.model.length, wrap=True)
        recipe = self._resolve_precision()
        network = make_network(recipe, self.tokens, self.device)
        if self._init_checkpoint is not None:
            network.backbone.load_state_dict(self._init_checkpoint.model.backbone.state_dict())
            self._init_checkpoint = None
        self.trainer = Trainer(recipe, network, self.data, self.world)
        self._ema_model = make_network(recipe, self.tokens, self.device).eval().requires_grad_(False)
        if self._resume:
            self.trainer.load_progress(self.states.load(self.trainer.allocate_state))
        step = self.trainer.progress.step
        metrics = Metrics(self.folder.path / "metrics.jsonl", step) if self.world.is_first else None
        yield PreparationReport(
            self.data.tokens,
            self.data.documents,
            len(self.data),
            self.validation.tokens,
            self.tokens,
            sum(p.numel() for p in network.parameters()),
            step,
            self._notes,
        )
        if not self._resume:
            yield self._save()
            if self.world.is_first:
                self.folder.save_recipe(recipe)
        yield from self._train(tokenizer, metrics)

    def _inherit_settings(self) -> None:
        """A run is sampled as the checkpoint that it starts from, unless that writes from left to right."""
        if self._init_checkpoint is not None and not is_autoregressive(self._init_checkpoint.folder):
            # A file that cannot be read is reported where it is sampled from.
            with suppress(NotLoadableError):
                if settings := inherited_settings(self._init_checkpoint):
                    self.folder.save_generation_config(settings)

    def _resolve_precision(self) -> Recipe:
        """Replace `auto` of the recipe's dtype by what is measured, or was when the run began. Returns the recipe."""
        chosen: str = self.recipe.dtype
        if self._resume and chosen == "auto":
            chosen = self.folder.load_recipe().dtype
        elif measures_precision(self.recipe, self.device, self.world):
            chosen, note = fastest_precision(self.recipe, self.tokens, self.world)
            self._notes += (note,)
        self.recipe = self.recipe.model_copy(update={"dtype": chosen})
        return self.recipe

    def _load_provenance(self, tokenizer: Tokenizer) -> None:
        """Set the size of the vocabulary, the tokens that end a text, the origin of the initial weights and the last
        bound; for a resumed run, from its config."""
        self._initial_provenance: object = None
        self._bound: object = None
        self.tokens, self._end_ids = tokenizer.size + self.recipe.has_pad, tuple[int, ...]()
        if self._resume:
            config = read_config(self.folder.path)
            self.tokens, self._end_ids = config.tokens, config.end_ids
            self._initial_provenance = config.provenance.get("start")
            self._bound = config.provenance.get("bound")
        elif (initial := self._init_checkpoint) is not None:
            self.tokens, self._end_ids = initial.config.tokens, initial.config.end_ids
            self._initial_provenance = {"checkpoint": initial.name, "sha256": initial.hash, **initial.config.provenance}
        tokenizer.add_ends(self._end_ids)

    def _train(self, tokenizer: Tokenizer, metrics: Metrics | None) -> Iterator[Event]:
        settings = self.recipe.report
        # Seconds of training are equal in all processes; their clocks are not.
        saved = validated = self.trainer.progress.seconds
        for report in self.trainer.steps():
            yield report
            if metrics and report.progress.step % settings.steps == 0:
                metrics.add(_record(report))
            now = report.progress.seconds
            starting = OBJECTIVES[report.objective].autoregressive and self.recipe.model.process != "causal"
            if now - validated > 60 * settings.minutes and not starting:
                yield from self._validate(metrics)
                yield from self._sample(tokenizer)
                validated = now
            if now - saved > 60 * self.recipe.save.minutes:
                yield self._save()
                saved = now
            self.stopped = self.world.any_rank(self.stop.is_set())
            if self.stopped:
                break
        if not self.stopped:
            yield from self._validate(metrics)
        yield self._save()
        if not self.stopped:
            yield from self._sample(tokenizer)

    def load_ema_model(self) -> ScoreNetwork:
        """The network with the averaged weights; overwritten by the next call. A collective operation."""
        self._ema_model.backbone.load_state_dict(self.trainer.ema_weights())
        return self._ema_model

    def _validate(self, metrics: Metrics | None) -> Iterator[ValidationReport]:
        network = self.load_ema_model()
        if metrics is None:
            return
        bound = validation_bound(self.trainer, network, self.validation)
        tokens = bound.per_token.numel()
        nats = float(bound.nats.sum()) / tokens
        per_byte = self.validation.tokens / (self.validation.bytes + self.validation.documents)
        progress = self.trainer.progress
        padding = self.recipe.data.padding
        lengths = measure_lengths(network, self.trainer.noise, self.validation) if padding else None
        error, bits = bound.standard_error / tokens, nats * per_byte / math.log(2)
        report = ValidationReport(progress.step, nats, error, bits, lengths)
        self._bound = {key: value for key, value in asdict(report).items() if value is not None}
        seen = {"canvases": progress.canvases, "cut": progress.cut, "seconds": progress.seconds}
        metrics.add({"kind": "validation", **self._bound, **seen})
        yield report

    def _sample(self, tokenizer: Tokenizer) -> Iterator[SampleReport]:
        """A text of the weights last validated, from the first process, if the recipe wants it."""
        if not (self.recipe.report.sample and self.world.is_first):
            return
        config = self.recipe.config(self.tokens)
        checkpoint = Checkpoint(self.recipe.name, self.folder.path, config, self._ema_model, tokenizer)
        yield SampleReport(self.trainer.progress.step, generate(checkpoint, steps=64, seed=0)[0].text)

    def _save(self) -> SaveReport:
        progress, keep = self.trainer.progress, self.recipe.save.keep
        self.states.save(self.trainer.state_tensors(), self.trainer.progress_record(), progress.step, keep)
        provenance: dict[str, object] = {
            "recipe": self.recipe.name,
            "objectives": [phase.objective for phase in self.recipe.phases],
            "steps": progress.step,
            "seconds": round(progress.seconds),
            "tokens": progress.canvases * self.recipe.model.length - progress.cut,
            "end_of_text": "<|endoftext|>",
        }
        if self._initial_provenance is not None:
            provenance["start"] = self._initial_provenance
        if self._bound is not None:
            provenance["bound"] = self._bound
        weights = self.trainer.ema_weights()
        if self.world.is_first:
            config = self.recipe.config(self.tokens, provenance).model_copy(update={"end_ids": self._end_ids})
            self.folder.save_checkpoint(config, weights)
        return SaveReport(progress.step)


def _record(report: StepReport) -> dict[str, object]:
    progress = report.progress
    return {
        "kind": "train",
        "step": progress.step,
        "objective": report.objective,
        "loss": report.loss,
        "smoothed": progress.smoothed,
        "rate": report.rate,
        "grad_norm": report.grad_norm,
        "canvases": progress.canvases,
        "cut": progress.cut,
        "seconds": progress.seconds,
    }
