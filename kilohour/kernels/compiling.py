# SPDX-License-Identifier: Apache-2.0
"""How kernels are compiled."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numba
from numba.core import compiler, typed_passes
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_machinery import PassManager, register_pass

from kilohour.kernels.cache_place import keep_by_content


class _Part(JITCodeLibrary):  # type: ignore[misc]
    """Code that only other code is linked with: neither optimised nor made executable by itself.

    numba does both for every function, and again wherever it is called from; only the callers' copies ever run. Without
    it a cold start takes two thirds of the time.
    """

    def _optimize_final_module(self) -> None:
        """Left to the function that is run."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True

    def get_pointer_to_function(self, _name: str) -> int:
        """There is no machine code to point to."""
        return 0


@register_pass(mutates_CFG=True, analysis_only=False)
class _LowerPart(typed_passes.NativeLowering):  # type: ignore[misc]
    """Lowers a function into a :class:`_Part` and makes it known to its callers."""

    _name = "kilohour_lower_part"

    def run_pass(self, state: Any) -> bool:
        """One function; numba keeps its state in ``state``."""
        state.library = _Part(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        state.flags.no_compile = True
        super().run_pass(state)
        lowered = state.cr
        name: Any = [].append  # numba tells functions apart by a callable of their own, which nobody calls
        state.targetctx.insert_user_function(name, lowered.fndesc, [state.library])
        state["cr"] = compiler._LowerResult(lowered.fndesc, lowered.call_helper, cfunc=name, env=lowered.env)
        return True


class PartCompiler(compiler.CompilerBase):  # type: ignore[misc]
    """numba's own pipeline for functions that only compiled functions call; its last step makes a :class:`_Part`."""

    skipped: frozenset[str] = frozenset()

    def define_pipelines(self) -> list[PassManager]:
        """The pipelines to try in turn."""
        whole = compiler.DefaultPassBuilder.define_nopython_pipeline(self.state)
        parts = PassManager("nopython")
        for step, why in whole.passes:
            if step.__name__ not in self.skipped:
                parts.add_pass(_LowerPart if step is typed_passes.NativeLowering else step, why)
        parts.finalize()
        return [parts]


class _KernelCompiler(PartCompiler):
    """Without the passes for what our kernels do not use: closures, ``with``, literal arguments, array expressions."""

    skipped = frozenset({
        "WithLifting", "InlineClosureLikes", "MakeFunctionToJitFunction", "InlineInlinables", "FindLiterallyCalls", "LiteralUnroll",
        "LiteralPropagationSubPipelinePass", "DeadBranchPrune", "InlineOverloads", "NopythonRewrites", "AnnotateTypes",
        "DumpParforDiagnostics",
    })  # fmt: skip


def _look_for_blas_only() -> None:
    """Lets numba find scipy without importing scipy.linalg, which takes 0.2 s and which no kernel uses.

    numba.np.arraymath asks once, when it is imported, whether there is a BLAS. Functions that call one still import it
    when they are compiled.
    """
    from numba.np import linalg

    ensure = getattr(linalg, "ensure_blas", None)
    if ensure is None or find_spec("scipy") is None:
        return
    linalg.ensure_blas = lambda: None
    try:
        import numba.np.arraymath  # noqa: F401
    finally:
        linalg.ensure_blas = ensure


def _list_options_at_once() -> None:
    """Lets numba's sets of compiler options be compared without a property for each of their two dozen options.

    A cold start compares them 60,000 times, a tenth of its time. Left as it is where numba keeps them another way.
    """
    from numba.core.compiler import Flags
    from numba.core.targetconfig import TargetConfig

    usual = dict[type, dict[str, Any]]()

    def values(self: Any) -> dict[str, Any]:
        kind = type(self)
        if kind not in usual:
            usual[kind] = {name: option.default for name, option in self.options.items()}
        return usual[kind] | self._values

    flags: Any = Flags()
    flags.nrt = True
    with contextlib.suppress(AttributeError):
        if values(flags) == flags.values():
            TargetConfig.values = values


def _name_records_once() -> None:
    """Lets numba write the name of a record type once: ours have a hundred fields, and every pass over every function asks again.

    A record type does not change after it was made.
    """
    from numba.core.types import Record

    write, written = Record.__repr__, dict[int, tuple[Any, str]]()

    def name(self: Any) -> str:
        if id(self) not in written:
            written[id(self)] = self, write(self)  # kept beside its name, so that no other type gets its id
        return written[id(self)][1]

    setattr(Record, "__repr__", name)  # noqa: B010  mypy lets no method be assigned


_look_for_blas_only()
_list_options_at_once()
_name_records_once()
keep_by_content()
njit = numba.njit
"""numba's own. Taken from here, what it keeps lies where :mod:`kilohour.kernels.cache_place` says."""
inner = njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True, pipeline_class=_KernelCompiler)
"""For functions that only other kernels call: without wrappers, machine code or a cache file of their own. From Python,
``function.py_func`` is the plain function."""
entry = njit(cache=True, nogil=True)
"""For functions that Python calls."""


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Pauses Python's cyclic garbage collector: numba's compiler makes millions of objects and keeps most of them."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def set_aside(hits: int) -> None:
    """What compiling a part of the engine left is never looked through again: the first collection would take half a second.

    ``hits``: how often the cache had it. Then nothing was compiled, and what loading left is to be collected; as is what strategies
    leave, or it would pile up.
    """
    if hits == 0:
        gc.freeze()
