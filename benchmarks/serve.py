"""`sedd serve` beside the library called in a loop: the same texts, by 1, 4 and 16 clients at a time.

    python benchmarks/serve.py [-m MODEL] [--tokens 64] [--steps 32] [--seconds 20] [--batch-size N]

The library and the server take turns, round after round. The ratio is that of texts a second.
"""

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from itertools import count
from statistics import median, quantiles
from threading import Thread
from time import perf_counter, sleep
from typing import Any

from measure import aligned, machine

from sedd_cli import generate, load_checkpoint
from sedd_cli.ranges import counted

CLIENTS = (1, 4, 16)
LIBRARY = "library, in a loop"
ROUNDS = 4


@contextmanager
def serving(model: str, *options: str) -> Iterator[int]:
    """`sedd serve` on a free port, which is yielded once the checkpoint is loaded."""
    command = [sys.executable, "-m", "sedd_cli", "serve", "-m", model, "--port", "0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            port = int(next(line for line in process.stderr if "listening on" in line).rpartition(":")[2])
            Thread(target=process.stderr.read, daemon=True).start()
            while ask(HTTPConnection("127.0.0.1", port), "GET", "/health")[0] != 200:
                sleep(0.1)
            yield port
        finally:
            process.terminate()


def ask(connection: HTTPConnection, method: str, path: str, body: object = None) -> tuple[int, Any]:
    connection.request(method, path, None if body is None else json.dumps(body))
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def for_seconds(seconds: float, work: Callable[[int], object], numbers: "count[int]") -> list[float]:
    """Seconds that each call of `work` takes, one after another until the time is over."""
    taken, end = [], perf_counter() + seconds
    while (begin := perf_counter()) < end:
        work(next(numbers))
        taken.append(perf_counter() - begin)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model", default="tinystories")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=20, help="of each side")
    parser.add_argument("--batch-size", type=int, help="rows of a network call")
    arguments = parser.parse_args()
    print(machine())
    checkpoint = load_checkpoint(arguments.model)
    tokenizer = checkpoint.tokenizer
    assert tokenizer is not None
    prompt, options = "Once upon a time", {"steps": arguments.steps, "temperature": 1.0, "top_p": 0.9}
    length = len(tokenizer.encode(prompt)) + arguments.tokens
    body = {"prompt": prompt, "max_tokens": arguments.tokens, **options}
    times = defaultdict[str, list[float]](list)
    rates = defaultdict[str, list[float]](list)

    def library(seed: int) -> None:
        generate(checkpoint, prompt=prompt, length=length, seed=seed, **options)

    def client(port: int, numbers: "count[int]") -> list[float]:
        connection = HTTPConnection("127.0.0.1", port)

        def once(seed: int) -> None:
            status, answer = ask(connection, "POST", "/v1/completions", {**body, "seed": seed})
            if status != 200:
                raise SystemExit(f"the server answers {status}: {answer}")

        return for_seconds(share, once, numbers)

    def measure(name: str, run: Callable[[], list[list[float]]]) -> None:
        begin = perf_counter()
        taken = [seconds for each in run() for seconds in each]
        times[name] += taken
        rates[name].append(len(taken) / (perf_counter() - begin))

    def together(port: int, clients: int) -> list[list[float]]:
        numbers = count()
        with ThreadPoolExecutor(clients) as pool:
            return list(pool.map(lambda _: client(port, numbers), range(clients)))

    share = arguments.seconds / ROUNDS
    batch = [] if arguments.batch_size is None else ["--batch-size", str(arguments.batch_size)]
    with serving(arguments.model, *batch) as port:
        for _ in range(ROUNDS):
            measure(LIBRARY, lambda: [for_seconds(share, library, count())])
            for clients in CLIENTS:
                measure(f"server, {counted(clients, 'client')}", partial(together, port, clients))
    rows = [
        [
            name,
            f"{median(rates[name]):.2f}",
            f"{median(rates[name]) / median(rates[LIBRARY]):.2f}",
            f"{1000 * median(taken):.0f}",
            f"{1000 * quantiles(taken, n=20)[-1]:.0f}",
        ]
        for name, taken in times.items()
    ]
    print(aligned(["", "texts/s", "ratio", "median, ms", "95%, ms"], rows))


if __name__ == "__main__":
    main()
