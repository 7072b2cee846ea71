"""How the chapters are compared with what they store, wherever pytest is started."""

import os

# Stored outputs hold no progress bars.
os.environ["TQDM_DISABLE"] = "1"
