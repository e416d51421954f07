"""The training loop: a recipe's phases, step by step, resumable at every one of them.

All random numbers of a step come from (seed, step), and its canvases from their number in an endless shuffled
sequence, so that resuming bit for bit needs no generator's state.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sedd_cli.diffusion.likelihood import Estimate, default_estimator, estimate
from sedd_cli.diffusion.randomness import CUT, PADDING, uniforms
from sedd_cli.distributed import World
from sedd_cli.errors import SeddError
from sedd_cli.models.device import AUTOCAST, resolve_precision
from sedd_cli.models.network import ScoreNetwork
from sedd_cli.training.objective_table import OBJECTIVES
from sedd_cli.training.objectives import NoiseDraws, make_objective
from sedd_cli.training.optimisers import ExponentialMovingAverage, make_optimisers, rate_factor
from sedd_cli.training.packed import PackedCorpus
from sedd_cli.training.padding import DRAWS, pad_some
from sedd_cli.training.parallel import LossModule, accumulating, copy_into, full_tensor, parallelize
from sedd_cli.training.recipe import Phase, Recipe
from sedd_cli.training.states import TensorSpecs

DIVERGENCE_RATIO, DIVERGENCE_MARGIN = 1.5, 0.5
"""A smoothed loss above the smallest so far by this ratio and this margin (nats) has diverged. The margin is for
memorised texts, where one step of short canvases costs more than many others."""

STORED = "transformer"
"""The backbone's name in the states of runs: those of earlier versions are still read."""


class DivergedError(SeddError):
    """The loss is not finite, or is far above its smallest value."""


def make_network(recipe: Recipe, tokens: int, device: torch.device) -> ScoreNetwork:
    """A fresh network, initialised by the recipe's seed."""
    config = recipe.config(tokens)
    dtype = resolve_precision("auto", device) if recipe.dtype == "auto" else recipe.dtype
    with torch.device("cpu"):
        network = ScoreNetwork(config, AUTOCAST.get(dtype))
    network.backbone.initialise(torch.Generator().manual_seed(recipe.seed))
    return network.to(device)


@dataclass
class Progress:
    """The progress of a run: total steps, phase, steps and seconds in it, canvases seen and the tokens that short ones
    lacked, the smoothed loss and its smallest value."""

    step: int = 0
    phase: int = 0
    phase_step: int = 0
    phase_seconds: float = 0.0
    seconds: float = 0.0
    canvases: int = 0
    cut: int = 0
    smoothed: float = math.nan
    smallest: float = math.inf


@dataclass(frozen=True)
class StepReport:
    """One step: its loss in nats a token, the share of the full learning rate, tokens a second."""

    progress: Progress
    objective: str
    loss: float
    rate: float
    grad_norm: float
    tokens_per_second: float
    seconds_left: float | None


