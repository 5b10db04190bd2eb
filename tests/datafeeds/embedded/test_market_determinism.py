# SPDX-License-Identifier: Apache-2.0
"""Same seed, same bytes: in another process, on a lesser processor, and without a compiler."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import kilohour.kernels
from kilohour.datafeeds.embedded import EmbeddedMarket, MarketConfig

ROOT = Path(kilohour.kernels.__file__).parents[2]

TINY = dataclasses.replace(MarketConfig(), first=dt.date(2024, 1, 2), last=dt.date(2024, 1, 31), chips=MarketConfig().chips[:1])
SCRIPT = """
import gc, sys, numba
gc.disable()  # what a compiler leaves is not worth looking through
sys.path.insert(0, sys.argv[1])
from tests.datafeeds.embedded.test_market_determinism import TINY, MarketConfig, digest
print(numba.config.CPU_NAME, numba.config.DISABLE_JIT, *(digest({"tiny": TINY, "default": MarketConfig()}[name]) for name in sys.argv[2:]))
"""


def digest(config: MarketConfig) -> str:
    """Hash of a tape of this process."""
    tape = EmbeddedMarket(seed=7, config=config).tape()
    found = hashlib.sha256()
    for name, column in tape.events.items():
        found.update(name.encode() + column.tobytes())
    found.update(repr(tape.contracts).encode())
    return found.hexdigest()


def told(*names: str, **environment: str) -> list[str]:
    """How a fresh process compiles, and the hashes of the tapes that it makes."""
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", SCRIPT, str(ROOT), *names], capture_output=True, text=True,
                         check=True, env=os.environ | environment)
    return run.stdout.split()


def disabled_features() -> str:
    """The processor features that this numpy would use beyond its baseline and that this machine has."""
    core = importlib.import_module("numpy._core._multiarray_umath")
    return " ".join(name for name in core.__cpu_dispatch__ if core.__cpu_features__.get(name))


def test_a_lesser_processor_gives_the_same_bytes():
    """numpy, numba's code generation and the C library, each without anything beyond the first x86-64; in another order of hashing."""
    processor, _, tiny, default = told(
        "tiny", "default", NPY_DISABLE_CPU_FEATURES=disabled_features(), NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="", PYTHONHASHSEED="1",
        GLIBC_TUNABLES="glibc.cpu.hwcaps=-AVX2,-AVX,-FMA,-FMA4,-AVX512F,-ERMS,-BMI1,-BMI2,-SSE4_2,-SSE4_1")
    assert processor == "generic"
    assert (tiny, default) == (digest(TINY), digest(MarketConfig()))


def test_without_a_compiler_the_bytes_are_the_same():
    """The interpreter's floats are plain IEEE 754 doubles, so nothing was fused or reordered by the compiler."""
    _, is_plain, tiny = told("tiny", NUMBA_DISABLE_JIT="1", PYTHONHASHSEED="2")
    assert (is_plain, tiny) == ("1", digest(TINY))


def test_a_second_tape_of_one_process_is_the_same():
    config = MarketConfig(last=dt.date(2024, 6, 28))
    one, two = (EmbeddedMarket(seed=5, config=config).tape().events for _ in range(2))
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


def test_a_longer_span_does_not_rewrite_the_past_of_spot():
    """Streams are drawn day by day: the same seed over a longer span begins with the same spot prices."""
    short, long = (EmbeddedMarket(seed=5, config=MarketConfig(last=day)).paths()
                   for day in (dt.date(2025, 6, 30), dt.date(2026, 6, 30)))
    np.testing.assert_array_equal(short.spot, long.spot[: short.schedule.span])


GENERATOR = [f"datafeeds/embedded/{name}" for name in ("activity", "effects", "market", "minutes", "model", "paths", "plan", "schedule")]


@pytest.mark.parametrize("module", [*(f"kernels/{name}" for name in ("arithmetic", "market", "curve", "session")), *GENERATOR])
def test_nothing_is_used_that_differs_between_processors(module):
    text = (ROOT / "kilohour" / f"{module}.py").read_text()
    code = re.sub(r'""".*?"""', "", text, flags=re.DOTALL)
    assert not re.findall(r"fastmath|parallel=|math\.(?:exp|log|pow|sin|cos|tan|erf|fsum)\b", code)
    assert not re.findall(r"np\.(?:exp|log|sum|dot|mean)\b|(?<!\b2)\*\*|\.sum\(|\.dot\(| @ ", code)
