# SPDX-License-Identifier: Apache-2.0
"""Who may trade: accounts with a ready-made key, and bearer tokens that expire. Everything is derived from the seed."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from kilohour.units import NANOS_PER_SECOND

TOKEN_SECONDS_MOST = 30 * 86_400
TOKENS_MOST = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """One account's name and keys, the same for every dialect."""

    account: str
    api_key: str
    api_secret: str
    passphrase: str


def credentials(seed: int, account: str) -> Credentials:
    """The keys of an account: the same seed gives the same ones, so that a test can know them. They open nothing but a sandbox."""

    def derived(what: str) -> str:
        return hashlib.sha256(f"kilohour sandbox {seed} {account} {what}".encode()).hexdigest()

    return Credentials(
        account=account, api_key=f"sandbox-{derived('key')[:16]}", api_secret=derived("secret")[:40], passphrase=derived("passphrase")[:12]
    )


class Keyring:
    """Keys and tokens in use. Times are those of whoever asks."""

    def __init__(self, seed: int, accounts: list[str]) -> None:
        self.seed = seed
        self.all = [credentials(seed, account) for account in accounts]
        self._by_key = {each.api_key: each for each in self.all}
        self._tokens: dict[str, tuple[str, int]] = {}
        self._issued = 0

    def holder(self, api_key: object) -> Credentials | None:
        """Whose key it is."""
        return self._by_key.get(api_key) if isinstance(api_key, str) else None

    def login(self, api_key: object, api_secret: object, seconds: int, now: int) -> str | None:
        """A token, or None for a wrong key or secret."""
        holder = self.holder(api_key)
        if holder is None or not isinstance(api_secret, str) or not _same(holder.api_secret, api_secret):
            return None
        self._issued += 1
        token = hashlib.sha256(f"{self.seed} {holder.account} {self._issued} {now}".encode()).hexdigest()
        while len(self._tokens) >= TOKENS_MOST:
            del self._tokens[next(iter(self._tokens))]
        self._tokens[token] = holder.account, now + seconds * NANOS_PER_SECOND
        return token

    def account_of(self, token: str, now: int) -> str | None:
        """The account of a token that has not expired."""
        account, until = self._tokens.get(token, ("", 0))
        return account if now < until else None

    def expire(self) -> None:
        """Ends every token."""
        self._tokens.clear()


def _same(ours: str, theirs: str) -> bool:
    return hmac.compare_digest(ours.encode(), theirs.encode("utf-8", "surrogatepass"))
