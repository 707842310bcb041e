"""Latencies measured once per bundle and machine."""

from pathlib import Path

from sightwire_embedder.batching.calibration import CalibrationCache, measure_latencies


class FakeClock:
    """Time that only model calls let pass: a base and a cost per request, the first call of a size being slow."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sizes: list[int] = []

    def call(self, size: int) -> None:
        self.now += (0.002 + 0.001 * size) * (10 if size not in self.sizes else 1)
        self.sizes.append(size)

    def __call__(self) -> float:
        return self.now


def test_the_fastest_call_of_each_size_counts_not_the_first():
    clock = FakeClock()
    latencies = measure_latencies(clock.call, sizes=(1, 2, 4), clock=clock, measured_seconds=0)
    assert {size: round(seconds, 6) for size, seconds in latencies.items()} == {1: 0.003, 2: 0.004, 4: 0.006}


def test_sizes_beyond_a_call_that_is_too_long_are_not_tried():
    clock = FakeClock()
    latencies = measure_latencies(
        clock.call, sizes=(1, 64, 128, 256), max_call_seconds=0.05, clock=clock, measured_seconds=0
    )
    assert list(latencies) == [1, 64]
    assert 128 not in clock.sizes


def test_the_cache_gives_back_what_it_got(tmp_path: Path):
    cache = CalibrationCache(tmp_path / "calibration", ["sha", "engine 1.0", "1"])
    assert cache.load() is None
    cache.store({"text": {1: 0.0035, 2: 0.006}})
    assert CalibrationCache(tmp_path / "calibration", ["sha", "engine 1.0", "1"]).load() == {
        "text": {1: 0.0035, 2: 0.006}
    }


def test_another_bundle_engine_or_setting_is_measured_anew(tmp_path: Path):
    CalibrationCache(tmp_path, ["sha", "engine 1.0", "1"]).store({"text": {1: 0.0035}})
    assert CalibrationCache(tmp_path, ["sha", "engine 1.1", "1"]).load() is None


def test_a_damaged_file_is_measured_anew(tmp_path: Path):
    cache = CalibrationCache(tmp_path, ["sha"])
    cache.store({"text": {1: 0.0035}})
    (file,) = tmp_path.iterdir()
    file.write_text("{ cut o")
    assert cache.load() is None


def test_a_folder_that_cannot_be_written_costs_nothing_but_the_memory(tmp_path: Path):
    obstacle = tmp_path / "file"
    obstacle.write_text("")
    cache = CalibrationCache(obstacle / "calibration", ["sha"])
    cache.store({"text": {1: 0.0035}})
    assert cache.load() is None
