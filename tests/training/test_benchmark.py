import pytest
import torch

from repro.__main__ import main
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
    eager = table[table["rung"] == "eager"].iloc[0]
    assert eager["ratio"] == 1
    assert eager["network_epochs_per_second"] == pytest.approx(
        1 / (390 * eager["step_seconds"] + 20 * eager["evaluation_seconds"])
    )
    cores = table[table["rung"] == "engine, a process per core"].iloc[0]
    assert cores["network_epochs_per_second"] == pytest.approx(
        cores["networks"] / (390 * cores["step_seconds"] + 20 * cores["evaluation_seconds"])
    )


def test_what_was_measured_stays_when_a_later_rung_fails(tmp_path, monkeypatch):
    def ladder(depth, seconds):
        yield benchmark.row_of("eager", 1, 2, "float32", 2.0, 1.0)
        raise RuntimeError

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(benchmark, "cpu_ladder", ladder)
    with pytest.raises(RuntimeError):
        benchmark.run(8, "cpu", 0.01)
    table, _ = tables.read(tmp_path / "results" / "benchmark" / "training-cpu-8.csv")
    assert list(table["network_epochs_per_second"]) == [1 / (390 * 2.0 + 20 * 1.0)]


def test_a_gpu_that_cannot_compile_or_is_full_has_the_other_rungs(monkeypatch, capsys):
    prepared = []

    def engine(depth, device, networks, precision, *, captured=False, compiled=False):
        if compiled:
            raise RuntimeError("no compiler")
        if networks > 4:
            raise UserError("full")
        return benchmark.Rung("engine", networks, 1, precision, lambda: None, lambda: None)

    monkeypatch.setattr(benchmark, "engine", engine)
    monkeypatch.setattr(benchmark, "eager", lambda depth, device: engine(depth, device, 1, "float32"))
    monkeypatch.setattr(benchmark, "floors", lambda depth, device: [])
    monkeypatch.setattr(benchmark.devices, "prepare", lambda *arguments: prepared.append(arguments))
    rows = list(benchmark.cuda_ladder(8, torch.device("cuda"), 0.001))
    expected = [(precision, networks) for precision in ("float32", "tf32", "bfloat16") for networks in (1, 2, 4)]
    assert [(row["precision"], row["networks"]) for row in rows] == [("float32", 1), ("float32", 1), *expected]
    assert prepared[-1] == ("cuda", "bfloat16")
    said = capsys.readouterr().err
    assert said.count("full\n") == 3
    assert "RuntimeError: no compiler" in said
    assert "the other rungs stand" in said


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
