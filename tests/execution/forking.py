# SPDX-License-Identifier: Apache-2.0
"""Runners in processes of their own, forked by one process that has loaded everything once: a start-up costs more than most runs.

Run as a script it is that process: each line of its input names a module beside this one and what its ``main`` is asked.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

MODULES = ("hanging", "killing", "waiting")


class Forks:
    """The process, seen from a test."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-m", "tests.execution.forking"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         text=True)

    async def run(self, module: str, asked: dict[str, Any], folder: Path) -> tuple[int, str, str]:
        """How ``module.main`` ended as a process of its own, as a shell says it or minus the signal, and what it wrote to both outputs,
        which are kept in ``folder``."""
        out, err = (folder / f"{module}.{name}" for name in ("out", "err"))
        line = json.dumps({"module": module, "asked": asked, "outputs": [str(out), str(err)]})
        code = await asyncio.to_thread(self._say, line)
        return int(code), out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")

    def _say(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()

    def close(self) -> None:
        """It ends by itself when nobody asks any more."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


def child(module: str, asked: dict[str, Any], outputs: list[str]) -> None:
    """The forked process, to its end."""
    for number, path in enumerate((os.devnull, *outputs)):
        os.dup2(os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT), number)
    code = 1
    try:
        importlib.import_module(f"tests.execution.{module}").main(asked)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Forks for each line, one after another."""
    for module in MODULES:
        importlib.import_module(f"tests.execution.{module}")
    for line in sys.stdin:
        asked = json.loads(line)
        number = os.fork()
        if number == 0:
            child(**asked)
        _, status = os.waitpid(number, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
