"""Tasks: data together with the features that are true by construction."""

from entk_lib.toys.tasks import frequencies, grammar, modular_addition, superposition

__all__ = ["frequencies", "grammar", "modular_addition", "superposition"]
