"""Makes the log directories that large.py measures with: one large run, and many of middling size.

    python tests/bench/logdirs.py [--directory D]

`D/large` holds one run of 1,000 variables × 20,000 records, `D/many` 50 runs of 200 × 2,000; both have every statistic
of AdaMax and take 1.6 GB each. The numbers look like a training: norms spread over orders of magnitude, layer by layer,
with slow drift and noise, a falling loss, and at known places what a reader must not lose: `SPIKES` and `NAN`. What is
there and complete is left as it is. It trains nothing and reads nothing but what it wrote.
"""

import argparse
import shutil
import struct
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import adamax_tb
from adamax_tb import schema
from adamax_tb.writer import EventWriter

#: Where data are kept from one measurement to the next.
DIRECTORY = Path(tempfile.gettempdir()) / "large"
#: What AdaMax has of `schema.NEEDS`.
HAS = ("m", "u", "update", "step size", "saturation", "memory")
#: Updates between two records.
EVERY = 10
BLOCK_BYTES = 20e6  # from half of `EventWriter`'s queue on, it would thin
LEARNING_RATE = 1e-3
#: (record, part of the layers before it) where one gradient, in one record alone, is `SPIKE` times what it was.
SPIKES = ((0.0817, 0.31), (0.4999, 0.5), (0.50035, 0.52), (0.8888, 0.94))
SPIKE = 1000.0
#: (part of the records before it, part of the layers) where a gradient holds NaN, in one record alone.
NAN = (0.7321, 0.13)

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Size:
    """How many runs a log directory holds, of how many transformer blocks and records each."""

    runs: int
    blocks: int
    records: int

    @property
    def layers(self) -> list[tuple[str, Shape]]:
        """The name and shape of each variable."""
        return transformer(self.blocks, 16 * self.blocks)

    def names(self) -> list[str]:
        """Returns the runs' names."""
        return ["run"] if self.runs == 1 else [f"run_{i:02d}" for i in range(self.runs)]

    def at(self, place: tuple[float, float]) -> tuple[int, int]:
        """Returns the record, counted from 0, and the layer that one of `SPIKES` or `NAN` is at."""
        return int(place[0] * self.records), int(place[1] * len(self.layers))


SIZES = {"large": Size(1, 62, 20_000), "many": Size(50, 12, 2_000)}


