# SPDX-License-Identifier: Apache-2.0
"""Marks what is known to part as strict expected failures."""

from __future__ import annotations

import pytest

from tests.oracle.apart import TABLES


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """By the file's and the test's name, parameters included."""
    for item in items:
        reason = TABLES.get(item.nodeid.rpartition("/")[2])
        if reason is not None:
            item.add_marker(pytest.mark.xfail(strict=True, reason=reason))
