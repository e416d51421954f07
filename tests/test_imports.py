"""Modules import each other in one direction, also inside functions and for types alone, and nothing heavy unasked."""

import subprocess
import sys
from graphlib import TopologicalSorter

import grimp

LIGHT = """if True:
    import sys

    def without(modules):
        loaded = set(modules.split()) & set(sys.modules)
        assert not loaded, loaded

    import sedd_cli
    without("torch numpy rich typer textual")
    import sedd_cli.tui.recovery, sedd_cli.text.in_place
    import sedd_cli.diffusion.names, sedd_cli.training.objective_table
    without("torch numpy textual")
    import sedd_cli.tui.settings
    without("torch numpy textual pydantic")
    import sedd_cli.generation.recording, sedd_cli.render.replay
    without("torch numpy textual tokenizers")
    from sedd_cli.tui.start import named_facts
    named_facts(None)
    without("torch pydantic huggingface_hub")
    import sedd_cli.cli.main, sedd_cli.cli.session, sedd_cli.tui.app
    without("typer pydantic torch huggingface_hub tokenizers")
    import sedd_cli.tui.screens.choice_dialog, sedd_cli.tui.screens.confirm_dialog, sedd_cli.tui.screens.diff
    import sedd_cli.tui.screens.help, sedd_cli.tui.screens.input_dialog, sedd_cli.tui.screens.settings
    import sedd_cli.generation.options
    without("torch")
    from sedd_cli.cli.gaps import AskedGaps
    from sedd_cli.cli.preview import canvas_frame, document_frame
    from sedd_cli.generation.options import SamplingOptions
    from sedd_cli.text.document import Document
    assert canvas_frame(None, SamplingOptions(prompt="Once")) is not None
    gaps = AskedGaps(
        spans=[], unit="chars", pattern=None, brackets=("[[", "]]"), tokens=None, whole_words=False, one_line=None
    )
    assert document_frame(None, SamplingOptions(), Document(None, b"", "One [[3]] two"), gaps) is not None
    without("torch")
"""
"""What needs the least first: each line holds for what was imported up to there."""


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph("sedd_cli", cache_dir=None)
    imported = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert "sedd_cli.models.cache" in imported["sedd_cli.models.names"], "imports inside functions count"
    TopologicalSorter(imported).prepare()  # raises CycleError, which names the modules


def test_what_is_wanted_at_once_imports_nothing_heavy() -> None:
    """Documents, settings, recovery, traces, tables and the session's screens, in one process."""
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
