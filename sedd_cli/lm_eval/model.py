"""The model `sedd` of lm-evaluation-harness: a checkpoint answers its three kinds of requests."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.models.utils import normalize_gen_kwargs
from tqdm import tqdm

from sedd_cli.errors import UsageError
from sedd_cli.evaluation.score import Order, Score, ScoreEvaluation, ScoreRequest
from sedd_cli.generation.defaults import with_defaults
from sedd_cli.generation.engine import Run
from sedd_cli.generation.options import TABLE, SamplingOptions
from sedd_cli.models.checkpoint import load_checkpoint
from sedd_cli.ranges import counted
from sedd_cli.text.tokenizer import require_tokenizer

log = logging.getLogger("lm_eval.sedd")  # below the logger that lm_eval shows

OF_REQUESTS = ("prompt", "length", "temperature", "top_k", "top_p")
OTHERS = (*OF_REQUESTS, "seed", "num_samples", "row", "suffix", "batch_size", "strength", "by")
SAMPLING = [name for name in TABLE if name not in OTHERS]
"""Names of sampling options that are arguments of the model; the others are of each request, or of all."""
DEFAULT_DEVICE = "cuda:0"  # of lm_eval, also where there is none
Answer = TypeVar("Answer")


class SeddLM(LM):
    """A checkpoint in lm-evaluation-harness.

    `loglikelihood` is minus what `sedd score` measures: the text is the continuation, and the context is given.
    `likelihood_order` is the `order` of `ScoreRequest`; `replicates`, `until_error` and `overlap` are there too.
    `length` (None: the checkpoint's) is the longest canvas, for scores and answers; of a context that is too long its
    end is taken. Every request has the same `seed`: no answer depends on which others are asked.
    `sampling`: options of `SamplingOptions` by name; those not given are the checkpoint's own settings, as in `sedd
    generate`. lm_eval's own defaults, a batch size of 1 and the device cuda:0, and `auto` stand for ours: 8 canvases
    in a call, which changes nothing on a CPU, and the best device that is there.
    Raises what `load_checkpoint` raises, and `UsageError` for an argument that is unknown or out of range.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        device: str | None = None,
        dtype: str = "auto",
        batch_size: int | str | None = None,
        max_batch_size: int | None = None,
        seed: int = 0,
        length: int | None = None,
        likelihood_order: Order = "any",
        replicates: int = 8,
        until_error: float | None = None,
        overlap: int | None = None,
        **sampling: Any,
    ) -> None:
        super().__init__()
        if unknown := sorted(sampling.keys() - set(SAMPLING)):
            own = "model, dtype, seed, length, likelihood_order, replicates, until_error, overlap"
            raise UsageError(f"the model sedd has no argument {unknown[0]!r}", f"It has {own}, {', '.join(SAMPLING)}.")
        size = None if batch_size in (None, "", 1, "1") or str(batch_size).startswith("auto") else int(batch_size)
        self._scoring = ScoreRequest(
            order=likelihood_order,
            replicates=replicates,
            seed=seed,
            until_error=until_error,
            length=length,
            overlap=overlap,
            batch_size=size,
        )
        self.checkpoint = load_checkpoint(model, "auto" if device in (None, DEFAULT_DEVICE) else device, dtype)
        log.info("%s, %s on %s", self.checkpoint.name, self.checkpoint.precision, self.checkpoint.device)
        for note in self.checkpoint.notes:
            log.info(note)
        self._cut = 0
        self._tokenizer = require_tokenizer(self.checkpoint.tokenizer, "it cannot answer in text")
        self._length = self._scoring.length or self.checkpoint.length
        options = SamplingOptions(seed=self._scoring.seed, **sampling)
        settings = with_defaults(self.checkpoint, options, sampling.keys())
        self._settings = settings.options
        for note in settings.notes(self.checkpoint.name):
            log.info("generate_until: %s", note.partition(";")[0])

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """For each (context, continuation): minus the bound, and whether decoding from left to right gives it.

        `is_greedy` is what lm_eval defines, of a decoder that writes from left to right: each token is the likeliest
        given the context and the tokens before it, those after it masked. It is False under the uniform process, which
        has no MASK.
        """
        scores: list[Score] = []
        greedy = not self._is_uniform
        if not greedy:
            log.warning("%s has no MASK: is_greedy, and metrics made of it, are false", self.checkpoint.name)

        def answer(context: str, continuation: str) -> tuple[float, bool]:
            if not continuation:
                return 0.0, True
            evaluation = self._evaluation(context, continuation)
            self._cut += evaluation.num_left_out > 0
            scores.append(_last(evaluation))
            return -scores[-1].nats, greedy and evaluation.is_greedy()

        answers = self._answers("loglikelihood", requests, answer, disable_tqdm)
        self._log("loglikelihood", scores)
        return answers

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> list[float]:
        """For each (text,): minus the bound, in windows as `sedd score` cuts a long text."""
        scores: list[Score] = []

        def answer(text: str) -> float:
            if not text:
                return 0.0
            scores.append(_last(self._evaluation("", text)))
            return -scores[-1].nats

        answers = self._answers("loglikelihood_rolling", requests, answer, disable_tqdm)
        self._log("loglikelihood_rolling", scores)
        return answers

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """For each (context, settings): what is written after the context, up to the first of `until`.

        Of the settings `max_gen_toks`, `do_sample`, `temperature`, `top_k` and `top_p` are read. Without `do_sample`
        the likeliest tokens are taken (temperature 0), in the order in which the model reveals them. A request that is
        repeated with `do_sample` has another text each time: the rows of the seed.
        """
        rows: Counter[str] = Counter()

        def answer(context: str, settings: dict[str, Any]) -> str:
            asked = normalize_gen_kwargs(settings)
            request = repr((context, settings))
            rows[request] += 1
            return self._generate(context, asked, rows[request] - 1 if asked["do_sample"] else 0)

        return self._answers("generate_until", requests, answer, disable_tqdm)

    def get_model_info(self) -> dict[str, object]:
        """What lm_eval records of the model with its results."""
        checkpoint = self.checkpoint
        return {
            "model_name": checkpoint.name,
            "model_sha256": checkpoint.hash,
            "model_num_parameters": checkpoint.parameters,
            "model_dtype": checkpoint.precision,
        }

    @property
    def _is_uniform(self) -> bool:
        return self.checkpoint.mask_id is None and not self.checkpoint.autoregressive

    def _evaluation(self, context: str, text: str) -> ScoreEvaluation:
        return ScoreEvaluation(self.checkpoint, text, replace(self._scoring, context=context))

    def _answers(
        self, kind: str, requests: Sequence[Instance], answer: Callable[..., Answer], disable_tqdm: bool
    ) -> list[Answer]:
        answers = []
        for request in tqdm(requests, desc=kind, disable=disable_tqdm):
            answers.append(answer(*request.args))
            self.cache_hook.add_partial(kind, request.args, answers[-1])
        if self._cut:
            log.warning("%s: %s too long, of which the end was taken", kind, counted(self._cut, "context"))
            self._cut = 0
        return answers

    def _generate(self, context: str, asked: Mapping[str, Any], row: int) -> str:
        prompt, length = self._prompt(context, asked["max_gen_toks"])
        options: dict[str, Any] = {name: asked[name] for name in ("top_k", "top_p") if name in asked}
        if not asked["do_sample"] or "temperature" in asked:
            options["temperature"] = float(asked["temperature"]) if asked["do_sample"] else 0.0
        request = replace(self._settings, prompt=prompt, length=length, row=row, **options)
        run = Run(self.checkpoint, request)
        for _ in run.steps():
            pass
        text = run.samples()[0].text.removeprefix(prompt)
        return text[: min((text.find(stop) for stop in asked["until"] if stop and stop in text), default=len(text))]

    def _prompt(self, context: str, new: int) -> tuple[str, int]:
        """The end of a context that fits on a canvas, and its length; at least half of it is left for the answer."""
        ids = self._tokenizer.encode(context)
        new = min(new, max(self._length - len(ids), self._length // 2))
        if len(ids) <= (room := self._length - new):
            return context, len(ids) + new
        self._cut += 1
        return self._tokenizer.decode(ids[len(ids) - room :]), self._length

    def _log(self, kind: str, scores: Sequence[Score]) -> None:
        """How exact the answers are: the standard errors of the bounds."""
        if not scores:
            return
        errors, first = [score.standard_error for score in scores], scores[0]
        exactness = "exact"
        if first.replicates:
            exactness = (
                f"{counted(first.replicates, 'replicate')} of seed {self._scoring.seed}, standard error "
                f"{sum(errors) / len(errors):.3g} nats on average, {max(errors):.3g} at most"
            )
        log.info("%s: %s, %s, %s", kind, counted(len(scores), "score"), first.form, exactness)


def _last(evaluation: ScoreEvaluation) -> Score:
    *_, score = evaluation.rounds()
    return score
