# SPDX-License-Identifier: Apache-2.0
"""Figures as plain dictionaries in plotly's schema, numpy arrays inside.

The report writes them as JSON; notebooks wrap them.
"""
