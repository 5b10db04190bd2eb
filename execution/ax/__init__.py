# SPDX-License-Identifier: Apache-2.0
"""The adapter for Architect's AX, and for whatever speaks its dialect; written from a description of the protocol."""
