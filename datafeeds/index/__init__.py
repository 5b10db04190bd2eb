# SPDX-License-Identifier: Apache-2.0
"""Indices as documented methods over quotes: the method is data (TOML), the arithmetic is exact."""

from kilohour.datafeeds.index.method import Method, shipped_methods
from kilohour.datafeeds.index.series import IndexSeries, build_index

__all__ = ["IndexSeries", "Method", "build_index", "shipped_methods"]
