# SPDX-License-Identifier: Apache-2.0
"""Logging in by user name, password and one-time password; the passwords are RFC 6238's own."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from kilohour.execution.sandbox.accounts import Keyring, totp
from tests.execution.sandbox.booking import small_exchange
from tests.execution.sandbox.serving import Clock, serving

RFC_SECRET = b"12345678901234567890"
RFC_6238_APPENDIX_B = {
    59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130",
}  # fmt: skip
RFC_4226_APPENDIX_D = ("755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489")


@pytest.mark.parametrize("seconds", RFC_6238_APPENDIX_B)
def test_one_time_passwords_are_those_of_the_rfc(seconds: int) -> None:
    assert totp(RFC_SECRET, seconds * 10**9, digits=8) == RFC_6238_APPENDIX_B[seconds]


def test_six_digits_are_those_of_rfc_4226_for_the_first_ten_steps() -> None:
    assert tuple(totp(RFC_SECRET, (30 * step + 29) * 10**9) for step in range(10)) == RFC_4226_APPENDIX_D


def test_every_account_has_a_secret_of_its_own_which_the_seed_decides() -> None:
    first, again, other = (Keyring(seed, ["one", "two"]).all for seed in (7, 7, 8))
    assert first == again
    assert len({each.totp_secret for each in first + other}) == len({each.password for each in first + other}) == 4
    assert all(len(base64.b32decode(each.totp_secret)) == 20 for each in first)


def test_a_user_logs_in_with_a_one_time_password_once() -> None:
    async def run() -> None:
        clock = Clock()
        async with serving(small_exchange(), clock=clock) as (_, client):
            keys = client.keys
            client.token = ""

            def body(off: int = 0, **changed: Any) -> dict[str, Any]:
                code = totp(base64.b32decode(keys.totp_secret), clock.now + off * 10**9)
                return {"username": "one", "password": keys.password, "totp": code, "expiration_seconds": 60, **changed}

            wrong = "000000" if body()["totp"] != "000000" else "111111"
            for bad in (body(60), body(-60), body(totp=wrong), body(totp=None), body(totp=int(wrong)), body(password="guess"), body(password=None),
                        body(username="nobody"), body(username=["one"]), body(totp="９４２８７０")):  # fmt: skip
                assert (await client.post("/api/authenticate", bad))["code"] == 401
            assert (await client.post("/api/authenticate", body(expiration_seconds=0)))["code"] == 400
            client.token = (await client.post("/api/authenticate", body(-30)))["token"]
            assert (await client.get("/api/whoami"))["id"] == "one"
            assert (await client.post("/api/authenticate", body(-30)))["code"] == 401, "used before"
            assert "token" in await client.post("/api/authenticate", body(30))
            assert (await client.post("/api/authenticate", body()))["code"] == 401, "older than the one that was used"
            clock.now += 61 * 10**9
            assert (await client.get("/api/whoami"))["code"] == 401, "the token has expired"
            assert "token" in await client.post("/api/authenticate", body())

    asyncio.run(run())
