# SPDX-License-Identifier: Apache-2.0
"""Does a strategy see the future? The same decisions are demanded whatever comes after them."""
