# SPDX-License-Identifier: Apache-2.0
"""The sandbox: an exchange on localhost that real clients can trade on. docs/sandbox.md says what is there and what is not."""
