# SPDX-License-Identifier: Apache-2.0
"""Who may trade: accounts with a ready-made key and a one-time password, and bearer tokens that expire. All is derived from the seed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

from kilohour.units import NANOS_PER_SECOND

TOKEN_SECONDS_MOST = 30 * 86_400
TOKENS_MOST = 1024
TOTP_SECONDS, TOTP_DIGITS, TOTP_STEPS_OFF = 30, 6, 1
"""RFC 6238 with the values that authenticators use; a clock may be one step off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """One account's name and keys, the same for every dialect."""

    account: str
    api_key: str
    api_secret: str
    passphrase: str
    password: str
    totp_secret: str
    """Base32, as an authenticator takes it. The user name is the account's."""


def totp(secret: bytes, now: int, digits: int = TOTP_DIGITS) -> str:
    """The one-time password of a time in nanoseconds UTC: RFC 6238 with SHA-1 and steps of 30 seconds.

    >>> totp(b"12345678901234567890", 59 * 10**9, digits=8)
    '94287082'
    """
    return _hotp(secret, now // (TOTP_SECONDS * NANOS_PER_SECOND), digits)


def _hotp(secret: bytes, counter: int, digits: int) -> str:
    """RFC 4226."""
    digest = hmac.new(secret, counter.to_bytes(8, "big"), "sha1").digest()
    place = digest[-1] & 15
    return f"{(int.from_bytes(digest[place : place + 4], 'big') & 0x7FFF_FFFF) % 10**digits:0{digits}d}"


def credentials(seed: int, account: str) -> Credentials:
    """The keys of an account: the same seed gives the same ones, so that a test can know them. They open nothing but a sandbox."""

    def derived(what: str) -> str:
        return hashlib.sha256(f"kilohour sandbox {seed} {account} {what}".encode()).hexdigest()

    return Credentials(
        account=account,
        api_key=f"sandbox-{derived('key')[:16]}",
        api_secret=derived("secret")[:40],
        passphrase=derived("passphrase")[:12],
        password=derived("password")[:16],
        totp_secret=base64.b32encode(bytes.fromhex(derived("totp")[:40])).decode(),
    )


class Keyring:
    """Keys and tokens in use. Times are those of whoever asks."""

    def __init__(self, seed: int, accounts: list[str]) -> None:
        self.seed = seed
        self.all = [credentials(seed, account) for account in accounts]
        self._by_key = {each.api_key: each for each in self.all}
        self._by_name = {each.account: each for each in self.all}
        self._used: dict[str, int] = {}
        """The latest step of time whose one-time password an account has used."""
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
        return self._issue(holder, seconds, now)

    def login_in_person(self, username: object, password: object, code: object, seconds: int, now: int) -> str | None:
        """A token for a user with a one-time password, which opens the door once; None for what is wrong."""
        holder = self._by_name.get(username) if isinstance(username, str) else None
        if holder is None or not isinstance(password, str) or not isinstance(code, str) or not _same(holder.password, password):
            return None
        secret, step = base64.b32decode(holder.totp_secret), now // (TOTP_SECONDS * NANOS_PER_SECOND)
        for near in range(max(step - TOTP_STEPS_OFF, self._used.get(holder.account, -1) + 1), step + TOTP_STEPS_OFF + 1):
            if _same(_hotp(secret, near, TOTP_DIGITS), code):
                self._used[holder.account] = near
                return self._issue(holder, seconds, now)
        return None

    def _issue(self, holder: Credentials, seconds: int, now: int) -> str:
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
