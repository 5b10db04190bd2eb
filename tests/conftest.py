# SPDX-License-Identifier: Apache-2.0
"""Studies marked ``soak`` run when they are asked for by name (``pytest -m soak``), never by the way."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves the soak out of every run whose ``-m`` does not speak of it."""
    if "soak" in (config.option.markexpr or ""):
        return
    kept = [item for item in items if "soak" not in item.keywords]
    if len(kept) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if "soak" in item.keywords])
        items[:] = kept
