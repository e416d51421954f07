"""`sedd doctor`: versions, devices, the fastest dtype, a self-test, and every path that sedd writes to."""

import os
import platform
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import typer

import sedd_cli
from sedd_cli.cli import options
from sedd_cli.cli.output import Output, as_json
from sedd_cli.cli.terminal import Terminal


def doctor(
    device: options.Device = "auto",
    json: options.Json = False,
    color: options.ColorChoice = "auto",
    quiet: options.Quiet = False,
) -> None:
    """Show what runs here: versions, devices, the fastest dtype, a self-test, all paths.

    The dtypes are timed on the CPU. The self-test computes the built-in checkpoint's log scores in float32 and compares
    them with recorded values. If it fails, the exit code is 1.
    """
    with Output(None) as out:
        tests = _self_test(device)
        report: dict[str, object] = {
            "versions": _versions(),
            "machine": _machine(device),
            "dtypes": _dtypes(),
            "checkpoint": _checkpoint(),
            "self_test": tests,
            "paths": _paths(),
        }
        out.write(as_json(report) if json else _as_text(report))
    Terminal(quiet=quiet, color=color).info(
        "to uninstall: sedd models rm each downloaded checkpoint (other programs share the hub's cache), "
        f"{_installer()} uninstall sedd-cli, and delete the settings and recovery paths"
    )
    if not all(check["passed"] for check in tests):
        raise typer.Exit(1)


def _installer() -> str:
    """The program that installed this one, by the record that pipx and uv leave in the environment that they make."""
    records = {"pipx_metadata.json": "pipx", "uv-receipt.toml": "uv tool"}
    return next((name for file, name in records.items() if Path(sys.prefix, file).is_file()), "pip")


def _versions() -> dict[str, str]:
    """Versions of sedd, Python and the required packages."""
    versions = {"sedd-cli": sedd_cli.__version__, "python": platform.python_version(), "system": platform.platform()}
    try:
        required = [r for r in metadata.requires("sedd-cli") or [] if "extra ==" not in r]
    except metadata.PackageNotFoundError:  # run from its source, not installed
        required = ["torch"]
    for requirement in required:
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "missing"
    return versions


def _machine(device: str) -> dict[str, Any]:
    import torch

    from sedd_cli.models.device import resolve_device, resolve_precision

    chosen = resolve_device(device)
    cuda = [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return {
        "device": str(chosen),
        "available": ["cpu", *cuda, *mps],
        "dtype": resolve_precision("auto", chosen),
        "threads": torch.get_num_threads(),
    }


def _dtypes() -> dict[str, Any]:
    """What each dtype gives on the CPU."""
    from sedd_cli.models.speed import measure_speeds

    speeds = measure_speeds()
    return {
        "seconds": speeds.seconds,
        "over_float32": {name: speeds.over_float32(name) for name in speeds.seconds},
        "advised": speeds.advised,
    }


def _checkpoint() -> dict[str, str]:
    from sedd_cli.errors import SeddError
    from sedd_cli.models.folder import weights_hash
    from sedd_cli.models.names import DEFAULT_CHECKPOINT, find_checkpoint

    try:
        return {"name": DEFAULT_CHECKPOINT, "sha256": weights_hash(find_checkpoint(DEFAULT_CHECKPOINT))}
    except SeddError as error:
        return {"name": DEFAULT_CHECKPOINT, "error": error.message}


def _self_test(device: str) -> list[dict[str, Any]]:
    """Run the self-test on the CPU and, if it differs, on the chosen device."""
    from sedd_cli.generation.self_test import self_test
    from sedd_cli.models.device import resolve_device

    devices = dict.fromkeys(["cpu", str(resolve_device(device))])
    return [
        {"device": name, "name": check.name, "passed": check.passed, "detail": check.detail}
        for name in devices
        for check in self_test(name)
    ]


def _paths() -> dict[str, dict[str, Any]]:
    from sedd_cli.models.cache import cache_folder
    from sedd_cli.tui.recovery import recovery_folder
    from sedd_cli.tui.settings import settings_path

    paths: dict[str, Path | None] = {
        "package": Path(sedd_cli.__file__).parent,
        "settings": settings_path(),
        "recovery": recovery_folder(),
        "hub cache": cache_folder(),
    }
    return {name: _path_record(path, written=name != "package") for name, path in paths.items()}


def _path_record(path: Path | None, *, written: bool) -> dict[str, Any]:
    """Where something is, and what is wrong with that, if anything. `written`: it is not only read."""
    if path is None:
        return {"path": None, "exists": False, "problem": "this user has no home folder"}
    record: dict[str, Any] = {"path": str(path), "exists": os.path.lexists(path)}
    try:
        # The folder in which it is made, if it does not exist yet.
        place = next(p for p in (path, *path.absolute().parents) if p.exists())
    except OSError as error:
        return {**record, "problem": error.strerror}
    if place.is_file() and place != path:
        return {**record, "problem": f"cannot be made: {place} is a file"}
    if place == path and not os.access(path, os.R_OK):
        return {**record, "problem": "cannot be read"}
    if written and not os.access(place, os.W_OK):
        return {**record, "problem": "is read-only" if place == path else f"cannot be made: {place} is read-only"}
    return record


def _as_text(report: dict[str, Any]) -> str:
    machine = report["machine"]
    lines = [f"{name} {version}" for name, version in report["versions"].items()]
    lines += [
        "",
        f"device: {machine['device']} (available: {', '.join(machine['available'])})",
        f"dtype: {machine['dtype']}",
        f"threads: {machine['threads']}",
        *_dtypes_lines(report["dtypes"]),
        "",
        f"checkpoint: {': '.join(report['checkpoint'].values())}",
    ]
    lines += [_self_test_line(check) for check in report["self_test"]]
    lines.append("")
    lines += [_path_line(name, place) for name, place in report["paths"].items()]
    return "".join(f"{line}\n" for line in lines)


def _dtypes_lines(dtypes: dict[str, Any]) -> list[str]:
    over = dtypes["over_float32"]
    return [
        f"on this CPU take --dtype {dtypes['advised']}",
        f"int8: {over['int8']:.1f} times as fast as float32, in a quarter to a half of its memory",
        f"bfloat16: {over['bfloat16']:.1f} times as fast, in half to two thirds of it",
    ]


def _path_line(name: str, place: dict[str, Any]) -> str:
    note = place.get("problem") or ("" if place["exists"] else "not there")
    return f"{name}: {place['path'] or 'none'}" + (f" ({note})" if note else "")


def _self_test_line(check: dict[str, Any]) -> str:
    passed = "passed" if check["passed"] else "FAILED"
    return f"self-test on {check['device']}: {check['name']} {passed}: {check['detail']}"
