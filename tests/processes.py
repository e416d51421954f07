"""A job of two processes with the environment that torchrun gives them, and what they import imported once.

torchrun itself, of which each process imports all anew, starts the jobs of the slow tests.
"""

import subprocess
import sys

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "sedd_cli"]

FORK = """if True:
    import gc, importlib, os, socket, sys
    from torch.distributed import TCPStore
    from sedd_cli.cli.main import main

    modules, sys.argv = sys.argv[1].split(), ["sedd", *sys.argv[2:]]
    for module in modules:
        importlib.import_module(module)
    listener = socket.create_server(("127.0.0.1", 0))
    address, port = listener.getsockname()
    os.environ |= {"TORCHELASTIC_RUN_ID": "job", "TORCHELASTIC_USE_AGENT_STORE": "True"}
    os.environ |= {"WORLD_SIZE": "2", "MASTER_ADDR": address, "MASTER_PORT": str(port)}
    # What is shared stays shared: collecting garbage would copy it.
    gc.freeze()
    children = []
    for rank in "01":
        children.append(os.fork())
        if not children[-1]:
            os.environ |= {"RANK": rank, "LOCAL_RANK": rank}
            main()
    # Only now: it starts threads, which a fork does not copy.
    store = TCPStore(address, port, is_master=True, wait_for_workers=False, master_listen_fd=listener.fileno())
    sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


def torchrun(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*TORCHRUN, *arguments], capture_output=True, text=True, timeout=300)


def by_two(arguments: list[str], *modules: str) -> subprocess.CompletedProcess[str]:
    """Run a command in two processes, which share imported modules."""
    command = [sys.executable, "-c", FORK, " ".join(modules), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)
