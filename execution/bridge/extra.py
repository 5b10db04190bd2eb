# SPDX-License-Identifier: Apache-2.0
"""The one place that imports backtrader, which is GPL and comes with the extra ``backtrader`` only.

Every other module of the bridge takes ``bt`` from here; a test keeps it so.
"""

from __future__ import annotations

import warnings

from kilohour.errors import UsageError

try:
    with warnings.catch_warnings():  # its text has escapes that Python warns of whenever it compiles them anew
        warnings.simplefilter("ignore")
        import backtrader as bt
except ImportError:
    raise UsageError("this needs backtrader, which the extra brings: pip install 'kilohour[backtrader]'") from None

__all__ = ["bt"]
