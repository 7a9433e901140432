"""COMPAS: ProPublica's two-year recidivism data, fetched and never shipped."""

from __future__ import annotations

import inspect
import io
import zlib
from typing import TYPE_CHECKING, Any

from mxfair._validation import InputError
from mxfair.datasets import _fetch

if TYPE_CHECKING:
    import pandas as pd

    from mxfair.datasets._bunch import DatasetBunch

COMPAS_URL = "https://raw.githubusercontent.com/propublica/compas-analysis/master/compas-scores-two-years.csv"
_FILE = "compas_two_years.csv.gz"
_PATTERNS = (_FILE, "compas-scores-two-years.csv", "compas*.csv", "compas*.csv.gz")
_ROWS = 7214
_CATEGORICAL = ["sex", "age_cat", "race", "c_charge_degree"]
_FEATURES = [
    "sex",
    "age",
    "age_cat",
    "race",
    "juv_fel_count",
    "juv_misd_count",
    "juv_other_count",
    "priors_count",
    "c_charge_degree",
]
_META = ["c_charge_desc", "days_b_screening_arrest", "decile_score", "score_text", "is_recid"]
_TARGET = "two_year_recid"
_KEPT = [*_FEATURES, *_META, _TARGET]  # the rest, with names, birth dates, case numbers and ids, is never read


def fetch_compas(
    data_home: Any = None, *, propublica_filter: bool = True, url: str = COMPAS_URL, timeout: float = 30.0
) -> DatasetBunch:
    """Fetch ProPublica's COMPAS data: was a defendant arrested again within two years? 6,172 people, sex and race.

    The first call downloads the file, drops what identifies a person and caches the rest; later calls read the cache.

    Parameters
    ----------
    data_home : path, optional
        A folder that holds ``compas*.csv`` or ``compas*.csv.gz`` (or will hold the cached file), or the file itself.
        Default: the environment variable MXFAIR_DATA, else ``~/.cache/mxfair``.
    propublica_filter : bool, default True
        Keep the 6,172 of 7,214 rows of ProPublica's analysis: screened within 30 days of the arrest, recidivism known,
        no ordinary traffic offence, a score present.
    url : str
        Where to download from.
    timeout : float, default 30
        Seconds to wait for the server.

    Returns
    -------
    DatasetBunch
        ``target`` is two_year_recid as published: **1 is the unfavourable outcome**, a new arrest within two years.
        ``groups`` has sex and race. ``data`` has nine features. ``meta`` has the text of the charge, days between
        screening and arrest, COMPAS's own decile_score and score_text, and is_recid (which leaks the target).
        There is no published split. Names, birth dates, case numbers and ids are never returned nor cached.

    Raises
    ------
    InputError
        If the download fails, or what was found is not the expected table. The message says where to put the file.

    Notes
    -----
    Licence: ProPublica states none for the file. It is not shipped with mxfair; the copy stays on your machine.

    Known harms and caveats:

    - Arrest is not crime. The label depends on who is policed and charged, in one county (Broward, Florida, 2013 and
      2014), and is itself unequal across the groups that are compared.
    - ProPublica kept recidivists beyond its two-year window: Barenstein finds a recidivism rate of 45.1 % where 36.2 %
      would be right. Error rates by group change little, predictive values and base rates do.
    - Race is as recorded by the authorities, in six categories, two of them with fewer than 50 people.
    - The rows are real people, whose names are public elsewhere. Do not link them.
    - Bao et al. argue against using the set as a generic benchmark: results on it alone say nothing about justice.
      Nothing trained on it should be used on people.

    References
    ----------
    .. [1] Angwin, J., Larson, J., Mattu, S. and Kirchner, L. (2016). Machine Bias. ProPublica.
    .. [2] Barenstein, M. (2019). ProPublica's COMPAS Data Revisited. arXiv 1906.04711.
    .. [3] Bao, M. et al. (2021). It's COMPASlicated: The Messy Relationship between RAI Datasets and Algorithmic
       Fairness Benchmarks. NeurIPS Datasets and Benchmarks.

    Examples
    --------
    >>> from mxfair.datasets import fetch_compas
    >>> fetch_compas()  # doctest: +SKIP
    DatasetBunch('compas': 6,172 samples, 9 features, binary; groups: sex, race; no published split)
    """
    from mxfair.datasets._bunch import DatasetBunch

    frame = _table(data_home, url, timeout)
    if propublica_filter:
        keep = (
            frame["days_b_screening_arrest"].abs().le(30)
            & frame["is_recid"].ne(-1)
            & frame["c_charge_degree"].ne("O")
            & frame["score_text"].notna()  # written 'N/A' in the file
        )
        frame = frame[keep].reset_index(drop=True)
    frame[_CATEGORICAL] = frame[_CATEGORICAL].astype("category")
    return DatasetBunch(
        name="compas",
        task="binary",
        data=frame[_FEATURES].copy(),
        target=frame[_TARGET].astype("int64"),
        groups=frame[["sex", "race"]].copy(),
        meta=frame[_META].copy(),
        target_names=["no new arrest", "new arrest"],
        positive="arrested again within two years (unfavourable)",
        licence="none stated by ProPublica; fetched, not shipped",
        source=f"ProPublica (2016), {COMPAS_URL}",
        DESCR=inspect.getdoc(fetch_compas) or "",
    )


def _table(data_home: Any, url: str, timeout: float) -> pd.DataFrame:
    """Return the checked columns from the disk or, if they are not there, from the web (kept on disk afterwards)."""
    place = _fetch.location(data_home)
    found = _fetch.find(place, _PATTERNS)
    if found is not None:
        advice = f"Remove that file to have it fetched again, or get it from {url}."
        return _parse(_fetch.read(found), str(found), advice)
    advice = (
        f"Download {url} on a machine that can and put it at {place / 'compas-scores-two-years.csv'}, "
        f"or set {_fetch.VARIABLE} to the file or its folder."
    )
    frame = _parse(_fetch.download(url, what="The COMPAS file", advice=advice, timeout=timeout), url, advice)
    _fetch.write(place / _FILE, frame.to_csv(index=False).encode())
    return frame


def _parse(raw: bytes, origin: str, advice: str) -> pd.DataFrame:
    """Return the columns that are kept, after checking that this is the file that was expected."""
    import pandas as pd

    def refuse(rule: str, got: str) -> InputError:
        return InputError(f"The COMPAS file must {rule}; got {got} from {origin}. {advice}")

    try:
        text = _fetch.unpack(raw)
        is_html = text.lstrip()[:1] == b"<"
        frame = pd.DataFrame() if is_html else pd.read_csv(io.BytesIO(text), usecols=lambda column: column in _KEPT)
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise refuse("be a readable CSV table", f"'{error}'") from error
    if is_html:
        raise refuse("be a CSV table", "an HTML page")
    absent = [column for column in _KEPT if column not in frame]
    if absent:
        raise refuse(f"have the columns {', '.join(absent)}", "a table without them")
    if len(frame) != _ROWS:
        raise refuse(f"hold {_ROWS:,} rows", f"{len(frame):,}")
    if frame[[*_FEATURES, _TARGET]].isna().to_numpy().any():
        raise refuse("have no gaps in the features and the target", "a table with gaps")
    return frame[_KEPT]
