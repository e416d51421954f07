"""Modules import each other in one direction, also inside functions and for types alone."""

from graphlib import TopologicalSorter

import grimp


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph("sedd_cli", cache_dir=None)
    imported = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert "sedd_cli.models.cache" in imported["sedd_cli.models.names"], "imports inside functions count"
    TopologicalSorter(imported).prepare()  # raises CycleError, which names the modules
