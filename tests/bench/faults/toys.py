"""Wrong plugins are right ones with a member changed."""

from itertools import count

import numpy as np

TIMES = count()


def but(base, **members):
    """The plugin with other members."""
    return type("Wrong", (base,), members)


def after(base, method, change):
    """The plugin, with what a method returns changed."""
    return but(base, **{method: lambda self, *given: change(getattr(base, method)(self, *given))})


def doubled_in_place(rows):
    rows *= np.float32(2)
    return rows


def doubled_and_halved_in_place(rows):
    rows *= np.float32(2)
    doubled = rows.copy()
    rows /= np.float32(2)
    return doubled
