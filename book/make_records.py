"""Run the studies that are too long for a chapter, and store their tables.

Usage: python book/make_records.py [NAME ...]     (all of them: two hours of one core)

Chapters read the tables with `entk_book.stored.records` and run a piece of each anew.
"""

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

from entk_book import stored
from entk_book.stored import records
from entk_book.studies import (
    descent_measured,
    edit_records,
    edit_strengths,
    edited_transformers,
    families_elsewhere,
    families_in_noise,
    families_over_seeds,
    grammar_modes,
    grokking_courses,
    grokking_ladder,
    grokking_story,
    layer_records,
    modular_addition,
    peaks,
    pitch,
    pitch_answers,
    pitch_helix,
    pitch_sizes,
    pitch_sounds,
    restricted,
    rival_records,
    running_text,
    superposition_grid,
    superposition_seeds,
    transformer_records,
    words,
)

RECORDS: dict[str, Callable[[], dict[str, Any]]] = {
    "addition_rivals": rival_records.record,
    "edits": edit_records.record,
    "edit_strengths": edit_strengths.record,
    "edited_transformers": edited_transformers.record,
    "double_descent": descent_measured.record,
    "families": families_over_seeds.record,
    "families_in_controls": families_in_noise.record,
    "families_in_noise": families_in_noise.record_of_noise,
    "families_in_transformers": families_elsewhere.record,
    "grokking_courses": grokking_courses.record,
    "grokking_story": grokking_story.record,
    "other_moduli": modular_addition.record_of_moduli,
    "layers": layer_records.record,
    "peaks": peaks.record,
    "grammar": grammar_modes.record,
    "grammar_clauses": grammar_modes.record_of_clauses,
    "pitch": pitch.record,
    "pitch_edits": pitch_answers.record,
    "pitch_helix": pitch_helix.record,
    "pitch_sizes": pitch_sizes.record,
    "pitch_sounds": pitch_sounds.record,
    "grokking_ladder": grokking_ladder.record,
    "explorer_superposition": superposition_grid.record,
    "superposition": superposition_seeds.record,
    "transformer_kernels": transformer_records.record,
    "running_text": running_text.record,
    "words": words.record,
    "long_transformers": lambda: restricted.record([*stored.SEEDS, *stored.FRESH_SEEDS]),
}


def main() -> None:
    """Make the records that are asked for, or all."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RECORDS))
    names = parser.parse_args().names or list(RECORDS)
    if unknown := set(names) - set(RECORDS):
        parser.error(f"records are {', '.join(RECORDS)}, got {', '.join(sorted(unknown))}.")
    for name in names:
        start = time.perf_counter()
        file = records.write(name, RECORDS[name]())
        seconds = time.perf_counter() - start
        print(f"{name}: {file} in {seconds:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
