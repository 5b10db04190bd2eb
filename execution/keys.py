# SPDX-License-Identifier: Apache-2.0
"""Keys of an account: from the environment or the system's keyring, and from nowhere else. They are never written down."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from kilohour.errors import UsageError

NAMES = ("api_key", "api_secret")
OPTIONAL = ("passphrase",)
SERVICE = "kilohour"


def variable(venue: str, name: str) -> str:
    """The environment variable of a key.

    >>> variable("ccxt:okx", "api_key")
    'KILOHOUR_CCXT_OKX_API_KEY'
    """
    return "KILOHOUR_" + re.sub("[^A-Z0-9]+", "_", f"{venue}_{name}".upper())


def keys_of(venue: str, account: str, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The keys of an account. Raises :class:`UsageError` naming the variable that is missing."""
    found = {name: environment.get(variable(venue, name)) or _from_keyring(venue, account, name) for name in (*NAMES, *OPTIONAL)}
    for name in NAMES:
        if not found[name]:
            raise UsageError(f"{venue}: no {name} for account {account}: set {variable(venue, name)}, or keep it in the keyring as "
                             f"service {SERVICE!r}, user {venue}/{account}/{name}")
    return {name: value for name, value in found.items() if value}


def _from_keyring(venue: str, account: str, name: str) -> str | None:
    try:
        import keyring
    except ImportError:
        return None
    try:
        found: str | None = keyring.get_password(SERVICE, f"{venue}/{account}/{name}")
    except Exception:  # a keyring without a backend raises whatever it likes; the environment is asked first
        return None
    return found
