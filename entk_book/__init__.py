"""What the chapters of the book share, and a reader installs with them.

- `studies`: the experiments, one module a chapter: trainings over seeds, nulls, tables.
- `figures`: the chapters' figures, one module a chapter.
- `exercises`: the checks of the exercises.
- `explorers`: figures with dials.
- `stored`: trained networks that take too long to train in a chapter.
- `ledger`: published figures beside ours.
- `notebooks`: help for a notebook that is run out of order.

No method lives here: that is `entk_lib`, which knows nothing of this package.
"""

from entk_lib import _threads as _threads  # before torch: how its threads wait

__all__: list[str] = []
