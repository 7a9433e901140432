"""COMPAS: what is kept, what is refused, what happens without a network. No test leaves this machine."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import io
import pathlib
import socket
import threading
import urllib.request

import numpy as np
import pandas as pd
import pytest

from mxfair._validation import InputError
from mxfair.datasets import compas, fetch_compas

PERSONAL = ["name", "first", "last", "dob", "c_case_number", "r_case_number", "vr_case_number", "id"]


@pytest.fixture(scope="session")
def published() -> bytes:
    """Return a file of the published form, identifying columns included; the people are invented."""
    random = np.random.default_rng(0)
    n = 7214
    frame = pd.DataFrame(
        {
            "id": np.arange(n),
            "name": [f"zelda invented{i}" for i in range(n)],
            "first": "zelda",
            "last": [f"invented{i}" for i in range(n)],
            "dob": "1947-04-18",
            "sex": random.choice(["Male", "Female"], n),
            "age": random.integers(18, 80, n),
            "age_cat": "25 - 45",
            "race": random.choice(["African-American", "Caucasian"], n),
            "juv_fel_count": 0,
            "decile_score": 3,
            "juv_misd_count": 0,
            "juv_other_count": 0,
            "priors_count": random.integers(0, 9, n),
            "days_b_screening_arrest": np.where(np.arange(n) < 300, np.nan, -1),
            "c_case_number": "13011352CF10A",
            "c_charge_degree": random.choice(["F", "M"], n),
            "c_charge_desc": "Battery",
            "is_recid": np.where(np.arange(n) % 100 == 99, -1, 1),
            "r_case_number": "13011352CF10B",
            "vr_case_number": "13011352CF10C",
            "score_text": "Low",
            "two_year_recid": random.integers(0, 2, n),
        }
    )
    return frame.to_csv(index=False).encode()


@pytest.fixture(scope="session")
def serve():
    """Return a context: a server on this machine that answers every request alike, giving its address."""

    @contextlib.contextmanager
    def start(body: bytes, *, status: int = 200, length: int | None = None):
        class Handler(http.server.BaseHTTPRequestHandler):
            requests = 0

            def do_GET(self):
                type(self).requests += 1
                self.send_response(status)
                self.send_header("Content-Length", str(len(body) if length is None else length))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/compas.csv", Handler
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    return start


@pytest.fixture
def no_network(monkeypatch):
    """Make any use of the network an error."""

    def refuse(*arguments, **options):
        raise AssertionError("the network was used")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def text_of(folder: pathlib.Path) -> str:
    """Return the cached table as text."""
    return gzip.decompress((folder / "compas_two_years.csv.gz").read_bytes()).decode()


def test_download_gives_the_table(serve, published, tmp_path):
    """A good answer becomes a data set."""
    with serve(published) as (url, _):
        bunch = fetch_compas(tmp_path, url=url, propublica_filter=False)
    assert repr(bunch).startswith("DatasetBunch('compas': 7,214 samples, 9 features, binary; groups: sex, race")


def test_second_call_reads_the_cache(serve, published, tmp_path):
    """The file is fetched once, and the cached copy gives the same data."""
    with serve(published) as (url, handler):
        first, second = fetch_compas(tmp_path, url=url), fetch_compas(tmp_path, url=url)
    assert handler.requests == 1
    pd.testing.assert_frame_equal(first.data, second.data)
    pd.testing.assert_frame_equal(first.meta, second.meta)


def test_no_identity_is_returned(serve, published, tmp_path):
    """Names, birth dates, case numbers and ids are in no part of the data set."""
    with serve(published) as (url, _):
        bunch = fetch_compas(tmp_path, url=url)
    columns = {*bunch.data, *bunch.meta, *bunch.groups}
    assert not columns & set(PERSONAL)


def test_no_identity_is_cached(serve, published, tmp_path):
    """The cached file holds no name, birth date, case number or id, in its header or its rows."""
    with serve(published) as (url, _):
        fetch_compas(tmp_path, url=url)
    text = text_of(tmp_path)
    assert not set(text.split("\n", 1)[0].split(",")) & set(PERSONAL)
    assert not any(word in text for word in ("zelda", "invented", "1947", "13011352"))


def test_no_partial_file_remains(serve, published, tmp_path):
    """After the download, the cache holds the finished file only."""
    with serve(published) as (url, _):
        fetch_compas(tmp_path / "new" / "folder", url=url)
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["compas_two_years.csv.gz"]


def test_failed_write_leaves_nothing(serve, published, tmp_path, monkeypatch):
    """If the write is interrupted, neither a part nor a broken file remains, and the message names the folder."""

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    expected = r"'data_home' must be a folder that can be written; .*No space left"
    with serve(published) as (url, _), pytest.raises(InputError, match=expected):
        fetch_compas(tmp_path, url=url)
    assert list(tmp_path.iterdir()) == []


def test_default_cache_is_in_the_home_folder(serve, published, monkeypatch):
    """Without any setting the file goes to ~/.cache/mxfair."""
    with serve(published) as (url, _):
        fetch_compas(url=url)
    assert (pathlib.Path("~").expanduser() / ".cache" / "mxfair" / "compas_two_years.csv.gz").is_file()


def test_variable_names_the_folder(published, tmp_path, monkeypatch, no_network):
    """MXFAIR_DATA is read where no data_home is given."""
    (tmp_path / "compas-scores-two-years.csv").write_bytes(published)
    monkeypatch.setenv("MXFAIR_DATA", str(tmp_path))
    assert len(fetch_compas(propublica_filter=False).data) == 7214


@pytest.mark.parametrize("name", ["compas-scores-two-years.csv", "compas_mine.csv.gz"])
def test_file_in_a_folder_is_found(published, tmp_path, name, no_network):
    """A file that the user put into the folder is read, compressed or not, without a download."""
    (tmp_path / name).write_bytes(gzip.compress(published) if name.endswith("gz") else published)
    bunch = fetch_compas(tmp_path, propublica_filter=False)
    assert len(bunch.data) == 7214
    assert not set(bunch.meta) & set(PERSONAL)


def test_file_itself_is_read(published, tmp_path, no_network):
    """data_home may be the file."""
    path = tmp_path / "mine.csv"
    path.write_bytes(published)
    assert len(fetch_compas(str(path), propublica_filter=False).data) == 7214


def test_missing_file_is_an_error(tmp_path, no_network):
    """A path to a file that is not there is a mistake, not a folder to download to."""
    with pytest.raises(InputError, match=r"'data_home' must name a folder or an existing file; got .*mine\.csv"):
        fetch_compas(tmp_path / "mine.csv")


def test_missing_file_of_the_variable_is_an_error(tmp_path, monkeypatch, no_network):
    """The message names the variable where the mistake is in the variable."""
    monkeypatch.setenv("MXFAIR_DATA", str(tmp_path / "mine.csv.gz"))
    with pytest.raises(InputError, match="The variable MXFAIR_DATA must name"):
        fetch_compas()


def test_html_page_is_refused(serve, tmp_path):
    """A login or error page is recognised and not cached."""
    with serve(b"\n<!DOCTYPE html><html>Sign in</html>") as (url, _), pytest.raises(InputError, match="an HTML page"):
        fetch_compas(tmp_path, url=url)
    assert list(tmp_path.iterdir()) == []


def test_truncated_answer_is_refused(serve, published, tmp_path):
    """An answer shorter than announced is refused and not cached."""
    cut = serve(published[:5000], length=len(published))
    with cut as (url, _), pytest.raises(InputError, match="IncompleteRead"):
        fetch_compas(tmp_path, url=url)
    assert list(tmp_path.iterdir()) == []


def test_shorter_table_is_refused(serve, published, tmp_path):
    """A table with fewer rows than published is refused."""
    shorter = published[: published.index(b"\n", 500_000) + 1]
    with serve(shorter) as (url, _), pytest.raises(InputError, match=r"must hold 7,214 rows; got \d,\d\d\d from http"):
        fetch_compas(tmp_path, url=url)


def test_last_row_cut_is_refused(serve, published, tmp_path):
    """A file that ends within its last row is refused, though it has all rows."""
    with serve(published[:-12]) as (url, _), pytest.raises(InputError, match="must have no gaps"):
        fetch_compas(tmp_path, url=url)


def test_other_table_is_refused(serve, tmp_path):
    """A CSV file of something else is refused with the columns it lacks."""
    other = serve(b"a,b\n1,2\n")
    with other as (url, _), pytest.raises(InputError, match=r"must have the columns sex, age, .*two_year"):
        fetch_compas(tmp_path, url=url)


@pytest.mark.parametrize("body", [b"", b"\xff\xfe\x00\x01", b"\x1f\x8bnot gzip", b'sex,age\n"1,2\n'])
def test_unreadable_answer_is_refused(serve, tmp_path, body):
    """Bytes that are no CSV table are refused, whatever they are."""
    with serve(body) as (url, _), pytest.raises(InputError, match="The COMPAS file must"):
        fetch_compas(tmp_path, url=url)


def test_404_says_what_to_do(serve, tmp_path):
    """A refusal of the server gives the address, the reason, and where to put the file."""
    with serve(b"gone", status=404) as (url, _), pytest.raises(InputError) as caught:
        fetch_compas(tmp_path, url=url)
    message = str(caught.value)
    assert f"must be downloaded from {url}; got 'HTTP Error 404" in message
    assert str(tmp_path / "compas-scores-two-years.csv") in message
    assert "MXFAIR_DATA" in message


def test_offline_says_what_to_do(tmp_path):
    """Without a network the message has the address and where to put the file."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(InputError, match=rf"from http://127\.0\.0\.1:{port}/x; got .*Download .* put it at"):
        fetch_compas(tmp_path, url=f"http://127.0.0.1:{port}/x")


