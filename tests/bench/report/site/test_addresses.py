"""Addresses of the site's pages."""

import re

from hypothesis import given
from hypothesis import strategies as st

from bench.report.site.addresses import method_address, report_address, safe_name, table_address, to_root


@given(st.text(max_size=250))
def test_every_name_is_one_of_a_file_on_any_host_and_system(name):
    safe = safe_name(name)
    assert re.fullmatch(r"[a-z0-9_-]{1,80}", safe) and safe == safe.lower()


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_two_names_share_one(one, other):
    assert (safe_name(one) == safe_name(other)) == (one == other)


def test_names_that_differ_little_are_told_apart_and_plain_ones_stay_as_they_are():
    names = ["Food101", "food101", "food-101", "food 101", "food--101", "food101-", "日本", "", "a" * 61, "a" * 62]
    assert len({safe_name(name) for name in names}) == len(names)
    assert [safe_name(name) for name in ("food101", "a_b-c", "synthetic_food101")] == [
        "food101",
        "a_b-c",
        "synthetic_food101",
    ]
    assert safe_name("Food 101").startswith("food-101--")


def test_pages_lead_back_to_the_folder_of_the_site():
    addresses = ["index.html", report_address("g", None), report_address("g", "d"), method_address("index", "i")]
    assert [to_root(one) for one in addresses] == ["", "../", "../../", "../"]
    assert table_address("g", "d", "cells.csv") == "reports/g/d-cells.csv"
