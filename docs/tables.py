"""Write the tables of tui.md from the program: its keys and its settings. `python docs/tables.py`"""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from sedd_cli.tui.commands import COMMANDS, key_name
from sedd_cli.tui.screens.fields import FIELDS
from sedd_cli.tui.settings import SETTINGS

PAGE = Path(__file__).parent / "tui.md"


def keys() -> str:
    """Every command: its keys, what it does, and its name in `[keys]`."""
    tables = []
    for section, commands in COMMANDS.items():
        rows = [(_code(key_name(c.keys).split()), c.description, f"`{c.id}`") for c in commands]
        tables.append(_table((section, "", "name in `[keys]`"), rows))
    return "\n\n".join(tables)


def settings() -> str:
    """Every key of settings.toml: what it means, its values and its default."""
    rows = []
    for field in FIELDS:
        info = SETTINGS[field.name]
        default = field.blank if info.default is None else f"`{json.dumps(info.default)}`"
        rows.append((f"`{field.name}`", field.about, info.accepts, default))
    rows.append(("`[keys]`", "Other keys for commands.", SETTINGS["keys"].accepts, "none"))
    return _table(("key", "what it does", "values", "default"), rows)


def updated(text: str) -> str:
    """The page with its tables as the program has them."""
    for name, table in (("keys", keys()), ("settings", settings())):
        begin, end = f"<!-- {name}: python docs/tables.py -->", f"<!-- end of {name} -->"
        block = f"{begin}\n\n{table}\n\n{end}"
        text = re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _, block=block: block, text, flags=re.DOTALL)
    return text


def _code(names: Iterable[str]) -> str:
    return " ".join(f"`{name}`" for name in names)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
