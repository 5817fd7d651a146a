"""A plugin whose module cannot be imported: it can still be listed."""

import a_library_that_is_not_there  # noqa: F401


class Broken:
    """Described though it can't be imported."""
