"""Trains one recipe in child processes and kills them with SIGKILL; prints what was done as JSON.

`python -m tests.training.kill_driver <mode> <kills>` in an empty folder. Mode `never`: one undisturbed training.
`random`: kill at random moments. `calls`: kill at the first, second, ... write to disk, just before or after it
happened. A training that ends before all kills are done, as on a fast machine, is followed by a new one in a folder
of its own; the last one is in the end left alone. The parent forks before anything has run in torch.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from repro.settings.configuration import validate
from repro.training import train

EPOCHS = 50
SETTINGS = {
    "name": "killed",
    "device": "cpu",
    "recipe": {
        "images": {"source": "synthetic", "train_images": 100, "test_images": 20},
        "depth": 8,
        "batch_size": 16,
        "epochs": EPOCHS,
        "dropout": 0.1,
    },
    "training": {"checkpoint_minutes": 0, "keep": [0.02, 0.5, 1.0]},
    "experiments": {"training_curves": {"seeds": 1, "recipes": [{}]}},
}


def child(prepare: Callable[[], None]) -> int:
    """Fork a process that trains after `prepare`; its number."""
    process = os.fork()
    if process:
        return process
    sys.stderr = sys.stdout = Path("log.txt").open("a")  # noqa: SIM115 - until the process ends
    prepare()
    train.train(validate(SETTINGS), "batch")
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


def main(mode: str, kills: int) -> None:
    """Kill and go on until all kills are done; then let the last training finish."""
    start = Path.cwd()
    generator = random.Random(0)
    killed = lives = trainings = 0
    status = None  # of the last life: 0 once its training has finished
    while killed < kills or status != 0:
        if not trainings or status == 0:
            trainings += 1
            (start / str(trainings)).mkdir()
            os.chdir(start / str(trainings))
        lives += 1
        if killed == kills:
            process = child(lambda: None)
        elif mode == "calls":
            process = child(die_at_call(lives % 7 + 1, after=bool(lives % 2)))
        else:
            process = child(lambda: None)
            time.sleep(generator.uniform(0, 1.2))
            os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        if os.WIFSIGNALED(status):
            killed += 1
        elif status:
            break
    print(json.dumps({"killed": killed, "trainings": trainings, "status": status}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