def test_default_address_and_timeout(tmp_path, monkeypatch):
    """ProPublica's repository is asked, with a time limit, and running out of time is an InputError."""
    asked = []

    def slow(url, timeout):
        asked.append((url, timeout))
        raise socket.timeout("timed out")

    monkeypatch.setattr(urllib.request, "urlopen", slow)
    with pytest.raises(InputError, match="got 'timed out'"):
        fetch_compas(tmp_path)
    assert asked == [(compas.COMPAS_URL, 30.0)]


def test_bad_address_is_an_input_error(tmp_path):
    """An address that is none is refused in our words."""
    with pytest.raises(InputError, match="must be downloaded from nowhere"):
        fetch_compas(tmp_path, url="nowhere")


def test_damaged_cache_says_remove(published, tmp_path, no_network):
    """A cut file in the cache is refused with its path and the advice to remove it."""
    path = tmp_path / "compas_two_years.csv.gz"
    path.write_bytes(gzip.compress(published)[:2000])
    with pytest.raises(InputError, match=r"compas_two_years\.csv\.gz\. Remove that file"):
        fetch_compas(tmp_path)


def test_filter_keeps_the_right_rows(published, tmp_path, no_network):
    """Rows without a screening date, or with unknown recidivism, go; the index starts at zero."""
    (tmp_path / "compas.csv").write_bytes(published)
    bunch = fetch_compas(tmp_path)
    raw = pd.read_csv(io.BytesIO(published))
    kept = raw[raw["days_b_screening_arrest"].abs().le(30) & raw["is_recid"].ne(-1)]
    assert bunch.data["priors_count"].tolist() == kept["priors_count"].tolist()
    assert bunch.data.index.equals(pd.RangeIndex(len(kept)))


