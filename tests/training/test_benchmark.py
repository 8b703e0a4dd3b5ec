import itertools
import mmap
import os
import sys

import pytest
import torch

from repro.__main__ import main
from repro.machine import devices
from repro.machine.errors import UserError
from repro.results import tables
from repro.training import benchmark


def test_the_ladder_of_a_processor(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["benchmark", "--depth", "8", "--device", "cpu", "--seconds", "0.01"]) == 0
    assert "| eager | 1 |" in capsys.readouterr().out
    table, provenance = tables.read(tmp_path / "results" / "benchmark" / "training-cpu-8.csv")
    assert {"eager", "engine", "engine, a process per core", "floor: arithmetic"} <= set(table["rung"])
    assert provenance["settings"] == {"depth": 8, "batch_size": 128}
    assert provenance["not_run"] == {}
    assert provenance["fastest"] == devices.fastest_precision(torch.device("cpu"))
    trained = table[~table["rung"].str.startswith("floor")]
    assert (trained["memory_per_network"] > 50).all()
    eager = table[table["rung"] == "eager"].iloc[0]
    assert eager["ratio"] == 1
    assert eager["network_epochs_per_second"] == pytest.approx(
        1 / (390 * eager["step_seconds"] + 20 * eager["evaluation_seconds"])
    )
    cores = table[table["rung"] == "engine, a process per core"].iloc[0]
    assert cores["network_epochs_per_second"] == pytest.approx(
        cores["networks"] / (390 * cores["step_seconds"] + 20 * cores["evaluation_seconds"])
    )


def planned(name: str, seconds: float, took: float, clock: list[float], **options) -> benchmark.Planned:
    """A rung that pretends to take some time of the `clock`."""

    def measure() -> list[benchmark.Row]:
        clock[0] += took
        return [benchmark.row_of(name, 1, 1, "float32", 1.0)]

    return benchmark.Planned(name, 1, "float32", measure, seconds, **options)


def test_what_was_measured_stays_when_a_later_rung_fails(tmp_path, monkeypatch):
    def ladder(depth, seconds):
        yield benchmark.Planned("eager", 1, "float32", lambda: [benchmark.row_of("eager", 1, 2, "float32", 2.0, 1.0)])
        raise RuntimeError

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(benchmark, "cpu_ladder", ladder)
    with pytest.raises(RuntimeError):
        benchmark.run(8, "cpu", 0.01)
    table, _ = tables.read(tmp_path / "results" / "benchmark" / "training-cpu-8.csv")
    assert list(table["network_epochs_per_second"]) == [1 / (390 * 2.0 + 20 * 1.0)]


def test_rungs_that_would_not_end_in_time_are_left_out_and_listed(capsys):
    clock = [0.0]
    rungs = [
        planned("eager", 900, 30, clock),  # in any case
        planned("engine", 20, 40, clock),
        planned("engine", 20, 40, clock),  # as long as the one before
        planned("engine", 20, 40, clock),  # which would end at 150
        planned("floors", 20, 20, clock),
        planned("compiled", 10, 10, clock),
        planned("other", 5, 1, clock),
    ]
    *_, ladder = benchmark.climb(rungs, 135, lambda: clock[0])
    assert [row["rung"] for row in ladder.rows] == ["eager", "engine", "engine", "floors", "other"]
    assert list(ladder.not_run) == ["engine, 1 network(s), float32", "compiled, 1 network(s), float32"]
    assert clock[0] <= 135
    assert (
        "Not run: compiled, 1 network(s), float32: it would not have ended within 135 seconds"
        in capsys.readouterr().err
    )


def test_the_table_is_written_after_every_rung_and_says_what_was_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    clock, path = [0.0], tmp_path / "results" / "benchmark" / "training-cpu-8.csv"
    lengths = []

    def ladder(depth, seconds):
        for name in ("eager", "engine"):
            yield planned(name, 1, 0, clock)
            lengths.append(len(tables.read(path)[0]))
        yield planned("too long", 1000, 0, clock)

    monkeypatch.setattr(benchmark, "cpu_ladder", ladder)
    assert main(["benchmark", "--depth", "8", "--device", "cpu", "--budget", "100"]) == 0
    assert lengths == [1, 2]
    assert tables.read(path)[1]["not_run"] == {
        "too long, 1 network(s), float32": "it would not have ended within 100 seconds"
    }


@pytest.fixture
def gpu(monkeypatch) -> list[dict[str, object]]:
    """As if there were one; the engines that are asked for."""
    asked: list[dict[str, object]] = []

    def engine(depth, device, networks, precision, *, name="engine", **options):
        asked.append({"name": name, "networks": networks, "precision": precision} | options)
        if options.get("compiled"):
            raise RuntimeError("no compiler")
        if networks > 8:
            raise UserError("full")
        return benchmark.Rung(name, networks, 1, precision, lambda: None, lambda: None)

    def process_with(environment, depth, networks, precision, seconds):
        return [benchmark.row_of(benchmark._named(environment), networks, 1, precision, 1.0, 1.0, 8.0)]

    monkeypatch.setattr(benchmark, "engine", engine)
    monkeypatch.setattr(benchmark, "process_with", process_with)
    monkeypatch.setattr(benchmark, "eager", lambda depth, device: engine(depth, device, 1, "float32", name="eager"))
    monkeypatch.setattr(benchmark, "floors", lambda depth, device: [])
    monkeypatch.setattr(benchmark.devices, "prepare", lambda *arguments: asked.append({"prepared": arguments}))
    return asked


