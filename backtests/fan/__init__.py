# SPDX-License-Identifier: Apache-2.0
"""One strategy over many markets of one scenario: the distribution of what may come, not one path."""
