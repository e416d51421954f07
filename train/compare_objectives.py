"""Every objective on the same network, data and number of tokens: what each makes of them, in bits a byte.

    python train/compare_objectives.py -o RUNS --train train.txt --validation validation.txt [--only NAME ...]

An arm is a run of `train/objectives.toml` with a few keys changed. Arms of which RUNS holds the end are not trained
again, and those that were stopped go on. Every checkpoint is measured on the same blocks of the validation text,
with the same noise; the table goes to stdout, RUNS/objectives.json and RUNS/objectives.svg.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from sedd_cli import load_checkpoint
from sedd_cli.atomic import write_file
from sedd_cli.diffusion.names import Estimator
from sedd_cli.evaluation.blocks import Blocks, make_blocks
from sedd_cli.evaluation.likelihoods import Likelihood, LikelihoodEvaluation, LikelihoodRequest
from sedd_cli.evaluation.plots import picture_of, require_plot
from sedd_cli.evaluation.tables import Value, as_table
from sedd_cli.ranges import counted
from sedd_cli.text.corpus import read_documents
from sedd_cli.text.tokenizer import Tokenizer
from sedd_cli.training.loop import DivergedError, StepReport
from sedd_cli.training.recipe import Recipe, read_recipe
from sedd_cli.training.session import TrainingSession, ValidationReport

RECIPE = Path(__file__).with_name("objectives.toml")
BLOCKS = 256
REPLICATES = 16
LOG_2 = math.log(2)


@dataclass(frozen=True)
class Arm:
    """A run of the recipe with `changes`. `estimators`: how it is measured (None: the checkpoint's default)."""

    name: str
    changes: tuple[str, ...]
    estimators: tuple[Estimator | None, ...] = (None,)


def arm(
    objective: str, process: str = "absorb", *changes: str, estimators: tuple[Estimator | None, ...] = (None,)
) -> Arm:
    form = "radd" if objective in RADD or process == "causal" else "sedd"
    settings = (f"phases.0.objective={objective}", f"model.process={process}", f"model.form={form}", *changes)
    return Arm(f"{objective}-{process}", settings, estimators)


RADD = ("t-dce", "lambda-dce", "ao", "simple")
D3PM = ("d3pm-vb", "d3pm-simple", "d3pm-hybrid")
ARMS = [
    arm("autoregressive", "causal"),
    arm("dwdse", "absorb", estimators=(None, "dwdse")),
    arm("dwdse", "uniform"),
    *(arm(objective) for objective in RADD),
    *(arm(objective, process) for process in ("absorb", "uniform") for objective in D3PM),
    arm("dcsm"),
]


@dataclass(frozen=True)
class Outcome:
    """How an arm's training ended: seconds of its steps, parameters, what stopped it (None: nothing did)."""

    seconds: float
    steps: int
    parameters: int
    fault: str | None


def recipe_of(arm: Arm, train: Path, validation: Path, changes: Sequence[str]) -> Recipe:
    data = (f"data.train={train}", f"data.validation={validation}")
    return read_recipe(RECIPE, [*arm.changes, f"name={arm.name}", *data, *changes])


def carry_out(recipe: Recipe, folder: Path) -> Outcome:
    """Train, or go on, to the end; a loss that is no number or diverges ends it too."""
    ended = folder / "outcome.json"
    if ended.exists():
        return Outcome(**json.loads(ended.read_text()))
    session = TrainingSession(recipe, folder, torch.device("cpu"), resume=(folder / "recipe.json").exists())
    fault = None
    try:
        for event in session.events():
            if isinstance(event, ValidationReport):
                told = f"{event.bits_per_byte:.3f} +- {event.standard_error / LOG_2:.3f} bits a byte"
                print(f"{recipe.name}: step {event.step}, {told}", file=sys.stderr)
            elif isinstance(event, StepReport) and event.progress.step % 100 == 0:
                print(f"{recipe.name}: step {event.progress.step}, loss {event.progress.smoothed:.3f}", file=sys.stderr)
    except DivergedError as error:
        fault = error.message
        print(f"{recipe.name}: {fault}", file=sys.stderr)
    progress = session.trainer.progress
    parameters = sum(p.numel() for p in session.trainer.network.parameters())
    outcome = Outcome(progress.seconds, progress.step, parameters, fault)
    write_file(ended, (json.dumps(asdict(outcome)) + "\n").encode())
    return outcome


def blocks_of(validation: Path, tokenizer: Tokenizer, length: int) -> Blocks:
    """As many whole blocks of the validation text as are measured."""
    return make_blocks(list(read_documents(validation)), tokenizer, length).first(BLOCKS)


def measured(folder: Path, estimator: Estimator | None, blocks: Blocks) -> Likelihood:
    checkpoint = load_checkpoint(str(folder))
    evaluation = LikelihoodEvaluation(
        [checkpoint], blocks, LikelihoodRequest(estimator=estimator, replicates=REPLICATES)
    )
    for _ in evaluation.calls():
        pass
    return evaluation.results()[0]


def rows_of(arm: Arm, outcome: Outcome, folder: Path, validation: Path, length: int) -> list[dict[str, Value]]:
    """What the arm is measured at, and kept in its folder."""
    kept = folder / "bounds.json"
    if not kept.exists():
        blocks = blocks_of(validation, Tokenizer.from_file(folder / "tokenizer.json"), length)
        rows = [row_of(arm, outcome, measured(folder, estimator, blocks)) for estimator in arm.estimators]
        write_file(kept, (json.dumps(rows) + "\n").encode())
    found: list[dict[str, Value]] = json.loads(kept.read_text())
    return found


def row_of(arm: Arm, outcome: Outcome, found: Likelihood) -> dict[str, Value]:
    """Errors in bits a byte: of the Monte Carlo estimate, and of the text as a sample of its kind."""
    per_byte = 1 / LOG_2 / found.num_bytes
    return {
        "arm": arm.name,
        "form": found.estimator,
        "bits a byte": round(found.bits_per_byte, 4),
        "error": round(found.standard_error * per_byte, 4),
        "data error": round((found.data_error or 0.0) * per_byte, 4),
        "parameters": outcome.parameters,
        "ended": outcome.fault or f"after {counted(outcome.steps, 'step')}",
    }


def curve(folder: Path) -> Iterator[tuple[int, float, float]]:
    """Step, validation bound and its error in bits a token, which is a byte."""
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["kind"] == "validation":
            yield record["step"], record["nats_per_token"] / LOG_2, record["standard_error"] / LOG_2


def plot(arms: Sequence[Arm], runs: Path, tokens_a_step: int) -> bytes:
    """Validation bounds against tokens seen, a panel for each family."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    families = [[a for a in arms if a.name.startswith("d3pm") is d3pm] for d3pm in (False, True)]
    for panel, title, some in zip(panels, ("SEDD, RADD and baselines", "D3PM"), families, strict=True):
        for each in some:
            points = list(curve(runs / each.name))
            if points:
                steps, bits, errors = zip(*points, strict=True)
                x = [step * tokens_a_step / 1e6 for step in steps]
                style = "--" if each.name.endswith("uniform") else "-"
                panel.errorbar(x, bits, yerr=[2 * e for e in errors], linestyle=style, linewidth=1.2, label=each.name)
        panel.set(xlabel="million bytes seen", title=title)
        panel.set_ylim(1.2, 5)
        panel.grid(alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
        if some:
            panel.legend(frameon=False, fontsize=8)
    panels[0].set_ylabel("validation bound, bits a byte (± 2 errors)")
    return picture_of(figure, "svg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, help="the folder of the runs")
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=[a.name for a in ARMS], metavar="NAME", help="these arms alone")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe of every arm"
    )
    options = parser.parse_args()
    picture = options.output / "objectives.svg"
    require_plot(picture)
    arms = [a for a in ARMS if options.only is None or a.name in options.only]
    rows = []
    for each in arms:
        folder = options.output / each.name
        recipe = recipe_of(each, options.train, options.validation, options.set)
        outcome = carry_out(recipe, folder)
        rows += rows_of(each, outcome, folder, options.validation, recipe.model.length)
    table = as_table(rows)
    print(table, end="")
    write_file(options.output / "objectives.json", (json.dumps(rows, indent=2) + "\n").encode())
    write_file(picture, plot(arms, options.output, recipe.batch_size * recipe.model.length))


if __name__ == "__main__":
    main()