def transformer(blocks: int, width: int, vocabulary: int = 32_000) -> list[tuple[str, Shape]]:
    """Returns the names and shapes of an encoder's variables: 16 a block and 8 more."""
    heads = (max(1, width // 64), 64)
    norm = [("gamma", (width,)), ("beta", (width,))]
    block: list[tuple[str, Shape]] = [
        *((f"attention_norm/{name}", shape) for name, shape in norm),
        *(
            (f"attention/{part}/{name}", shape)
            for part in ("query", "key", "value")
            for name, shape in (("kernel", (width, *heads)), ("bias", heads))
        ),
        ("attention/output/kernel", (*heads, width)),
        ("attention/output/bias", (width,)),
        *((f"mlp_norm/{name}", shape) for name, shape in norm),
        ("mlp/expand/kernel", (width, 4 * width)),
        ("mlp/expand/bias", (4 * width,)),
        ("mlp/project/kernel", (4 * width, width)),
        ("mlp/project/bias", (width,)),
    ]
    return [
        ("encoder/token_embedding/embeddings", (vocabulary, width)),
        ("encoder/position_embedding/embeddings", (512, width)),
        ("encoder/segment_embedding/embeddings", (2, width)),
        *((f"encoder/embedding_norm/{name}", shape) for name, shape in norm),
        *((f"encoder/block_{i}/{name}", shape) for i in range(blocks) for name, shape in block),
        *((f"encoder/final_norm/{name}", shape) for name, shape in norm),
        ("head/kernel", (width, vocabulary)),
    ]


@dataclass(frozen=True)
class Training:
    """A training that never was: draws what its records hold, block by block.

    Args:
        size: how large it is.
        random: where its numbers come from.
        level: (L,), log of each layer's gradient norm.
        phase: (3, L), where the waves of its drift begin.
    """

    size: Size
    random: np.random.Generator
    level: NDArray[np.float32]
    phase: NDArray[np.float32]

    @classmethod
    def seeded(cls, size: Size, seed: int) -> "Training":
        """Returns one of many."""
        random = np.random.default_rng(seed)
        layers = len(size.layers)
        depth = np.linspace(-1.0, 1.0, layers)
        level = (depth + random.normal(-3.0, 1.2, layers)).astype(np.float32)
        return cls(size, random, level, random.uniform(0, 2 * np.pi, (3, layers)).astype("f4"))

    def blocks(self) -> Iterator[tuple[NDArray[np.int64], dict[str, Any], dict[str, Any]]]:
        """Yields what `EventWriter.write` takes, `BLOCK_BYTES` at a time."""
        layers = len(self.size.layers)
        count = int(BLOCK_BYTES / (4 * layers * len(schema.recorded_statistics(HAS))))
        for start in range(0, self.size.records, count):
            records = np.arange(start, min(start + count, self.size.records))
            yield (records + 1) * EVERY, self.stats(records), self.step_stats(records)

    def noise(self, records: NDArray[np.int64], scale: float) -> NDArray[np.float32]:
        """Returns (T, L), factors around 1."""
        shape = (len(records), len(self.level))
        return np.exp(np.float32(scale) * self.random.standard_normal(shape, np.float32))

    def drift(self, records: NDArray[np.int64]) -> NDArray[np.float32]:
        """Returns (T, L), the gradient norms without their noise: they fall by a tenth of themselves, in waves."""
        part = (records / self.size.records).astype(np.float32)[:, np.newaxis]
        waves = sum(
            np.float32(0.3 / cycles) * np.sin(2 * np.pi * cycles * part + phase)
            for cycles, phase in zip((1, 3, 11), self.phase, strict=True)
        )
        warm = np.exp(-40 * part)
        return np.exp(self.level + waves + warm - np.float32(2.3) * part)

    def stats(self, records: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
        """Returns statistic → (T, L)."""
        shapes = [shape for _, shape in self.size.layers]
        root = np.sqrt([np.prod(shape) for shape in shapes]).astype(np.float32)
        sparse = np.array(["embedding" in name for name, _ in self.size.layers], np.float32)
        drift = self.drift(records)
        norm = drift * self.noise(records, 0.25)
        for at, layer in map(self.size.at, SPIKES):
            norm[records == at, layer] *= SPIKE
        peak = norm * np.maximum(self.noise(records, 0.1), 1)
        back = self.random.integers(0, EVERY, norm.shape)
        u_mean = 3 * drift / root * self.noise(records, 0.02)
        saturation = 0.07 * self.noise(records, 0.2)
        weight = 0.02 * root * (1 + (records / self.size.records)[:, np.newaxis])
        descent = saturation * norm
        zeros = sparse * 0.9 * np.minimum(self.noise(records, 0.01), 1.1)
        stats = {
            "gradient_norm": norm,
            "gradient_norm_peak": peak,
            "gradient_norm_peak_step": (records + 1)[:, np.newaxis] * EVERY - back,
            "clipped_gradient_norm": norm * self.clip(norm)[:, np.newaxis],
            "gradient_max": 4 * norm / root * self.noise(records, 0.15),
            "gradient_zeros": zeros,
            "nonfinite": np.zeros_like(norm),
            "m_rms": 0.3 * drift / root * self.noise(records, 0.1),
            "u_min": 0.1 * u_mean * self.noise(records, 0.02),
            "u_mean": u_mean,
            "u_max": 8 * u_mean * self.noise(records, 0.02),
            "u_zeros": sparse * np.exp(-5 * records / self.size.records)[:, np.newaxis],
            "step_size": LEARNING_RATE / u_mean,
            "update_rms": LEARNING_RATE * saturation,
            "update_max": LEARNING_RATE * np.minimum(4 * saturation, 1),
            "update_ratio": LEARNING_RATE * saturation * root / weight,
            "saturation": saturation,
            "weight_norm": weight * self.noise(records, 0.001),
            "descent_share": descent / descent.sum(axis=1, keepdims=True),
            "dead_units": np.zeros_like(norm),
        }
        at, layer = self.size.at(NAN)
        for name in ("gradient_norm", "gradient_norm_peak", "clipped_gradient_norm"):
            stats[name][records == at, layer] = np.nan
        stats["nonfinite"][records == at, layer] = 17
        return {name: stats[name].astype("<f4") for name in schema.recorded_statistics(HAS)}

    def clip(self, norm: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns (T,), what holds the norm of all gradients to 10."""
        return np.minimum(1, 10 / np.sqrt(np.square(norm).sum(axis=1)))

    def step_stats(self, records: NDArray[np.int64]) -> dict[str, Any]:
        """Returns step statistic → (T,)."""
        part = records / self.size.records
        loss = (1.5 + 9 * np.exp(-8 * part)) * self.random.lognormal(0, 0.05, len(records))
        return {
            "loss": loss,
            "loss_peak": loss * 1.1,
            "learning_rate": np.full(len(records), LEARNING_RATE),
            "loss_scale": np.ones(len(records)),
            "nonfinite_steps": records == self.size.at(NAN)[0],
            "overhead": np.full(len(records), 0.01),
        }


def write_run(directory: Path, size: Size, seed: int) -> None:
    """Writes one run, in one event file."""
    table = schema.LayerTable(
        version=schema.VERSION,
        layers=[schema.Layer(name=n, shape=shape, dtype="float32") for n, shape in size.layers],
        statistics=schema.recorded_statistics(HAS),
        step_statistics=schema.STEP_STATS,
        optimizer="AdaMax",
        hyperparameters={"learning_rate": LEARNING_RATE, "beta_1": 0.9, "beta_2": 0.999},
        every=EVERY,
    )
    writer = EventWriter(str(directory), table)
    began = time.time() - size.records
    for steps, stats, step_stats in Training.seeded(size, seed).blocks():
        writer.flush()  # the block before: two in the queue would be thinned
        writer.write(steps, stats, step_stats, wall_time=began + steps[0] / EVERY)
        if size.runs == 1:
            print(f"\r{directory}: {steps[-1] / EVERY / size.records:4.0%}", end="", flush=True)
    writer.close()


def record_count(path: Path) -> int:
    """Returns how many records a file holds, from their lengths alone."""
    count, end = 0, path.stat().st_size
    with path.open("rb") as file:
        while file.tell() < end:
            (length,) = struct.unpack("<Q", file.read(8))
            file.seek(length + 8, 1)
            count += 1
        if file.tell() != end:
            raise ValueError(f"{path} is torn.")
    return count


def check(logdir: Path, size: Size) -> None:
    """Raises ValueError unless every run of `logdir` is whole: nothing was thinned."""
    for name in size.names():
        (path,) = (logdir / name).glob("*tfevents*")
        if record_count(path) != size.records + 1:  # the first is the file's version
            raise ValueError(f"{path} does not hold {size.records:,} records.")
    if size.runs > 1:
        for run in adamax_tb.read_runs(logdir / size.names()[-1]).values():
            if (len(run.steps), len(run.layers)) != (size.records, len(size.layers)):
                raise ValueError(f"{logdir} is not as it was written.")


def size_bytes(logdir: Path) -> int:
    """Returns the size of all files below `logdir`."""
    return sum(path.stat().st_size for path in logdir.rglob("*") if path.is_file())


def contents(logdir: Path, size: Size) -> str:
    """Returns what tells a log directory from one that another version of this file made, or half made."""
    return f"{size} {SPIKES} {NAN} {size_bytes(logdir)} bytes"


def make(directory: Path, name: str) -> Path:
    """Makes the log directory `name` of `SIZES`, if it is not there and complete, and returns its path."""
    logdir, size, done = directory / name, SIZES[name], directory / f"{name}.complete"
    if done.is_file() and done.read_text() == contents(logdir, size):
        return logdir
    done.unlink(missing_ok=True)
    shutil.rmtree(logdir, ignore_errors=True)
    start = time.monotonic()
    for seed, run in enumerate(size.names()):
        write_run(logdir / run, size, seed)
        print(f"\r{logdir}: {seed + 1} of {size.runs} runs", end="", flush=True)
    check(logdir, size)
    done.write_text(contents(logdir, size))
    taken = time.monotonic() - start
    print(f"\r{logdir}: {size_bytes(logdir) / 1e6:,.0f} MB in {taken:.0f} s")
    return logdir


def main() -> None:
    """Makes both."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--directory", type=Path, default=DIRECTORY)
    directory = parser.parse_args().directory
    for name in SIZES:
        make(directory, name)


if __name__ == "__main__":
    main()
