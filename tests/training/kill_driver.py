"""Trains one condition in child processes and kills them with SIGKILL; prints what was done as JSON.

`python -m tests.training.kill_driver <mode> <times>` in an empty folder. Mode `never`: one undisturbed run. `random`:
kill `times` runs at random moments. `calls`: kill the k-th run at its k-th write to disk, for k = 1 ... `times`, just
before or after it happened. In the end a run is left alone. The parent forks before anything has run in torch.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from repro import config
from repro.training import conditions

EPOCHS = 50
SETTINGS = {
    "name": "killed",
    "device": "cpu",
    "batch_size": 16,
    "data": {"source": "synthetic", "train_images": 100, "test_images": 20},
    "network": {"depth": 8},
    "training": {
        "seeds": 1,
        "checkpoint_minutes": 0,
        "conditions": [{"normalisation": "batch", "learning_rate": 0.1, "epochs": EPOCHS}],
    },
}


def child(prepare: Callable[[], None]) -> int:
    """Fork a process that trains after `prepare`; its number."""
    process = os.fork()
    if process:
        return process
    sys.stderr = sys.stdout = Path("log.txt").open("a")  # noqa: SIM115 - until the process ends
    prepare()
    conditions.train(config.validate(SETTINGS), "batch-0.1")
    sys.stdout.flush()
    os._exit(0)


def die_at_call(number: int, after: bool) -> Callable[[], None]:
    """Kill the own process at the `number`-th fsync or rename, before or after it."""
    count = 0

    def prepare() -> None:
        def wrap(function: Callable[..., object]) -> Callable[..., object]:
            def call(*arguments: object, **options: object) -> object:
                nonlocal count
                count += 1
                if count == number and not after:
                    os.kill(os.getpid(), signal.SIGKILL)
                result = function(*arguments, **options)
                if count == number and after:
                    os.kill(os.getpid(), signal.SIGKILL)
                return result

            return call

        os.fsync = wrap(os.fsync)
        Path.replace = wrap(Path.replace)  # type: ignore[method-assign, assignment]

    return prepare


def main(mode: str, times: int) -> None:
    """Run and kill; then let it finish."""
    generator = random.Random(0)
    killed = 0
    for number in range(1, times + 1):
        if mode == "calls":
            process = child(die_at_call(number % 7 + 1, after=bool(number % 2)))
        else:
            process = child(lambda: None)
            time.sleep(generator.uniform(0, 1.2))
            os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        killed += os.WIFSIGNALED(status)
    process = child(lambda: None)
    _, status = os.waitpid(process, 0)
    print(json.dumps({"killed": killed, "status": status}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
