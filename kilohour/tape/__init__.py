# SPDX-License-Identifier: Apache-2.0
"""The event stream that every mode reads: schema, builder, Parquet folder."""

from kilohour.tape.builder import TapeBuilder
from kilohour.tape.schema import Index, Kind
from kilohour.tape.tape import Tape

__all__ = ["Index", "Kind", "Tape", "TapeBuilder"]
