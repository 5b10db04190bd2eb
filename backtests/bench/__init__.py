# SPDX-License-Identifier: Apache-2.0
"""Speed and memory, beside peers where they are installed: ``python -m kilohour.backtests.bench``. See docs/speed.md."""
