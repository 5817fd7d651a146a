"""Does a hasher keep to the contract? The checks need no grid, and the hasher need not be installed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "my_hasher"))
from my_hasher import Signs

from bench import conformance

for verdict in conformance.verdicts("hasher", Signs):
    print(verdict)
