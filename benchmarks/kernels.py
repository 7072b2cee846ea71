"""The class-averaged kernel of five networks: this library beside others, in one run.

Run as ``python benchmarks/kernels.py [--all] [ARCH ...]``; prints a Markdown table. Others
are measured where the packages of ``requirements.txt`` beside this file are installed (in
an environment of their own: ``make bench`` makes one). Each measurement has a process of
its own; ours is measured before and after the others, and the better of the two counts, as
the best of several repeats counts for all.
"""

import platform
import sys
from datetime import date

import torch
from architectures import ARCHITECTURES
from limits import gemm_speed, unavoidable_operations
from rivals import RIVALS, Row, measure

import entk_lib as entk

OURS = "entk_lib"
# Half a minute to minutes each, except on the small convolutional network; --all for all.
SLOW = ("asdl-direct", "backpack", "neural-tangents-jacobian", "neural-tangents-products")
PATIENCE = 60.0  # seconds for another library's process, its repeats included
CASES = [
    ("modular_mlp", False),
    ("modular_mlp", True),
    ("modular_mlp_transposed", False),
    ("mnist_mlp", False),
    ("small_cnn", False),
    ("transformer_linear", False),
    ("transformer_einsum", False),
]


def cell(row: Row) -> str:
    """Seconds, or why there are none."""
    return f"{row.seconds:.3f}" if row.status == "ok" else row.status


def main() -> None:
    """Print the table."""
    everyone = "--all" in sys.argv
    wanted = [name for name in sys.argv[1:] if name != "--all"] or list(ARCHITECTURES)
    others = [name for name in RIVALS if name != OURS]
    print(
        f"{date.today()}, {platform.machine()}, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}, float32; seconds, best of several calls\n"
    )
    header = [
        "network",
        OURS,
        "predicted",
        "GiB",
        "error",
        "x limit",
        *others,
        "ours / best other",
    ]
    print("|" + "|".join(header) + "|")
    print("|" + "---|" * len(header), flush=True)
    for architecture, by_layer in CASES:
        if architecture not in wanted:
            continue
        speed = gemm_speed()
        limit = unavoidable_operations(*ARCHITECTURES[architecture]()) / speed
        first = measure(architecture, OURS, by_layer=by_layer)
        rows = [
            measure(architecture, name, by_layer=by_layer, timeout=PATIENCE)
            if everyone or name not in SLOW or architecture == "small_cnn"
            else Row(architecture, name, by_layer, 0, "-")
            for name in others
        ]
        last = measure(architecture, OURS, by_layer=by_layer)
        model, x = ARCHITECTURES[architecture]()
        entk.explain_ntk(model, x)  # the first call of a process takes longer
        predicted = entk.explain_ntk(model, x).seconds
        ours = min(first, last, key=lambda row: row.seconds or float("inf"))
        if ours.seconds is None or ours.peak_gib is None or ours.error is None:
            raise SystemExit(f"{architecture}: {ours.status} {ours.note}")
        best = min(
            (row.seconds for row in rows if row.status == "ok" and row.seconds),
            default=None,
        )
        values = [
            architecture + (", by layer" if by_layer else ""),
            f"{ours.seconds:.3f}",
            f"{predicted:.3f}",
            f"{ours.peak_gib:.2f}",
            f"{ours.error:.0e}",
            f"{ours.seconds / limit:.1f}",
            *(cell(row) for row in rows),
            "-" if best is None else f"{ours.seconds / best:.2f}",
        ]
        print("|" + "|".join(values) + "|", flush=True)
    print("\nx limit: our time over that of the unavoidable matrix products (limits.py).")


if __name__ == "__main__":
    main()
