# SPDX-License-Identifier: Apache-2.0
"""Same seed, same bytes: in another process, on a lesser processor, and without a compiler."""

from __future__ import annotations

import datetime as dt
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

DEFAULT = "EmbeddedMarket(seed=7).tape()"
TINY = ("EmbeddedMarket(seed=7, config=MarketConfig(first=dt.date(2024, 1, 2), last=dt.date(2024, 1, 31), "
        "chips=MarketConfig().chips[:1])).tape()")
SCRIPT = """
import datetime as dt, hashlib, sys
from kilohour.datafeeds.embedded import EmbeddedMarket, MarketConfig
tape = eval(sys.argv[1])
digest = hashlib.sha256()
for name, column in tape.events.items():
    digest.update(name.encode() + column.tobytes())
digest.update(repr(tape.contracts).encode())
print(digest.hexdigest())
"""


def digest(expression: str, **environment: str) -> str:
    """Hash of a tape made in a fresh process."""
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", SCRIPT, expression], capture_output=True, text=True,
                         check=True, env=os.environ | {"PYTHONPATH": str(ROOT)} | environment)
    return run.stdout.strip()


def disabled_features() -> str:
    """The processor features that this numpy would use beyond its baseline and that this machine has."""
    core = importlib.import_module("numpy._core._multiarray_umath")
    return " ".join(name for name in core.__cpu_dispatch__ if core.__cpu_features__.get(name))


def test_a_lesser_processor_gives_the_same_bytes(tmp_path):
    """numpy, numba's code generation and the C library, each without anything beyond the first x86-64."""
    lesser = digest(
        DEFAULT, NPY_DISABLE_CPU_FEATURES=disabled_features(), NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="",
        NUMBA_CACHE_DIR=str(tmp_path),
        GLIBC_TUNABLES="glibc.cpu.hwcaps=-AVX2,-AVX,-FMA,-FMA4,-AVX512F,-ERMS,-BMI1,-BMI2,-SSE4_2,-SSE4_1")
    assert re.fullmatch("[0-9a-f]{64}", lesser)
    assert lesser == digest(DEFAULT)


def test_without_a_compiler_and_in_another_order_of_hashing_the_bytes_are_the_same():
    """The interpreter's floats are plain IEEE 754 doubles, so nothing was fused or reordered by the compiler."""
    assert digest(TINY, NUMBA_DISABLE_JIT="1", PYTHONHASHSEED="1") == digest(TINY, PYTHONHASHSEED="2")


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
