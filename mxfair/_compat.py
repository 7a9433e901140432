"""Make mxnet 1.9.1 import on Python 3.9 to 3.13 with NumPy 1.21 to 1.26, in one place.

mxnet reads two names that later versions of NumPy and Python removed: ``numpy.bool`` (gone in NumPy 1.24; mxnet reads
it at run time too, so the alias stays) and the package ``distutils`` (gone in Python 3.12; setuptools carries a copy).
`prepare` adds what is missing and does nothing where nothing is missing.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from types import ModuleType

import numpy as np

__all__ = ["import_mxnet", "prepare"]

_NUMPY_2 = (
    "mxfair needs NumPy 1.21 to 1.26, since mxnet 1.9.1 cannot run on NumPy 2; got NumPy {version}. "
    'Install an older one: pip install "numpy<2".'
)
_BROKEN_FIRST = (
    "'import mxnet' failed before mxfair could prepare it, and left parts of it behind. "
    "Restart Python and import mxfair first: it repairs what mxnet 1.9.1 misses."
)
_NO_LIBGOMP = (
    "mxnet cannot start without the OpenMP library libgomp.so.1. "
    "Install it: apt-get install libgomp1 (Debian, Ubuntu) or dnf install libgomp (Fedora)."
)
_NO_DISTUTILS = (
    "mxnet 1.9.1 imports distutils, which Python 3.12 removed, and setuptools, which brings it back, is missing. "
    "Install it: pip install setuptools."
)
_NO_MXNET = 'mxfair trains with mxnet 1.9.1, which is not installed. Install it: pip install "mxnet==1.9.1".'


def prepare() -> None:
    """Add the names that mxnet 1.9.1 needs and later NumPy and Python versions removed.

    Raises
    ------
    ImportError
        With NumPy 2, or where an earlier ``import mxnet`` failed half-way.
    """
    version = tuple(int(part) for part in np.__version__.split(".")[:2])
    if version >= (2, 0):
        raise ImportError(_NUMPY_2.format(version=np.__version__))
    if _half_imported():
        raise ImportError(_BROKEN_FIRST)
    if version >= (1, 24) and "bool" not in vars(np):  # vars: hasattr would trigger NumPy's warning
        np.bool = np.bool_  # type: ignore[attr-defined]
    if sys.version_info >= (3, 12) and not _has_distutils():
        with contextlib.suppress(ImportError):  # auditing needs no engine: import_mxnet says what is missing
            importlib.import_module("setuptools")


def import_mxnet() -> ModuleType:
    """Import mxnet and return it, with a clear error for each way it is known to fail.

    Raises
    ------
    ImportError
        Where mxnet, libgomp1 or (on Python 3.12 and later) setuptools is missing.
    """
    prepare()
    if not _has_distutils():
        raise ImportError(_NO_DISTUTILS)
    try:
        with _leaving_nothing_behind():
            return importlib.import_module("mxnet")
    except ModuleNotFoundError as error:
        if error.name == "mxnet":
            raise ImportError(_NO_MXNET) from error
        raise
    except OSError as error:
        if "libgomp" in str(error):
            raise ImportError(_NO_LIBGOMP) from error
        raise


@contextlib.contextmanager
def _leaving_nothing_behind() -> Iterator[None]:
    """Drop the parts of mxnet that a failed import leaves, so that trying again fails for the same reason."""
    try:
        yield
    except Exception:
        for name in [name for name in sys.modules if name.startswith("mxnet.")]:
            del sys.modules[name]
        raise


def _half_imported() -> bool:
    """Tell whether an earlier ``import mxnet`` failed: Python drops the package but keeps its finished submodules."""
    return "mxnet" not in sys.modules and any(name.startswith("mxnet.") for name in sys.modules)


def _has_distutils() -> bool:
    """Tell whether ``import distutils`` would work; setuptools normally registers its copy when Python starts."""
    return "mxnet" in sys.modules or "distutils" in sys.modules or importlib.util.find_spec("distutils") is not None
