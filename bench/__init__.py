"""What a notebook or a script wants of the harness: scores of codes and of neighbours, and the tables of a run.

Nothing is imported before it is asked for: the command line and every worker import this package. A plugin imports from
`bench.interfaces`, since its key holds the source of all that it imports.
"""

TYPE_CHECKING = False  # as `typing` says, which takes longer to import than this module

if TYPE_CHECKING:
    from bench.exact import exact_neighbours
    from bench.frames import read_cells, read_records
    from bench.interfaces import Codes
    from bench.metrics import average_precision, mean_average_precision, precision_at, recall_at

    __version__: str
else:
    _HOMES = {
        "Codes": "interfaces",
        "average_precision": "metrics",
        "exact_neighbours": "exact",
        "mean_average_precision": "metrics",
        "precision_at": "metrics",
        "read_cells": "frames",
        "read_records": "frames",
        "recall_at": "metrics",
    }

    def __getattr__(name):
        """A name of ``__all__``, imported when it is first asked for. AttributeError: there is no such name."""
        if name == "__version__":
            from importlib.metadata import version

            value = version("bench")
        elif name in _HOMES:
            from importlib import import_module

            value = getattr(import_module(f"bench.{_HOMES[name]}"), name)
        else:
            raise AttributeError(f"module 'bench' has no attribute {name!r}; it has its modules, {', '.join(__all__)}")
        globals()[name] = value
        return value

    def __dir__():
        """What there is, imported or not."""
        return sorted({*globals(), *__all__})


__all__ = [
    "Codes",
    "__version__",
    "average_precision",
    "exact_neighbours",
    "mean_average_precision",
    "precision_at",
    "read_cells",
    "read_records",
    "recall_at",
]
