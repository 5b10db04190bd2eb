# SPDX-License-Identifier: Apache-2.0
"""``kilohour doctor``: is everything here that a run needs, and where is what it keeps."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import typer

from kilohour.cli import options

NEEDED = ("numpy", "numba", "pandas", "pyarrow", "scipy", "exchange_calendars", "pydantic", "typer", "rich", "plotly")
OPTIONAL = {
    "ccxt": "crypto venues, live",
    "backtrader": "the bridge: pip install 'kilohour[backtrader]'",
    "jupyterlab": "notebooks: pip install 'kilohour[notebook]'",
    "vectorbt": "a peer of make bench: pip install 'kilohour[bench]'",
}
FOLDERS = ("strategies", "datafeeds", "execution", "backtests", "reports")


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog="Example: [cyan]kilohour doctor --json[/cyan]")(doctor)


def doctor(json: options.Json = False) -> None:
    """Check the installation: versions, cache, cores, what is missing."""
    found = look()
    if json:
        from kilohour.cli.output import print_json

        print_json(found)
    else:
        _print(found)
    if not found["ok"]:
        raise typer.Exit(2)


def look() -> dict[str, Any]:
    """What there is. ``problems`` holds a line for each thing that is needed and missing."""
    import kilohour
    from kilohour.kernels import cache_root

    versions = {name: _version(name) for name in NEEDED}
    root, cache = Path(kilohour.__file__).parent, cache_root()
    folders = {name: (root / name / "__init__.py").is_file() for name in FOLDERS}
    size, compiled = _cache_contents(cache)
    problems = [f"{name} is needed and not installed" for name, version in versions.items() if version is None]
    problems += [
        f"the folder kilohour/{name} is missing: the checkout was made without symbolic links"
        for name, there in folders.items()
        if not there
    ]
    if not _writable(cache):
        problems.append(f"the cache folder {cache} cannot be written: every run compiles anew (set KILOHOUR_CACHE)")
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        problems.append("NUMBA_DISABLE_JIT is set: nothing runs compiled")
    return {
        "ok": not problems,
        "kilohour": kilohour.__version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count() or 1,
        "versions": versions,
        "folders": folders,
        "cache": str(cache),
        "cache_bytes": size,
        "compiled": compiled,
        "optional": {name: _version(name) for name in OPTIONAL},
        "problems": problems,
    }


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cache_contents(cache: Path) -> tuple[int, bool]:
    """Bytes in the cache, and whether this release's engine is there compiled."""
    import kilohour.kernels

    size = sum(file.stat().st_size for file in cache.rglob("*") if file.is_file()) if cache.is_dir() else 0
    engine = cache / f"kernels-{kilohour.kernels.KERNEL_HASH}"
    return size, engine.is_dir() and any(engine.rglob("engine.*.nbc"))


def _writable(folder: Path) -> bool:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK)


def _print(found: dict[str, Any]) -> None:
    from kilohour.cli.output import grid, line, show

    rows = [
        ("kilohour", found["kilohour"]),
        ("Python", found["python"]),
        ("platform", found["platform"]),
        ("cores", str(found["cores"])),
        *((name, version or "missing") for name, version in found["versions"].items()),
        *((f"{name} (optional)", version or f"missing: {OPTIONAL[name]}") for name, version in found["optional"].items()),
        ("folders", "all five there" if all(found["folders"].values()) else "incomplete"),
        ("cache", f"{found['cache']}, {found['cache_bytes'] / 1e6:,.1f} MB"),
        ("engine", "compiled" if found["compiled"] else "not compiled yet: the first run takes longer"),
    ]
    show(grid("", ("What", "Found"), rows))
    for problem in found["problems"]:
        line(f"problem: {problem}")
    if found["ok"]:
        line("all is well")
