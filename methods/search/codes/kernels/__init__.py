"""Compiled kernels on codes; `methods.search.codes.kernels.entry` names those that Python calls.

They are written for latency: at the paper's scale the Python-level equivalents cost 2 to 20 times more, which would
compare interpreters and not methods. Codes are uint64 [words, n], a word of many codes contiguous, so that the loops
over codes are vectorised. Equal codes may be stored once: code c then stands for the items
``items[starts[c] : starts[c + 1]]`` (ascending), and where no two are equal, ``starts`` is empty and code c is item c.
"""
