# SPDX-License-Identifier: Apache-2.0
"""How a source's rows become quotes or prints: read in batches, mapped, refused with a reason, sorted, written whole."""
