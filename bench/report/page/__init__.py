"""The report as one page: a file that opens in any browser, from a disk and without a network."""
