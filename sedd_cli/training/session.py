"""A training session: prepare the data, train, validate, save, and tell what happens as events."""

import math
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import torch

from sedd_cli.errors import UsageError
from sedd_cli.generation.engine import generate
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.models.network import ScoreNetwork
from sedd_cli.text.corpus import read_documents
from sedd_cli.text.tokenizer import Tokenizer
from sedd_cli.training.loop import Report, Trainer, make_network, validation_bound
from sedd_cli.training.packed import Packed, pack
from sedd_cli.training.recipe import Recipe
from sedd_cli.training.run import Metrics, RunFolder
from sedd_cli.training.vocabulary import make_tokenizer

VOCABULARY_DOCUMENTS = 200_000
"""A tokenizer learns from so many documents at most."""


@dataclass(frozen=True)
class Prepared:
    """The data is packed: tokens and documents to train on, canvases in a pass, parameters of the network."""

    tokens: int
    documents: int
    canvases: int
    validation_tokens: int
    vocabulary: int
    parameters: int
    resumed_at: int


@dataclass(frozen=True)
class Validated:
    """The bound of the averaged weights in nats a token and bits a byte, with its Monte Carlo error in nats."""

    step: int
    nats_per_token: float
    standard_error: float
    bits_per_byte: float


@dataclass(frozen=True)
class Saved:
    step: int


@dataclass(frozen=True)
class Sampled:
    """What the averaged weights write, seed 0."""

    step: int
    text: str


Event = Prepared | Report | Validated | Saved | Sampled


class Session:
    """A recipe being carried out in a folder. `stop` ends it after the step under way, saved."""

    def __init__(self, recipe: Recipe, folder: Path, device: torch.device, *, resume: bool = False) -> None:
        self.recipe, self.folder, self.device = recipe, RunFolder(folder), device
        self.stop = threading.Event()
        self._resume = resume
        if resume:
            self.folder.check_resume(recipe)
            self.folder.sweep()
        else:
            self.folder.create()

    def events(self) -> Iterator[Event]:
        """Train to the end of the recipe, or until `stop`. What is trained is saved in either case."""
        tokenizer = self._tokenizer_and_data()
        recipe = self.recipe
        self.data = Packed(self.folder.data / "train", recipe.model.length)
        self.validation = Packed(self.folder.data / "validation", recipe.model.length, wrap=True)
        network = make_network(recipe, tokenizer.size, self.device)
        self.trainer = Trainer(recipe, network, self.data)
        self._judge = make_network(recipe, tokenizer.size, self.device).eval().requires_grad_(False)
        self._bound: Validated | None = None
        if self._resume:
            self.trainer.load_state(self.folder.load_state())
        step = self.trainer.progress.step
        metrics = Metrics(self.folder.path / "metrics.jsonl", step)
        yield Prepared(
            self.data.tokens,
            self.data.documents,
            len(self.data),
            self.validation.tokens,
            tokenizer.size,
            sum(p.numel() for p in network.parameters()),
            step,
        )
        if not self._resume:
            yield self._save(tokenizer)
            self.folder.save_recipe(recipe)
        yield from self._train(tokenizer, metrics)

    def _train(self, tokenizer: Tokenizer, metrics: Metrics) -> Iterator[Event]:
        settings = self.recipe.report
        saved = validated = time.monotonic()
        for report in self.trainer.steps():
            yield report
            if report.progress.step % settings.steps == 0:
                metrics.add(_record(report))
            now = time.monotonic()
            starting = report.objective == "autoregressive" and self.recipe.model.process != "causal"
            if now - validated > 60 * settings.minutes and not starting:
                yield self._validate(metrics)
                if settings.sample:
                    yield self._sample(tokenizer)
                validated = time.monotonic()
            if now - saved > 60 * self.recipe.save.minutes:
                yield self._save(tokenizer)
                saved = time.monotonic()
            if self.stop.is_set():
                break
        if not self.stop.is_set():
            yield self._validate(metrics)
        yield self._save(tokenizer)

    def _tokenizer_and_data(self) -> Tokenizer:
        if self._resume:
            return self.folder.load_tokenizer()
        recipe, data = self.recipe, self.recipe.data
        if not data.train:
            raise UsageError("the recipe names no data", "Say where it is: --set data.train=PATH.")
        source = Path(data.train)
        count = sum(1 for _ in read_documents(source, data.separator))
        if count == 0:
            raise UsageError(f"{source} holds no text", "A corpus needs at least two documents.")
        if count == 1 and not data.validation:
            raise UsageError(
                f"{source} is a single document, so that none is left for validation",
                "Split it (--separator), or give --set data.validation=PATH.",
            )
        documents = islice(read_documents(source, data.separator), VOCABULARY_DOCUMENTS)
        tokenizer = make_tokenizer(recipe.tokenizer, documents)
        every = 0 if data.validation else min(count, max(2, round(1 / data.held_out)))
        numbered = enumerate(read_documents(source, data.separator), start=1)
        pack((text for i, text in numbered if not every or i % every), tokenizer, self.folder.data / "train")
        if data.validation:
            held_out = read_documents(Path(data.validation), data.separator)
        else:
            numbered = enumerate(read_documents(source, data.separator), start=1)
            held_out = (text for i, text in numbered if i % every == 0)
        pack(held_out, tokenizer, self.folder.data / "validation")
        self.folder.save_tokenizer(tokenizer)
        return tokenizer

    def averaged_network(self) -> ScoreNetwork:
        """The network with the averaged weights; overwritten at the next call."""
        self._judge.transformer.load_state_dict(self.trainer.averaged())
        return self._judge

    def _validate(self, metrics: Metrics) -> Validated:
        bound = validation_bound(self.trainer, self.averaged_network(), self.validation)
        tokens = bound.per_token.numel()
        nats = float(bound.nats.sum()) / tokens
        per_byte = self.validation.tokens / (self.validation.bytes + self.validation.documents)
        self._bound = Validated(
            self.trainer.progress.step, nats, bound.standard_error / tokens, nats * per_byte / math.log(2)
        )
        metrics.add({"kind": "validation", **asdict(self._bound)})
        return self._bound

    def _sample(self, tokenizer: Tokenizer) -> Sampled:
        network = self.averaged_network()
        checkpoint = Checkpoint(
            self.recipe.name, self.folder.path, self.recipe.config(tokenizer.size), network, tokenizer
        )
        return Sampled(self.trainer.progress.step, generate(checkpoint, steps=64, seed=0)[0].text)

    def _save(self, tokenizer: Tokenizer) -> Saved:
        progress, keep = self.trainer.progress, self.recipe.save.keep
        self.folder.save_state(self.trainer.state(), progress.step, keep)
        provenance: dict[str, object] = {
            "recipe": self.recipe.name,
            "objectives": [phase.objective for phase in self.recipe.phases],
            "steps": progress.step,
            "seconds": round(progress.seconds),
            "tokens": progress.canvases * self.recipe.model.length,
            "end_of_text": "<|endoftext|>",
        }
        if self._bound is not None:
            provenance["bound"] = asdict(self._bound)
        self.folder.save_checkpoint(self.recipe.config(tokenizer.size, provenance), self.trainer.averaged())
        return Saved(progress.step)


def _record(report: Report) -> dict[str, object]:
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
        "seconds": progress.seconds,
    }
