"""What the shortest edit of a network costs: the adders and the Transformer of the book.

Run as ``python benchmarks/edits.py``; prints a Markdown table.
"""

import time

import entk_lib as entk
from entk_book import stored
from entk_book.studies.adders import train_adders
from entk_book.studies.edited_adders import in_double, take_out
from entk_lib.toys.tasks import modular_addition


def main() -> None:
    """Take one wave of the sum out of each network, with all parameters."""
    (adder,) = train_adders([0])
    tokens = modular_addition.tokens(modular_addition.all_pairs(29), 29)
    cases = (
        ("MLP, 44,544 parameters", in_double(adder.network), adder.x.double(), 5),
        ("Transformer, 53,120 parameters", stored.transformer(0).double(), tokens, 3),
    )
    print("| network | rows | seconds | products | missing to first order | way |")
    print("|---|---|---|---|---|---|")
    for name, model, x, frequency in cases:
        change = take_out(model, x, frequency)
        seconds = []
        for _ in range(2):
            start = time.perf_counter()
            edit = entk.tangent_edit(model, x, change)
            seconds.append(time.perf_counter() - start)
        print(
            f"| {name} | {change.numel():,} | {min(seconds):.1f} | {edit.products} | "
            f"{edit.residual:.1e} | {edit.way} |"
        )


if __name__ == "__main__":
    main()
