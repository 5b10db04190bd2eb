# SPDX-License-Identifier: Apache-2.0
"""Sources of data, one a file: columns, units, what the times mean, licence, known defects. docs/sources.md tells of each."""
