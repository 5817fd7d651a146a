"""The names for notebooks and scripts: scores of codes and of neighbours, and the tables of a run.

The command line and every worker import this package, so a name is imported when it is first used. A plugin imports
from `bench.interfaces` and `bench.quality`: a plugin that imports from here has all names below in its key.
"""

TYPE_CHECKING = False  # the constant of `typing`, which takes longer to import than this module

if TYPE_CHECKING:
    from bench.evaluation.evaluate import Evaluation, evaluate
    from bench.interfaces import Codes
    from bench.quality.neighbours import precision_at, recall_at
    from bench.quality.ranking import average_precision, mean_average_precision
    from bench.records.reading import read_cells, read_records
    from bench.stages.exact import exact_neighbours

    __version__: str
else:

    def __getattr__(name):
        """A name of ``__all__``, imported when it is first used.

        Each module stands in an import statement: `bench.store.identity` reads these for the key of a plugin.

        Raises AttributeError: there is no such name.
        """
        if name == "__version__":
            from importlib.metadata import version

            return version("bench")
        if name not in __all__:
            raise AttributeError(f"module 'bench' has no attribute {name!r}; it has its modules, {', '.join(__all__)}")
        if name == "Codes":
            from bench import interfaces as home
        elif name in ("Evaluation", "evaluate"):
            from bench.evaluation import evaluate as home
        elif name == "exact_neighbours":
            from bench.stages import exact as home
        elif name in ("read_cells", "read_records"):
            from bench.records import reading as home
        elif name in ("precision_at", "recall_at"):
            from bench.quality import neighbours as home
        else:
            from bench.quality import ranking as home
        return getattr(home, name)

    def __dir__():
        """All names of the module, imported or not."""
        return sorted({*globals(), *__all__})


__all__ = [
    "Codes",
    "Evaluation",
    "__version__",
    "average_precision",
    "evaluate",
    "exact_neighbours",
    "mean_average_precision",
    "precision_at",
    "read_cells",
    "read_records",
    "recall_at",
]
