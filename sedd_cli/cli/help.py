"""The pages of --help: an option and its placeholder in one column, its sentence in the next.

Typer's own pages give the type of a value where ours give its placeholder, and break both inside words on a terminal of
80 columns.
"""

import inspect
from collections.abc import Iterable, Iterator
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

MAX_WIDTH = 100
OPTIONS = "Options"

Row = tuple[str, str]


class Command(TyperCommand):
    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return ["[OPTIONS]", *_usage_of_arguments(self.get_params(ctx))]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        _print_page(self.get_usage(ctx), self.help, _parameter_sections(self.get_params(ctx)))


class Group(TyperGroup):
    def format_help(self, ctx: Any, formatter: Any) -> None:
        commands = [command for name in self.list_commands(ctx) if (command := self.get_command(ctx, name))]
        rows = [(c.name or "", _paragraphs(c.help)[0]) for c in commands if not c.hidden]
        _print_page(self.get_usage(ctx), self.help, {"Commands": rows, **_parameter_sections(self.get_params(ctx))})


def _print_page(usage: str, help: str | None, sections: dict[str, list[Row]]) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    console = Console(markup=False, highlight=False, emoji=False)
    width = min(console.width, MAX_WIDTH)
    with console.capture() as page:
        console.print(Text(usage, style="bold"), width=width)
        for paragraph in _paragraphs(help):
            console.print()
            console.print(Text(paragraph), width=width)
        for title, rows in sections.items():
            table = Table.grid(padding=(0, 2, 0, 0))
            table.add_column(style="cyan", no_wrap=True)
            table.add_column()
            for row in rows:
                table.add_row(*(Text(cell) for cell in row))
            console.print()
            console.print(Text(title, style="bold"))
            console.print(Padding(table, (0, 0, 0, 2)), width=width)
    typer.echo("\n".join(line.rstrip() for line in page.get().splitlines()))


def _paragraphs(help: str | None) -> list[str]:
    """The paragraphs of a docstring, each a line; one that is indented keeps its lines."""
    paragraphs = inspect.cleandoc(help or "").split("\n\n")
    return [p if p.startswith(" ") else " ".join(p.split("\n")) for p in paragraphs]


def _usage_of_arguments(parameters: Iterable[Any]) -> Iterator[str]:
    for parameter in parameters:
        if parameter.param_type_name == "argument" and not parameter.hidden:
            name = parameter.metavar or parameter.name.upper()
            yield (name if parameter.required else f"[{name}]") + ("..." if parameter.nargs != 1 else "")


def _parameter_sections(parameters: Iterable[Any]) -> dict[str, list[Row]]:
    """The rows of each section: arguments, then the options by panel, those without a panel at the end."""
    arguments: list[Row] = []
    panels: dict[str, list[Row]] = {}
    options: list[Row] = []
    for parameter in parameters:
        if parameter.hidden:
            continue
        if parameter.param_type_name == "argument":
            arguments.append((parameter.metavar or parameter.name.upper(), parameter.help or ""))
        else:
            panel = parameter.rich_help_panel
            rows = panels.setdefault(panel, []) if panel else options
            rows.append((_label(parameter), _sentence(parameter)))
    return {**({"Arguments": arguments} if arguments else {}), **panels, OPTIONS: options}


def _label(option: Any) -> str:
    """As `-n, --num N`; one without a short form is indented by the width of it."""
    short = [name for name in option.opts if not name.startswith("--")]
    long = "/".join([name for name in option.opts if name.startswith("--")] + option.secondary_opts)
    value = "" if option.is_flag else f" {option.metavar or 'VALUE'}"
    return (", ".join([*short, long]) if short else f"    {long}") + value


def _sentence(option: Any) -> str:
    parts = [option.help or ""]
    if option.envvar:
        parts.append(f"[env: {option.envvar}]")
    # Of a flag with two forms, the help names the default where it matters.
    if option.show_default and option.default is not None and not option.is_flag:
        parts.append(f"[default: {option.default if option.show_default is True else option.show_default}]")
    elif option.required:
        parts.append("[required]")
    return " ".join(parts)
