"""Train the book's Transformers and store snapshots in the data folder of `stored`.

Usage: python book/make_snapshots.py             (about a quarter of an hour on one core)
       python book/make_snapshots.py language    (chapter 11's, two minutes each)
       python book/make_snapshots.py language 3  (one seed of these)

Readers of chapters 6 and 11 load these; `tests/book/test_stored.py` trains the first
epochs again and compares, `tests/book/test_studies_grammar.py` asks what the others
know. Half precision keeps the trainings below 6 and 2.5 MB.
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from entk_book import stored
from entk_book.studies import grammar
from entk_lib.training import TrainingResult

FOLDER = Path(stored.__file__).parent / "data"
PER_FILE = 12  # 1.3 MB
GROUP = 5  # networks trained side by side
COARSE = (2000, 4000)
FINE_SEED = 0
FINE = (0, 50, *range(100, 1001, 100), 1200, 1500, 2000, 3000, 4000)


def kept(seed: int) -> tuple[int, ...]:
    """Epochs whose snapshots are stored."""
    if seed in stored.FRESH_SEEDS:
        return (stored.EPOCHS,)
    return FINE if seed == FINE_SEED else COARSE


def files(
    seed: int, snapshots: Mapping[int, Mapping[str, Tensor]]
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Name and tensors of each file of a seed."""
    epochs = kept(seed)
    for part, start in enumerate(range(0, len(epochs), PER_FILE)):
        tensors = {
            f"{epoch:04d}/{name}": value.half().contiguous()
            for epoch in epochs[start : start + PER_FILE]
            for name, value in snapshots[epoch].items()
        }
        yield f"transformer_seed{seed}_{part}.safetensors", tensors


def main() -> None:
    """Train what was asked for."""
    if sys.argv[1:2] == ["language"]:
        for seed in map(int, sys.argv[2:] or stored.LANGUAGE_SEEDS):
            store_language(seed, grammar.train(seed))
    else:
        make_modular()


def store_language(seed: int, result: TrainingResult) -> None:
    """Replace the stored file of a network that learned the language."""
    file = FOLDER / f"language_seed{seed}.safetensors"
    state = result.model.state_dict()
    tensors = {name: value.half().contiguous() for name, value in state.items()}
    recipe = {
        "seed": seed,
        "steps": result.steps,
        "batch_size": grammar.BATCH_SIZE,
        "torch": torch.__version__.split("+")[0],
    }
    save_file(tensors, file, {"recipe": json.dumps(recipe)})
    file.chmod(0o644)


def make_modular() -> None:
    """Train all seeds at once and replace the stored files."""
    start, cpu = time.perf_counter(), time.process_time()
    seeds, results = [*stored.SEEDS, *stored.FRESH_SEEDS], []
    for first in range(0, len(seeds), GROUP):
        results += stored.train_transformers(
            seeds[first : first + GROUP], snapshot_epochs={*FINE, *COARSE}
        )
    seconds, busy = time.perf_counter() - start, time.process_time() - cpu
    total = store({s: r.snapshots for s, r in zip(seeds, results, strict=True)})
    print(
        f"{len(results)} networks in {seconds:.0f} s ({busy:.0f} s of one core), "
        f"{total / 1e6:.1f} MB in {FOLDER}",
        file=sys.stderr,
    )


def store(snapshots: Mapping[int, Mapping[int, Mapping[str, Tensor]]]) -> int:
    """Replace the stored files by these states by seed and epoch; their bytes."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("transformer_seed*.safetensors"):
        old.unlink()
    recipe = {
        "modulus": stored.MODULUS,
        "epochs": stored.EPOCHS,
        "torch": torch.__version__.split("+")[0],
    }
    total = 0
    for seed, states in snapshots.items():
        for name, tensors in files(seed, states):
            metadata = {"recipe": json.dumps({**recipe, "seed": seed})}
            save_file(tensors, FOLDER / name, metadata)
            (FOLDER / name).chmod(0o644)
            total += (FOLDER / name).stat().st_size
    return total


if __name__ == "__main__":
    main()