def test_a_gpu_that_cannot_compile_or_is_full_has_the_other_rungs(gpu, capsys):
    *_, ladder = benchmark.climb(benchmark.cuda_ladder(8, torch.device("cuda"), 0.001), 1000, lambda: 0)
    graphs = {(row["precision"], row["networks"]) for row in ladder.rows if row["rung"] == "engine, graph"}
    assert graphs == {(precision, count) for precision in ("float32", "tf32", "bfloat16") for count in (1, 2, 4, 8)}
    assert {label: reason for label, reason in ladder.not_run.items() if "compiled" not in label} == {
        f"engine, graph, 16 network(s), {precision}": "full" for precision in ("float32", "tf32", "bfloat16")
    }
    compiled = [
        label for label, reason in ladder.not_run.items() if reason == "it could not be compiled here (RuntimeError)"
    ]
    assert compiled == [f"engine, graph, compiled, {count} network(s), bfloat16" for count in (1, 4, 8)]
    assert "RuntimeError: no compiler" in capsys.readouterr().err
    # Each is measured in the arithmetic that it says.
    for before, engine in itertools.pairwise(gpu):
        if "name" in engine and engine["name"] != "eager":
            assert before == {"prepared": ("cuda", engine["precision"])}


def test_the_ladder_of_a_gpu_has_layouts_normalisations_and_settings_of_the_driver(gpu):
    *_, ladder = benchmark.climb(benchmark.cuda_ladder(8, torch.device("cuda"), 0.001), 1000, lambda: 0)
    variants = {
        (each.get("layout", torch.channels_last), each.get("cudnn", False), each["networks"])
        for each in gpu
        if each.get("captured") and each["precision"] == "float32"
    }
    assert variants >= {
        (layout, cudnn, count)
        for layout in (torch.channels_last, torch.contiguous_format)
        for cudnn in (False, True)
        for count in (1, 8)
    }
    names = [str(row["rung"]) for row in ladder.rows]
    assert len({(row["rung"], row["networks"], row["precision"]) for row in ladder.rows}) == len(names)
    for setting in ("MAX_CONNECTIONS=8", "MAX_CONNECTIONS=32", "WORKSPACE_CONFIG=:4096:8", "WORKSPACE_CONFIG=:16:8"):
        assert sum(name.endswith(setting) for name in names) == 1
    assert all("memory_per_network" in row for row in ladder.rows)


def test_a_setting_of_the_driver_is_there_when_the_process_begins(monkeypatch):
    """Before anything asks for the device; CUBLAS_WORKSPACE_CONFIG is not overwritten by the default."""
    seen = {}
    monkeypatch.setattr(benchmark.devices, "prepare", lambda *_: seen.update(os.environ))
    monkeypatch.setattr(benchmark, "engine", lambda *_, **options: options["name"])
    monkeypatch.setattr(benchmark, "measure", lambda rungs, seconds: rungs)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "of the process that starts it")
    found = benchmark._captured({"CUBLAS_WORKSPACE_CONFIG": ":16:8"}, 8, 2, "bfloat16", 1)
    assert seen["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"
    assert found == ["engine, graph, CUBLAS_WORKSPACE_CONFIG=:16:8"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say it so")
def test_memory_is_the_most_that_was_taken_since():
    def take(size: int) -> None:
        with mmap.mmap(-1, size * 2**20) as memory:  # from the system, whatever the process has kept
            for _ in range(size):
                memory.write(b"1" * 2**20)

    take(600)
    benchmark.forget_peak()
    before = benchmark.peak_memory()
    take(200)
    assert 190 < benchmark.peak_memory() - before < 300


@pytest.mark.gpu
def test_the_ladder_of_a_gpu(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table, provenance = tables.read(benchmark.run(8, "cuda", 0.01))
    trained = table[~table["rung"].str.startswith("floor")]
    assert (trained["memory_per_network"] > 0).all()
    assert {f"engine, graph, CUDA_DEVICE_MAX_CONNECTIONS={count}" for count in (8, 32)} <= set(table["rung"])
    assert not [label for label in provenance["not_run"] if "compiled" not in label]


def test_a_wrong_depth_is_refused(capsys):
    assert main(["benchmark", "--depth", "7"]) == 2
    assert "must be 6n+2" in capsys.readouterr().err


def test_work_of_the_papers_network():
    multiplications, outputs = benchmark.work(110)
    # First convolution; 36 to 16, 36 to 32 and 36 to 64 channels, the first of the later two with half the inputs.
    by_hand = 1024 * 16 * 27 + 36 * 1024 * 16 * 16 * 9
    by_hand += 256 * 32 * 9 * (16 + 35 * 32) + 64 * 64 * 9 * (32 + 35 * 64)
    by_hand += 256 * 32 * 16 + 64 * 64 * 32  # 1x1 shortcuts
    assert multiplications == by_hand
    assert outputs == 37 * 1024 * 16 + 37 * 256 * 32 + 37 * 64 * 64


def test_the_plain_loop_trains_every_weight(monkeypatch):
    made = []

    class Kept(benchmark.ResidualNetwork):
        def __init__(self, *arguments, **options) -> None:
            super().__init__(*arguments, **options)
            made.append(self)

    monkeypatch.setattr(benchmark, "ResidualNetwork", Kept)
    rung = benchmark.eager(8, torch.device("cpu"))
    before = [weight.clone() for weight in made[0].parameters()]
    rung.step()
    assert not any(torch.equal(weight, old) for weight, old in zip(made[0].parameters(), before, strict=True))
    after = [weight.clone() for weight in made[0].parameters()]
    rung.evaluate()
    assert all(torch.equal(weight, old) for weight, old in zip(made[0].parameters(), after, strict=True))
