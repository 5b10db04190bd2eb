# SPDX-License-Identifier: Apache-2.0
"""Keys come from the environment, then from the keyring; what neither has is named."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from kilohour.errors import UsageError
from kilohour.execution.keys import keys_of

KEPT = {("kilohour", "ccxt:okx/me/api_key"): "k", ("kilohour", "ccxt:okx/me/api_secret"): "s", ("kilohour", "ccxt:okx/me/passphrase"): "p"}


def test_what_the_environment_lacks_the_keyring_has(monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_password=lambda service, user: KEPT.get((service, user))))
    assert keys_of("ccxt:okx", "me", {}) == {"api_key": "k", "api_secret": "s", "passphrase": "p"}
    assert keys_of("ccxt:okx", "me", {"KILOHOUR_CCXT_OKX_API_SECRET": "mine"})["api_secret"] == "mine", "the environment goes first"
    with pytest.raises(UsageError, match="no api_key for account you: set KILOHOUR_CCXT_OKX_API_KEY, or keep it in the keyring"):
        keys_of("ccxt:okx", "you", {})


def test_a_keyring_without_a_backend_is_none(monkeypatch):
    def locked(service: str, user: str) -> str:
        raise RuntimeError("no recommended backend was available")

    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_password=locked))
    with pytest.raises(UsageError, match="set KILOHOUR_AX_API_KEY"):
        keys_of("ax", "me", {})
    assert keys_of("ax", "me", {"KILOHOUR_AX_API_KEY": "k", "KILOHOUR_AX_API_SECRET": "s"}) == {"api_key": "k", "api_secret": "s"}
