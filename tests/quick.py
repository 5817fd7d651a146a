"""Times in a moment, for tests of what is not about how well times are taken."""

import bench.runs.searches
import bench.stages.encoding
import bench.timing.replicates
from bench.timing.machine import Rates


def take_times_quickly(replace):
    """The rates of the machine are made up, and no round is taken again because other tests run beside it.

    ``replace``: ``setattr``, or that of a `pytest.MonkeyPatch`.
    """
    replace(bench.runs.searches, "machine_rates", lambda: Rates(1e10, 1e10))
    for module in (bench.timing.replicates, bench.stages.encoding):
        replace(module, "RETAKES", 0)
