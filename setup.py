"""Package metadata. Tool settings are in pyproject.toml."""

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
VERSION = re.search(r'__version__ = "([^"]+)"', (HERE / "mxfair" / "__init__.py").read_text(encoding="utf-8")).group(1)

PARQUET = ["pyarrow>=10,<25"]  # later ones need NumPy 2
SHAP = ["shap>=0.44,<0.50"]  # later ones need NumPy 2
PYTEST = ["pytest>=7.4", "pytest-xdist>=3.5"]  # xdist: both cores of a small machine
TEST = [*PYTEST, "jsonschema>=4", "nbclient>=0.5.10", "nbformat>=5.1", "ipykernel>=6", "fairlearn>=0.10", *PARQUET]
# The HTML site; pip finds versions for every Python from 3.9 (Sphinx 7.4) to 3.13.
DOCS = [
    "sphinx>=7.2",
    "pydata-sphinx-theme>=0.15",
    "myst-nb>=1.1",
    "numpydoc>=1.7",
    "sphinx-copybutton>=0.5",
    "latex2mathml>=3.77",  # formulas without a script from elsewhere
]

setup(
    name="mxfair",
    version=VERSION,
    description="Measure and mitigate unfairness in models trained with Apache MXNet Gluon",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.9,<3.14",
    packages=find_packages(include=["mxfair", "mxfair.*"]),
    include_package_data=True,
    package_data={"mxfair": ["py.typed", "datasets/files/*", "report/templates/*"]},
    install_requires=[
        "mxnet>=1.9.1,<2",  # the engine
        "numpy>=1.21,<2",  # mxnet 1.9.1 was built for NumPy 1
        "pandas>=1.4,<3",  # data frames in and out; pandas 3 is not tested
        "scikit-learn>=1.3",  # Bunch, AUC, diabetes, preprocessing, estimators with metadata routing
        "scipy>=1.10,<2",  # exact tests of tables; mxnet reads scipy.sparse.csr, which SciPy 2 removes
        "matplotlib>=3.5",  # plots in the report
        "jinja2>=3.0",  # the HTML report
        "rich>=12",  # tables and progress bars in the terminal and in Jupyter
        "click>=8.0",  # the command line
        'setuptools; python_version >= "3.12"',  # mxnet imports distutils, which left the standard library
    ],
    extras_require={
        "parquet": PARQUET,
        "shap": SHAP,
        "test": TEST,
        "dev": [*TEST, "ruff==0.14.5", "mypy>=1.10"],
        "docs": DOCS,
    },
    entry_points={"console_scripts": ["mxfair = mxfair.cli:main"]},
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.9",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
