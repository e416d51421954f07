"""The settings file is the user's: read strictly, written sparingly."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from sedd_cli.errors import NotLoadableError, SeddError, UsageError
from sedd_cli.generation.options import TABLE
from sedd_cli.tui.app import user_settings
from sedd_cli.tui.recovery import Recovery, RecoveryStore
from sedd_cli.tui.screens.fields import FIELDS, error_text
from sedd_cli.tui.settings import (
    SAMPLING,
    SETTINGS,
    Settings,
    read_settings,
    settings_path,
    validation_error,
    write_settings,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sedd" / "settings.toml"


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode())
    return path


def changed(path: Path, text: str, **values: object) -> str:
    """The file after a change to what is in it; it reads back as what was written."""
    old = read_settings(put(path, text))
    new = replace(old, **values)
    write_settings(path, new, old)
    assert read_settings(path) == new
    return path.read_bytes().decode()


def test_the_path_is_in_the_users_config_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert settings_path().parts[-2:] == ("sedd", "settings.toml")


def test_settings_that_cannot_be_read_are_the_defaults_with_one_note(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    notes: list[str] = []
    assert user_settings(notes.append) == (None, Settings())
    assert len(notes) == 1 and "cannot read" in notes[0] and "not saved" in notes[0]


def test_without_a_home_nothing_is_kept(homeless: None) -> None:
    notes: list[str] = []
    assert user_settings(notes.append) == (None, Settings())
    assert notes == ["this user has no home folder: settings and unsaved work are not kept"]
    assert RecoveryStore().find(None) == []
    with pytest.raises(SeddError, match="unsaved work is not safe"):
        RecoveryStore().autosave(Recovery(None, "0" * 64, "text", []))


def test_no_file_means_the_defaults_and_they_are_not_written(path: Path) -> None:
    assert read_settings(path) == Settings()
    write_settings(path, Settings(), Settings())
    assert not path.exists()


def test_what_is_written_is_read_again(path: Path) -> None:
    settings = Settings(
        model="runs/a 'b' \"c\" \x1b",
        device="cuda:1",
        steps=32,
        length=64,
        sampler="first-hitting",
        temperature=0.5,
        top_k=40,
        top_p=0.9,
        seed=2**64,
        lock_seed=True,
        candidates=16,
        theme="nord",
        shading="order",
        keys={"dialog.close": "escape,q", "go": "g"},
    )
    write_settings(path, settings, Settings())
    assert read_settings(path) == settings


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("steps = 0", "steps must be a whole number, 1 or more, not 0"),
        ("steps = '8'", "not '8'"),
        ("steps = true", "not True"),
        ("seed = -1", "0 or more"),
        ("temperature = inf", "a number, 0 or more"),
        ("temperature = nan", "a number, 0 or more"),
        ("top_p = 1.5", "at most 1"),
        ("candidates = 17", "from 1 to 16"),
        ("shading = 'all'", "certainty, order or plain"),
        ("model = ''", "checkpoint"),
        ("device = 'gpu'", "auto, cpu, cuda, cuda:N or mps"),
        ("sampler = 'gibbs'", "sampler must be tweedie, euler,"),
        ("sampler = 'left-to-right'", "sampler must be tweedie, euler,"),
        ("stepz = 3", "unknown key stepz, did you mean steps?"),
        ("colour = 3", "The keys are model, device,"),
        ("keys = 3", "keys must be a table"),
        ("keys = { go = ',' }", "keys.go must be keys"),
        ("steps = 3\nseed = = 4", "line 2"),
        ("steps = 3\nsteps = 4", "not TOML"),
    ],
)
def test_a_fault_names_the_file_the_place_and_what_is_allowed(path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError) as error:
        read_settings(put(path, text))
    assert str(path) in str(error.value) and told in str(error.value)


def test_what_is_no_text_or_no_file_is_an_error(path: Path) -> None:
    put(path, "").write_bytes(b"theme = '\xff'")
    with pytest.raises(UsageError, match="not TOML"):
        read_settings(path)
    with pytest.raises(NotLoadableError, match="cannot read"):
        read_settings(path.parent)


def test_a_byte_order_mark_is_no_fault_and_stays(path: Path) -> None:
    assert changed(path, "\ufeffsteps = 3\n", steps=4) == "\ufeffsteps = 4\n"


def test_only_the_line_that_changed_changes(path: Path) -> None:
    before = "# mine\nsteps   =  3 # few\n\ntemperature = 1 # as it is\n\n# my keys\n[keys]\ngo = 'g' # why\n# end\n"
    assert changed(path, before, steps=9) == before.replace("3 # few", "9 # few")


def test_a_new_key_stands_with_the_others_above_the_tables_and_their_comments(path: Path) -> None:
    before = "# mine\nsteps = 3\n\n# my keys\n[keys]\ngo = 'g'\n"
    assert changed(path, before, theme="nord") == before.replace("= 3\n", '= 3\ntheme = "nord"\n')
    assert changed(path, "# my keys\n[keys]\n", shading="plain") == 'shading = "plain"\n\n# my keys\n[keys]\n'
    assert changed(path, "steps = 3", shading="plain") == 'steps = 3\nshading = "plain"\n'


def test_a_key_that_is_unset_leaves_its_comment(path: Path) -> None:
    assert changed(path, "seed = 3 # lucky\nsteps = 3\n", seed=None) == "# lucky\nsteps = 3\n"


def test_nothing_is_written_where_nothing_changes(path: Path) -> None:
    text = "temperature = 1\nsteps = 0x10\nlock_seed = true\nkeys.go = 'g'"
    assert changed(path, text) == text


@pytest.mark.parametrize(
    ("text", "shading", "after"),
    [
        ("heat = false # calm\nsteps = 3\n", "plain", '# calm\nsteps = 4\nshading = "plain"\n'),
        ("heat = true\nsteps = 3\n", "certainty", "steps = 4\n"),
        ("heat = false\nshading = 'order'\nsteps = 3\n", "order", "shading = 'order'\nsteps = 4\n"),
    ],
)
def test_a_file_of_version_0_1_0_is_read_and_written_under_todays_names(
    path: Path, text: str, shading: str, after: str
) -> None:
    assert read_settings(put(path, text)).shading == shading
    assert changed(path, text, steps=4) == after
    assert read_settings(path) == Settings(steps=4, shading=shading)
    chosen = changed(path, text, shading="order")
    assert read_settings(path).shading == "order" and "heat" not in chosen


def test_line_endings_stay(path: Path) -> None:
    assert changed(path, "# a\r\nsteps = 3\r\n", seed=1) == "# a\r\nsteps = 3\r\nseed = 1\r\n"


@pytest.mark.parametrize(
    "text",
    [
        "[keys]\n'dialog.close' = 'x'\ngo = 'y'\n",
        "[keys]\ndialog.close = 'x'\ngo = 'y'\n",
        "keys.dialog.close = 'x'\nkeys.go = 'y'\n",
        "keys = { 'dialog.close' = 'x', go = 'y' }\n",
        "[keys.dialog]\nclose = 'x'\n\n[keys]\ngo = 'y'\n",
    ],
)
def test_bindings_however_they_are_written(path: Path, text: str) -> None:
    assert read_settings(put(path, text)).keys == {"dialog.close": "x", "go": "y"}
    after = changed(path, text, keys={"dialog.close": "q", "help.close": "h"}, steps=3)
    assert "x" not in after and "go" not in after
    changed(path, text, keys={})


def test_what_was_written_there_meanwhile_stays(path: Path) -> None:
    """By the owner, or by another session: only what is new since it was read is written."""
    before = Settings(steps=8, top_p=0.5, lock_seed=True, keys={"text.mask": "k", "dialog.close": "q"})
    text = "steps = 99\ntop_p = 0.9\nlock_seed = true\n\n[keys]\n'run.go' = 'x'\ndialog.close = 'q'\n"
    put(path, text)
    write_settings(path, replace(before, lock_seed=False), before)
    assert path.read_text() == text.replace("true", "false")
    keys = {"text.mask": "j", "help.close": "h"}
    write_settings(path, replace(before, top_p=None, keys=keys), before)
    settings = read_settings(path)
    assert (settings.steps, settings.top_p, settings.lock_seed) == (99, None, False)
    assert settings.keys == {"run.go": "x", "text.mask": "j", "help.close": "h"}


def test_what_is_broken_is_never_overwritten(path: Path) -> None:
    put(path, "steps = \n# precious\n")
    with pytest.raises(UsageError, match="not TOML"):
        write_settings(path, Settings(steps=3), Settings())
    assert path.read_text() == "steps = \n# precious\n"


def test_a_symlink_is_followed_and_the_mode_kept(path: Path, tmp_path: Path) -> None:
    target = put(tmp_path / "dotfiles" / "sedd.toml", "steps = 3\n")
    target.chmod(0o600)
    path.parent.mkdir()
    path.symlink_to(target)
    write_settings(path, Settings(steps=4), Settings())
    assert path.is_symlink() and target.read_text() == "steps = 4\n" and target.stat().st_mode & 0o777 == 0o600


def test_a_symlink_to_nothing_is_filled(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "later" / "sedd.toml"
    path.parent.mkdir()
    path.symlink_to(target)
    write_settings(path, Settings(steps=4), Settings())
    assert target.read_text() == "steps = 4\n"


@pytest.mark.skipif(os.name != "posix", reason="a file in the place of a folder")
def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SeddError, match="cannot"):
        write_settings(tmp_path / "file" / "sedd" / "settings.toml", Settings(steps=4), Settings())


def test_a_failed_write_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    put(path, "steps = 3\n")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SeddError, match="No space left"):
        write_settings(path, Settings(steps=4), Settings())
    assert path.read_text() == "steps = 3\n" and list(path.parent.iterdir()) == [path]


def test_the_fault_of_one_value() -> None:
    assert validation_error("steps", 3) is None
    assert validation_error("steps", "x") == "must be a whole number, 1 or more"


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("steps", "0", "must be a whole number, 1 or more"),
        ("steps", "1.5", "must be a whole number, 1 or more"),
        ("steps", "9" * 5000, "must be a whole number, 1 or more"),
        ("length", "-3", "must be a whole number, 1 or more"),
        ("temperature", "-1", "must be a number, 0 or more"),
        ("temperature", "nan", "must be a number, 0 or more"),
        ("top_p", "2", "must be a number above 0, at most 1"),
        ("seed", "x", "must be a whole number, 0 or more"),
        ("candidates", "17", "must be a whole number from 1 to 16"),
        ("device", "gpu", "must be auto, cpu, cuda, cuda:N or mps"),
        ("steps", " 8 ", ""),
        ("seed", "", ""),
    ],
)
def test_the_fault_of_a_text_in_the_form(name: str, text: str, told: str) -> None:
    assert error_text(name, text) == told


def test_the_defaults_are_those_of_a_request() -> None:
    from sedd_cli import Request
    from sedd_cli.diffusion.processes import Absorbing, Uniform
    from sedd_cli.diffusion.samplers import default_sampler

    assert Request(**Settings().sampling) == Request()
    for field in FIELDS:
        *_, named = field.blank.split("the checkpoint's, or ")
        if field.blank and (default := getattr(Request(), field.name, None)) is not None:
            assert named == f"{default:g}" if isinstance(default, float) else named == str(default)
    # The interface takes no checkpoint that has a sampler of its own.
    assert default_sampler(Absorbing(2)) == default_sampler(Uniform(2)) == "tweedie"


def test_the_sampling_options_of_the_table_are_settings_and_in_the_form() -> None:
    declared = {entry.name: entry.option for entry in TABLE.values() if entry.option.setting}
    form = {field.name: field for field in FIELDS}
    assert declared.keys() == SAMPLING.keys() == declared.keys() & SETTINGS.keys() & form.keys()
    for name, option in declared.items():
        assert option.setting and form[name].about == option.setting.sentence
        assert SETTINGS[name].accepts == (option.setting.accepts or str(option.range))
    first, *_, last = SAMPLING
    assert (first, last) == ("steps", "seed")
    order = ["model", "device", *SAMPLING, "exact", "lock_seed", "candidates", "one_line", "proof_below"]
    order += ["unsure_below", "theme", "shading"]
    assert [field.name for field in FIELDS] == order == [n for n in SETTINGS if n != "keys"]
