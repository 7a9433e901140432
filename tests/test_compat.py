"""Importing is light, makes mxnet importable, and says in plain words what is missing."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import mxfair

NUMPY = tuple(int(part) for part in np.__version__.split(".")[:2])


def python(code, *, path=(), check=True):
    """Run code in a fresh interpreter, with folders put before everything else on its path; return the process."""
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join([*map(str, path), *[p for p in sys.path if p]])
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert not check or process.returncode == 0, process.stderr
    return process


def last_line(process):
    """Return the error message that a user reads last."""
    return process.stderr.strip().splitlines()[-1]


def fake_mxnet(folder, **files):
    """Write a package named mxnet with an innocent submodule, and further files; return the folder to put first."""
    package = folder / "mxnet"
    package.mkdir()
    (package / "libinfo.py").write_text("")
    for name, text in {"__init__": "from mxnet import libinfo\nfrom mxnet import base\n", **files}.items():
        (package / f"{name}.py").write_text(textwrap.dedent(text))
    return folder


def test_importing_is_light():
    """``import mxfair`` loads neither the engine nor pandas, scikit-learn, SciPy or matplotlib."""
    heavy = ("mxnet", "pandas", "sklearn", "scipy", "matplotlib", "rich", "click", "jinja2")
    process = python(f"import sys, mxfair; print([name for name in {heavy} if name in sys.modules])")
    assert process.stdout.strip() == "[]"


def test_importing_takes_less_than_a_second():
    """The package adds little to the import of NumPy."""
    code = "import time; s = time.process_time(); import mxfair; print(time.process_time() - s)"
    assert min(float(python(code).stdout) for _ in range(2)) < 1.0


def test_every_public_name_loads_on_first_use():
    """All names in __all__ are reached through the package, and dir() lists them."""
    pytest.importorskip("mxnet")
    assert all(getattr(mxfair, name) is not None for name in mxfair.__all__)
    assert set(mxfair.__all__) <= set(dir(mxfair))


def test_a_wildcard_import_brings_every_public_name():
    """``from mxfair import *`` works."""
    pytest.importorskip("mxnet")
    space: dict = {}
    exec("from mxfair import *", space)
    assert set(mxfair.__all__) <= set(space)


def test_an_unknown_name_is_an_attribute_error():
    """The lazy package says which name it does not have."""
    process = python("import mxfair; mxfair.no_such_thing", check=False)
    assert last_line(process) == "AttributeError: module 'mxfair' has no attribute 'no_such_thing'"


def test_mxnet_imports_after_mxfair():
    """After mxfair mxnet works, also where it reads numpy.bool at run time."""
    pytest.importorskip("mxnet")
    process = python("import mxfair, mxnet; print(mxnet.np.array([True], dtype=bool).asnumpy().tolist())")
    assert process.stdout.strip() == "[True]"


@pytest.mark.skipif(NUMPY >= (1, 24) or sys.version_info >= (3, 12), reason="mxnet alone does not import here")
def test_mxnet_before_mxfair_is_fine_where_mxnet_works_alone():
    """Nothing is repaired that is not broken."""
    python("import mxnet, mxfair.data")


@pytest.mark.skipif(NUMPY < (1, 24), reason="mxnet alone imports here")
def test_mxnet_before_mxfair_is_explained():
    """A failed ``import mxnet`` leaves parts behind; mxfair then says to restart and import it first."""
    pytest.importorskip("mxnet")
    process = python(
        """
        try:
            import mxnet
        except AttributeError:
            pass
        import mxfair
        """,
        check=False,
    )
    assert last_line(process) == (
        "ImportError: 'import mxnet' failed before mxfair could prepare it, and left parts of it behind. "
        "Restart Python and import mxfair first: it repairs what mxnet 1.9.1 misses."
    )


def test_numpy_2_is_explained():
    """NumPy 2 is refused at import, with the command that installs another."""
    process = python("import numpy; numpy.__version__ = '2.1.3'; import mxfair", check=False)
    assert last_line(process) == (
        "ImportError: mxfair needs NumPy 1.21 to 1.26, since mxnet 1.9.1 cannot run on NumPy 2; got NumPy 2.1.3. "
        'Install an older one: pip install "numpy<2".'
    )


@pytest.mark.parametrize(
    ("version", "alias"), [("1.21.6", False), ("1.23.5", False), ("1.24.0", True), ("1.26.4", True)]
)
def test_the_alias_is_added_only_where_numpy_lacks_it(version, alias):
    """numpy.bool is set for NumPy 1.24 to 1.26; older versions have a name of their own."""
    process = python(f"""
        import numpy
        vars(numpy).pop("bool", None)
        numpy.__version__ = "{version}"
        import mxfair
        print(vars(numpy).get("bool") is numpy.bool_)
    """)
    assert process.stdout.strip() == str(alias)


def test_an_alias_that_exists_is_left_alone():
    """Another library's numpy.bool stays."""
    process = python("import numpy; numpy.bool = int; import mxfair; print(numpy.bool)")
    assert process.stdout.strip() == "<class 'int'>"