def test_leaks_are_no_features(published, tmp_path, no_network):
    """COMPAS's own score and what follows from the outcome are meta, not features."""
    (tmp_path / "compas.csv").write_bytes(published)
    bunch = fetch_compas(tmp_path)
    assert not {"decile_score", "score_text", "is_recid", "two_year_recid", "c_charge_desc"} & set(bunch.data)
    assert {"decile_score", "score_text", "is_recid"} <= set(bunch.meta)


@pytest.fixture(scope="module")
def real(shared_data):
    """Return the real data, where they are at hand."""
    return fetch_compas(shared_data("compas"))


def test_propublica_rows(real):
    """ProPublica's filter keeps 6,172 people, 2,809 of them arrested again."""
    assert len(real.data) == 6172
    assert int(real.target.sum()) == 2809


def test_real_groups(real):
    """Sex and race have the published counts."""
    assert real.groups["sex"].value_counts().to_dict() == {"Male": 4997, "Female": 1175}
    assert int(real.groups["race"].isin(["African-American", "Caucasian"]).sum()) == 5278


def test_real_rows_without_the_filter(shared_data):
    """All 7,214 rows come back on request, 45.1 % of them arrested again."""
    bunch = fetch_compas(shared_data("compas"), propublica_filter=False)
    assert len(bunch.data) == 7214
    assert bunch.target.mean() == pytest.approx(0.451, abs=5e-4)


def test_real_file_passes_through_a_download(shared_data, serve, tmp_path):
    """The prepared file, served and cached, gives the same data as read from its folder."""
    source = shared_data("compas")
    raw = gzip.decompress(next(source.glob("compas*.gz")).read_bytes())
    with serve(raw) as (url, _):
        fetched = fetch_compas(tmp_path, url=url)
    pd.testing.assert_frame_equal(fetched.data, fetch_compas(source).data)
