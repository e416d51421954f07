"""Settings that a checkpoint brings: what is taken, what gives way, and where none is."""

import json
import re
import shutil
from pathlib import Path

import pytest

from sedd_cli import UsageError, generate, infill, load_checkpoint
from sedd_cli.generation.defaults import request_of, with_defaults
from sedd_cli.generation.options import SamplingOptions
from sedd_cli.generation.request import Request
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.models.defaults import AUTHORS, authors_settings
from tests.conftest import PARITY, Sedd


def with_file(folder: Path, table: object, source: Path = PARITY / "radd") -> Checkpoint:
    shutil.copytree(source, folder, dirs_exist_ok=True)
    text = table if isinstance(table, str) else json.dumps(table)
    (folder / "generation_config.json").write_text(text)
    return load_checkpoint(folder)


@pytest.mark.parametrize(
    ("table", "given", "taken", "left_out"),
    [
        ({"order": "margin", "temperature": 0}, {}, {"order": "margin", "temperature": 0}, ""),
        ({"temperature": 0.6, "top_p": 0.9}, {}, {}, ""),
        ({"temperature": 0.6, "top_p": 0.9, "do_sample": True}, {}, {"temperature": 0.6, "top_p": 0.9}, ""),
        ({"block": 4, "top_p": 0.9}, {"top_p": 0.5}, {"block": 4}, ""),
        ({"sampler": "first-hitting"}, {}, {"sampler": "first-hitting"}, ""),
        ({"sampler": "first-hitting"}, {"steps": 4}, {}, "it has no use for steps"),
        ({"order": "margin"}, {"score": "raw"}, {}, "reads what the network says as normalised"),
        ({"order": "margin"}, {"remask": "cap"}, {}, "remask cap chooses its own times"),
        ({"order": "margin"}, {"sampler": "euler"}, {}, "takes the place of the sampler euler"),
        ({"order": "best", "steps": 7}, {}, {"steps": 7}, "order best of .* unknown order 'best'"),
        ({"sampler": "ddim", "steps": 7}, {}, {"steps": 7}, "unknown sampler 'ddim'"),
        ({"sampler": ["euler"], "block": 4}, {"steps": 4}, {"block": 4}, "sampler .* another type"),
        ({"top_p": 0.9, "block": 4}, {"order": "margin", "sampler": "euler"}, {}, ""),
        ({"block": 4, "temperature": True}, {}, {"block": 4}, "temperature must be a number"),
        ({"steps": "many"}, {}, {}, "steps must be a whole number"),
        ({"block": 4, "temperature": "hot"}, {}, {"block": 4}, "another type"),
        ({"order": "margin"}, {"threshold": 0.9}, {"order": "margin"}, ""),
        ({"order": "margin", "block": 4}, {"threshold": 0.9}, {"order": "margin", "block": 4}, ""),
        ("{", {}, {}, "cannot read"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_not_given_is_taken_where_it_fits(
    tmp_path: Path, table: object, given: dict[str, object], taken: dict[str, object], left_out: str
) -> None:
    checkpoint = with_file(tmp_path / "c", table)
    defaulted = with_defaults(checkpoint, SamplingOptions(**given), given)  # type: ignore[arg-type]
    assert defaulted.options == Request(**{**taken, **given})  # type: ignore[arg-type]
    assert set(defaulted.taken) == set(taken)
    notes = "\n".join(defaulted.notes("NAME"))
    assert bool(taken) == ("--exact" in notes) and bool(left_out) == ("left out" in notes)
    assert re.search(left_out, notes)


def test_gaps_have_settings_of_their_own(tmp_path: Path) -> None:
    table = {"top_p": 0.9, "do_sample": True, "infill": {"order": "confidence", "top_p": 0.5}}
    checkpoint = with_file(tmp_path / "c", table)
    assert with_defaults(checkpoint, Request(), ()).options == Request(top_p=0.9)
    assert with_defaults(checkpoint, Request(), (), filling=True).options == Request(top_p=0.5, order="confidence")
    of_gaps = with_defaults(checkpoint, Request(order="random"), ["order"], filling=True)
    assert of_gaps.options == Request(top_p=0.5) and of_gaps.taken == ("top_p",)


@pytest.mark.parametrize(
    ("base", "infill", "taken", "left_out"),
    [
        ({"top_p": 0.9}, {"temperature": 0.5}, {"temperature": 0.5}, ""),
        ({"top_p": 0.9, "block": 4}, {"top_p": None}, {"block": 4}, ""),
        ({"order": "margin"}, {"sampler": "first-hitting"}, {"sampler": "first-hitting"}, "order margin of"),
        ({"order": "margin"}, {"top_k": 3}, {"order": "margin", "top_k": 3}, ""),
        ({"order": "margin"}, {"ordre": "entropy", "seed": 1}, {"order": "margin"}, "none of this name"),
        ({"order": "margin"}, None, {"order": "margin"}, ""),
        ({"order": "margin"}, "entropy", {"order": "margin"}, "infill 'entropy' of"),
    ],
    ids=str,
)  # fmt: skip
def test_settings_of_gaps_come_first(
    tmp_path: Path, base: dict[str, object], infill: object, taken: dict[str, object], left_out: str
) -> None:
    checkpoint = with_file(tmp_path / "c", {**base, "infill": infill})
    defaulted = with_defaults(checkpoint, Request(), (), filling=True)
    assert defaulted.options == Request(**taken) and set(defaulted.taken) == set(taken)  # type: ignore[arg-type]
    assert bool(defaulted.left_out) == bool(left_out) and left_out in "".join(defaulted.left_out)


def test_what_is_given_may_need_the_order_of_the_checkpoint(tmp_path: Path) -> None:
    checkpoint = with_file(tmp_path / "c", {"infill": {"order": "confidence"}})
    assert request_of(checkpoint, {"threshold": 0.9}, "checkpoint", filling=True).order == "confidence"
    with pytest.raises(UsageError, match="threshold needs an order"):
        request_of(checkpoint, {"threshold": 0.9}, "checkpoint")


@pytest.mark.parametrize("repository", AUTHORS)
def test_a_repository_has_the_settings_of_its_examples_not_inherited_ones(tmp_path: Path, repository: str) -> None:
    folder = tmp_path / f"models--{repository.replace('/', '--')}" / "snapshots" / "0a1b"
    inherited = {"do_sample": True, "temperature": 0.6, "top_p": 0.95, "top_k": 20}
    defaulted = with_defaults(with_file(folder, inherited), Request(), ())
    assert defaulted.options == Request(**AUTHORS[repository])  # type: ignore[arg-type]
    assert defaulted.taken == tuple(AUTHORS[repository]) and not defaulted.left_out


def test_revise_goes_with_a_truncation_whichever_comes_first(tmp_path: Path) -> None:
    checkpoint = with_file(tmp_path, {"do_sample": True, "top_p": 0.9, "infill": {"revise": 2}})
    assert with_defaults(checkpoint, Request(), (), filling=True).options == Request(top_p=0.9, revise=2)
    whole = with_defaults(checkpoint, Request(top_p=1.0), ("top_p",), filling=True)
    assert whole.options == Request(top_p=1.0) and "revise 2" in whole.left_out[0]


def test_the_library_takes_none_unless_it_is_asked_to(tmp_path: Path, built_in: Checkpoint) -> None:
    options, settings = {"steps": 8, "length": 24, "seed": 2}, authors_settings(built_in)
    assert settings.keys() == {"top_p", "revise"}
    own, exact = generate(built_in, defaults="checkpoint", **options), generate(built_in, **options)  # type: ignore[arg-type]
    assert own[0].text == generate(built_in, **settings, **options)[0].text != exact[0].text  # type: ignore[arg-type]
    gap = [(5, 14)]
    document = "Once upon a time there was a dog."
    own_filling = infill(built_in, document, gap, defaults="checkpoint", steps=8, seed=3)
    settings = authors_settings(built_in, filling=True)
    assert (
        settings.keys() == {"order", "temperature", "top_p"}
        and own_filling[0].text != infill(built_in, document, gap, steps=8, seed=3)[0].text
    )
    assert own_filling[0].text == infill(built_in, document, gap, **settings, steps=8, seed=3)[0].text  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="unknown defaults"):
        generate(built_in, defaults="mine", **options)  # type: ignore[arg-type]


def test_the_command_names_what_it_takes_and_exact_takes_nothing(sedd: Sedd, built_in: Checkpoint) -> None:
    top_p, rounds = (str(authors_settings(built_in)[name]) for name in ("top_p", "revise"))
    quick = ("generate", "--steps", "8", "--length", "24", "--seed", "2", "--no-live")
    own, exact = sedd(*quick), sedd(*quick, "--exact")
    assert (
        f"top-p {top_p}, revise {rounds}: the settings of tinystories; --exact" in own.stderr
        and "top-p" not in exact.stderr
    )
    assert own.stdout == sedd(*quick, "--exact", "--top-p", top_p, "--revise", rounds).stdout != exact.stdout
    told = sedd(*quick, "--top-p", "0.5", "--order", "confidence").stderr
    assert "top-p 0.5, order confidence: the texts do not follow the model's own law" in told
    assert "do not follow" not in sedd(*quick, "--top-p", "1").stderr