def test_a_missing_mxnet_is_explained():
    """Without mxnet, what needs it says so, and auditing still works."""
    process = python(
        """
        import sys

        class NoEngine:
            @staticmethod
            def find_spec(name, path=None, target=None):
                if name == "mxnet":
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        sys.meta_path.insert(0, NoEngine)
        import mxfair
        print(mxfair.Groups(["a"]))
        import mxfair.data
        """,
        check=False,
    )
    assert process.stdout.strip() == "Groups(group: a 1)"
    assert last_line(process) == (
        'ImportError: mxfair trains with mxnet 1.9.1, which is not installed. Install it: pip install "mxnet==1.9.1".'
    )


def test_a_module_that_mxnet_itself_misses_keeps_its_own_error(tmp_path):
    """Only a missing mxnet is reported as such."""
    folder = fake_mxnet(tmp_path, base="import no_such_dependency")
    process = python("import mxfair.data", path=[folder], check=False)
    assert last_line(process) == "ModuleNotFoundError: No module named 'no_such_dependency'"


def test_a_missing_libgomp_is_explained_each_time(tmp_path):
    """Without libgomp the message names the system's package, at the second try (in a notebook, say) too."""
    folder = fake_mxnet(
        tmp_path,
        base="""
        raise OSError("libgomp.so.1: cannot open shared object file: No such file or directory")
    """,
    )
    process = python(
        """
        from mxfair._compat import import_mxnet
        for _ in range(2):
            try:
                import_mxnet()
            except ImportError as error:
                print(error)
        """,
        path=[folder],
    )
    assert (
        process.stdout.splitlines()
        == [
            "mxnet cannot start without the OpenMP library libgomp.so.1. "
            "Install it: apt-get install libgomp1 (Debian, Ubuntu) or dnf install libgomp (Fedora)."
        ]
        * 2
    )


def test_another_missing_library_keeps_its_own_error(tmp_path):
    """An OSError that has nothing to do with libgomp is not explained away."""
    folder = fake_mxnet(tmp_path, base='raise OSError("libmxnet.so: invalid ELF header")')
    process = python("import mxfair.data", path=[folder], check=False)
    assert last_line(process) == "OSError: libmxnet.so: invalid ELF header"


def test_a_missing_distutils_is_explained(tmp_path):
    """Without distutils and setuptools, importing mxfair works and what needs mxnet names setuptools."""
    folder = fake_mxnet(tmp_path, base="import distutils")
    process = python(
        """
        import importlib.util, sys
        find_spec = importlib.util.find_spec
        importlib.util.find_spec = lambda name, *rest: None if name == "distutils" else find_spec(name, *rest)
        sys.modules["setuptools"] = None
        sys.modules.pop("distutils", None)
        import mxfair
        print(mxfair.Groups(["a"]))
        import mxfair.data
        """,
        path=[folder],
        check=False,
    )
    assert process.stdout.strip() == "Groups(group: a 1)"
    assert last_line(process) == (
        "ImportError: mxnet 1.9.1 imports distutils, which Python 3.12 removed, and setuptools, which brings it back, "
        "is missing. Install it: pip install setuptools."
    )


@pytest.mark.skipif(sys.version_info < (3, 12), reason="distutils is in the standard library")
def test_setuptools_brings_distutils_back():
    """On Python 3.12 and later ``import distutils`` works after mxfair."""
    python("import mxfair, distutils.version")


def test_a_spawned_worker_needs_mxfair_only(tmp_path):
    """A worker process that imports mxfair first can import mxnet: every new interpreter is repaired."""
    pytest.importorskip("mxnet")
    script = tmp_path / "worker.py"
    script.write_text(
        textwrap.dedent("""
        import multiprocessing
        import mxfair

        def work(value):
            import mxnet

            return float(mxnet.nd.array([value]).sum().asscalar())

        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.map(work, [1, 2]))
        """)
    )
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p))
    out = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)], capture_output=True, text=True, check=False, env=environment
    )
    assert out.stdout.strip() == "[1.0, 2.0]", out.stderr