class Trainer:
    """Trains a network, with its average and optimisers, through the phases of a recipe.

    The processes of `world` share each batch, and stay in the same state.
    """

    def __init__(self, recipe: Recipe, network: ScoreNetwork, data: PackedCorpus, world: World) -> None:
        self.recipe, self.network, self.data, self.world = recipe, network, data, world
        self.noise = recipe.config(network.process.tokens).schedule()
        if recipe.model.compile:
            for block in network.backbone.blocks:
                block.compile()
        self._loss_module = parallelize(LossModule(network, self.noise), recipe.parallel, world)
        self.progress = Progress()
        self._start_phase(0)

    def steps(self, clock: Callable[[], float] = time.monotonic) -> Iterator[StepReport]:
        """Train to the end, one report a step. Raises `DivergedError` if the loss is not finite, or diverges."""
        self.network.train()
        for number in range(self.progress.phase, len(self.recipe.phases)):
            if number > self.progress.phase:
                self._next_phase()
            phase = self.recipe.phases[number]
            while (done := _fraction_done(phase, self.progress)) < 1:
                started, L = clock(), self._canvas_length()
                loss, norm, factor = self._step(phase, done, L)
                taken = max(seconds for (seconds,) in self.world.all_gather((clock() - started,)))
                self._update_progress(loss, taken, L)
                speed = self.recipe.batch_size * L / taken if taken else math.inf
                left = self._seconds_left(_fraction_done(phase, self.progress))
                yield StepReport(self.progress, phase.objective, loss, factor, norm, speed, left)

    def _step(self, phase: Phase, done: float, L: int) -> tuple[float, float, float]:
        recipe, network = self.recipe, self.network
        factor = rate_factor(phase, self.progress.phase_step, done)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = factor * group["base_lr"]
            optimiser.zero_grad(set_to_none=True)
        loss = self._loss(phase.objective, L)
        if not math.isfinite(loss):
            raise self._divergence(f"the loss became {loss}")
        norm = float(full_tensor(nn.utils.clip_grad_norm_(network.parameters(), recipe.optimiser.clip)))
        for optimiser in self.optimisers:
            optimiser.step()
        self.ema.update(network.backbone)
        return loss, norm, factor

    def _loss(self, name: str, L: int) -> float:
        """Compute the mean loss of the step's batch, and its gradients. Rank r takes every `size`-th canvas."""
        recipe, world, first = self.recipe, self.world, self.progress.canvases
        local_rows = torch.arange(world.rank, recipe.batch_size, world.size, device="cpu")
        x0 = self.data.batch(recipe.seed, range(first + world.rank, first + recipe.batch_size, world.size))
        draws = self._noise_draws(recipe.batch_size, L)
        draws = NoiseDraws(draws.times[local_rows], draws.uniforms[local_rows])
        x0, draws = self._padded(x0, draws, local_rows, L, name)
        objective = make_objective(name, recipe.d3pm.simple_weight)
        torch.manual_seed(self.progress.step + (world.rank << 40))  # dropout
        total = 0.0
        parts = torch.arange(len(local_rows), device="cpu").split(recipe.micro_batch)
        for number, part in enumerate(parts, start=1):
            part_draws = NoiseDraws(self._to(draws.times[part]), self._to(draws.uniforms[part]))
            with accumulating(self._loss_module, number == len(parts)):
                loss = self._loss_module(objective, x0[part].to(self.network.device), part_draws).sum() / len(
                    local_rows
                )
                loss.backward()
            total += float(loss.detach())
        return sum(loss for (loss,) in world.all_gather((total,))) / world.size

    def _padded(self, x0: Tensor, draws: NoiseDraws, rows: Tensor, L: int, objective: str) -> tuple[Tensor, NoiseDraws]:
        """The canvases `rows` of the step cut to L, with elastic gaps in the share `data.padding` of them."""
        pad_id, share = self.network.pad_id, self.recipe.data.padding
        if pad_id is None or not share or OBJECTIVES[objective].autoregressive:
            return x0[:, :L], draws
        u = uniforms(self.recipe.seed, self.progress.step, PADDING, size=self.recipe.batch_size * DRAWS)
        return pad_some(x0, draws, u.view(-1, DRAWS)[rows], share, pad_id)

    def _canvas_length(self) -> int:
        """Tokens of this step's canvases: a random smaller number (at least 2) in the share `data.short` of steps."""
        chance, share = uniforms(self.recipe.seed, self.progress.step, CUT, size=2).tolist()
        L = self.data.length
        return 2 + int(share * (L - 1)) if chance < self.recipe.data.short else L

    def _to(self, numbers: Tensor) -> Tensor:
        device = self.network.device
        return numbers.to(device, torch.float32) if device.type == "mps" else numbers.to(device)

    def _noise_draws(self, B: int, L: int) -> NoiseDraws:
        """Times stratified over the batch, and uniforms for every position."""
        u = uniforms(self.recipe.seed, self.progress.step, size=B + B * L)
        return NoiseDraws((torch.arange(B, device="cpu") + 1 - u[:B]) / B, u[B:].view(B, L))

    def _update_progress(self, loss: float, taken: float, L: int) -> None:
        p = self.progress
        p.cut += self.recipe.batch_size * (self.data.length - L)
        p.step, p.phase_step, p.canvases = p.step + 1, p.phase_step + 1, p.canvases + self.recipe.batch_size
        p.seconds, p.phase_seconds = p.seconds + taken, p.phase_seconds + taken
        weight = max(0.02, 1 / p.phase_step)
        p.smoothed = loss if p.phase_step == 1 else p.smoothed + weight * (loss - p.smoothed)
        if p.phase_step > 100:
            p.smallest = min(p.smallest, p.smoothed)
            checked = OBJECTIVES[self.recipe.phases[p.phase].objective].checks_divergence
            if checked and p.smoothed > max(DIVERGENCE_RATIO * p.smallest, p.smallest + DIVERGENCE_MARGIN):
                raise self._divergence(f"the loss diverges: {p.smoothed:.3f} after {p.smallest:.3f}")

    def _divergence(self, what: str) -> DivergedError:
        return DivergedError(
            f"{what} at step {self.progress.step}",
            "The last save is older. Start from it in a new run (--from RUN -o NEW), or from scratch, with a "
            "lower optimiser.learning_rate or matrix_rate, a longer warmup, or a smaller optimiser.clip.",
        )

    def _seconds_left(self, done: float) -> float | None:
        """Seconds left: this phase extrapolated; later ones by their minutes, or by this one's seconds per step."""
        p = self.progress
        left = p.phase_seconds * (1 - done) / done if done > 0 else 0.0
        per_step = p.phase_seconds / p.phase_step
        for phase in self.recipe.phases[p.phase + 1 :]:
            left += 60 * phase.max_minutes if phase.max_minutes else per_step * (phase.steps or 0)
        return left

    def _start_phase(self, phase: int) -> None:
        """Reset optimisers and average; after an autoregressive start, MASK's embedding is the mean token's."""
        phases = self.recipe.phases
        if 0 < phase < len(phases) and OBJECTIVES[phases[phase - 1].objective].autoregressive:
            embedding = self.network.backbone.embedding
            mask_id = self.network.process.mask_id
            if mask_id is not None and self.recipe.start is None:
                rows = full_tensor(embedding.detach()).clone()
                rows[mask_id] = rows[torch.arange(len(rows), device=rows.device) != mask_id].mean(0)
                copy_into(embedding, rows)
        self._reset_optimisers()

    def _reset_optimisers(self) -> None:
        self.optimisers = make_optimisers(self.network, self.recipe.optimiser)
        self.ema = ExponentialMovingAverage(self.network.backbone, self.recipe.optimiser.ema)

    def _next_phase(self) -> None:
        p = self.progress
        p.phase, p.phase_step, p.phase_seconds, p.smallest = p.phase + 1, 0, 0.0, math.inf
        self._start_phase(p.phase)

    def state_tensors(self) -> dict[str, Tensor]:
        """All trained tensors by name, not copied; with `progress_record`, all that resuming needs."""
        backbone = self.network.backbone
        named: dict[Tensor, str] = {p: name for name, p in backbone.named_parameters()}
        optimisers = {
            f"optimiser.{STORED}.{named[p]}.{key}": value
            for optimiser in self.optimisers
            for p, values in optimiser.state.items()
            for key, value in values.items()
        }
        weights = {f"network.{STORED}.{name}": tensor for name, tensor in backbone.state_dict().items()}
        average = {f"average.{STORED}.{name}": tensor for name, tensor in self.ema.weights.items()}
        return weights | average | optimisers

    def allocate_state(self, stored: TensorSpecs) -> dict[str, Tensor]:
        """Allocate the tensors of a stored state, to read it into."""
        self._reset_optimisers()
        parameters = {f"{STORED}.{name}": p for name, p in self.network.backbone.named_parameters()}
        of_optimiser = {p: o for o in self.optimisers for group in o.param_groups for p in group["params"]}
        for full_name, (size, dtype) in stored.items():
            kind, _, rest = full_name.partition(".")
            name, _, key = rest.rpartition(".")
            if kind == "optimiser":
                p = parameters[name]
                blank = torch.zeros_like(p) if size == p.shape else torch.zeros(size, dtype=dtype, device="cpu")
                of_optimiser[p].state[p][key] = blank
        return self.state_tensors()

    def progress_record(self) -> dict[str, Any]:
        return {**vars(self.progress), "updates": self.ema.updates}

    def load_progress(self, record: dict[str, Any]) -> None:
        """Restore a `progress_record`, after the tensors."""
        self.ema.updates = record.pop("updates")
        self.progress = Progress(**record)

    def ema_weights(self) -> dict[str, Tensor]:
        """The averaged weights by the names of the public checkpoints, buffers included. A collective operation."""
        weights = {**dict(self.network.backbone.named_buffers()), **self.ema.weights}
        return {name: full_tensor(tensor) for name, tensor in weights.items()}


def _fraction_done(phase: Phase, progress: Progress) -> float:
    """How much of the phase is done, 0 to 1."""
    if phase.steps is not None:
        return progress.phase_step / phase.steps
    assert phase.max_minutes is not None
    return min(1.0, progress.phase_seconds / (60 * phase.max_minutes))


def validation_bound(trainer: Trainer, network: ScoreNetwork, data: PackedCorpus) -> Estimate:
    """The bound of `network` on the first canvases of the validation text, by common random numbers."""
    report = trainer.recipe.report
    x0 = data.first(report.canvases)
    estimator = default_estimator(network.process, trainer.noise)
    return estimate(network, network.process, trainer.noise, x0, estimator=estimator, replicates=report.replicates)
