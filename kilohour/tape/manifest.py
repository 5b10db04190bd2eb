# SPDX-License-Identifier: Apache-2.0
"""The manifest of a folder of data: what it is, of which schema, and its hash; read with the same checks for every kind."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kilohour.errors import DataError

MANIFEST, REJECTED = "manifest.json", "rejected.csv"
"""Files that every such folder has, and one that an import may add: refused rows, each with its reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """How the manifests of one kind of folder read."""

    format: str
    version: int
    """Of the schema."""
    holder: str
    """The folder in words: ``a tape``."""
    otherwise: str
    """What a folder with another manifest does: ``is not a tape``."""
    keys: tuple[str, ...] = ()
    """What it must say beside format, schema version and hash."""

    def write(self, folder: Path, content: Mapping[str, Any]) -> str:
        """Writes the manifest and returns the hash of what it says."""
        manifest = {"format": self.format, "schema_version": self.version, **content}
        digest = sha256_of(manifest)
        text = json.dumps({**manifest, "sha256": digest}, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        (folder / MANIFEST).write_text(text, encoding="utf-8")
        return digest

    def digest(self, content: Mapping[str, Any]) -> str:
        """The hash that :meth:`write` would return."""
        return sha256_of({"format": self.format, "schema_version": self.version, **content})

    def read(self, folder: Path) -> dict[str, Any]:
        """The manifest. Raises :class:`DataError` when the folder holds none of this kind and schema version, or a changed one."""
        path = folder / MANIFEST
        if not path.is_file():
            raise DataError(f"{path}: {self.holder} needs this file, found none")
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DataError(f"{path}: must be JSON, found {str(error)!r}") from None
        if not isinstance(manifest, dict) or manifest.get("format") != self.format:
            raise DataError(f"{path}: must say format {self.format!r}, so this folder {self.otherwise}")
        if manifest.get("schema_version") != self.version:
            raise DataError(f"{path}: schema version must be {self.version}, found {manifest.get('schema_version')!r}; "
                            "import the data again with this release")
        missing = [key for key in self.keys if key not in manifest]
        if missing:
            raise DataError(f"{path}: must say {missing[0]!r}, found nothing of it; import the data again with this release")
        wanted = sha256_of({key: value for key, value in manifest.items() if key != "sha256"})
        if manifest.get("sha256") != wanted:
            raise DataError(f"{path}: was changed after it was written, its sha256 must be {wanted[:12]}, "
                            f"found {str(manifest.get('sha256'))[:12]}")
        return manifest

    def stands_in(self, folder: Path) -> bool:
        """True when the folder's manifest is one of this kind, whether or not it is sound."""
        try:
            return bool(json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["format"] == self.format)
        except (OSError, ValueError, LookupError, TypeError):
            return False


def sha256_of(value: object) -> str:
    """SHA-256 of a value as JSON without spaces, its keys sorted."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
