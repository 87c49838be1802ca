"""Public archives: catalogues, downloads that break off, and closed networks, on a server of the loopback."""

import hashlib
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import unquote

import numpy as np
import pytest
from astropy.io import fits

from galaxy_files import map_header
from sfhnet.sources import download as module
from sfhnet.sources.checksums import check_recorded, checksum_path, verify
from sfhnet.sources.download import DownloadError, download

BODY = b"SIMPLE  =                    T" + bytes(range(256)) * 20000


class Archive:
    """Files with sizes and tags; it may cut a connection after so many bytes, refuse ranges, or drip."""

    def __init__(self):
        self.files, self.ranges, self.cut_after, self.resumes, self.delay_s = {}, [], None, True, 0.0
        self.posts = {}
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self):
                self.send_response(200)
                self.end_headers()

            def do_POST(self):
                text = unquote(self.rfile.read(int(self.headers["Content-Length"])).decode())
                answer = next(a for start, a in outer.posts.items() if self.path.startswith(start))
                body, kind = answer(text)
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                name = unquote(self.path)
                if name not in outer.files:
                    self.send_error(404)
                    return
                body, kind = outer.files[name]
                tag = f'"{hashlib.sha256(body).hexdigest()[:12]}"'
                wanted = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
                start = 0
                if wanted and outer.resumes and self.headers.get("If-Range", tag) == tag:
                    start = int(wanted[1])
                outer.ranges.append(start)
                self.send_response(206 if start else 200)
                self.send_header("Content-Type", kind)
                self.send_header("ETag", tag)
                self.send_header("Content-Length", str(len(body) - start))
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
                self.end_headers()
                end = len(body) if outer.cut_after is None else start + outer.cut_after
                try:
                    for at in range(start, min(end, len(body)), 1 << 16):
                        self.wfile.write(body[at : min(at + (1 << 16), end)])
                        self.wfile.flush()
                        time.sleep(outer.delay_s)
                except (BrokenPipeError, ConnectionResetError):
                    return

            def log_message(self, *_):
                return

        self._httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._httpd.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._httpd.server_port}"
        self._thread = threading.Thread(target=self._httpd.serve_forever, daemon=True)
        self._thread.start()

    def put(self, name, body, kind="application/fits"):
        self.files[name] = body, kind
        return self.url + name

    def close(self):
        self._httpd.shutdown()
        self._httpd.server_close()
        self._thread.join()


@pytest.fixture
def archive():
    running = Archive()
    yield running
    running.close()


def left(folder):
    return sorted(p.name for p in folder.iterdir() if p.suffix != ".lock")


def test_a_download_and_its_checksum(archive, tmp_path):
    path = download(archive.put("/c.fits", BODY), tmp_path / "c.fits", len(BODY))
    assert path.read_bytes() == BODY
    assert left(tmp_path) == ["c.fits", "c.fits.sha256"]
    # As sha256sum writes and checks it.
    assert checksum_path(path).read_text() == f"{hashlib.sha256(BODY).hexdigest()}  c.fits\n"
    assert verify(path) is None
    check_recorded(path)
    path.write_bytes(BODY[:-1] + b"!")
    assert "was recorded when it arrived: it is damaged or was changed" in verify(path)
    with pytest.raises(ValueError, match="Delete it and fetch it again"):
        check_recorded(path)
    download(archive.url + "/c.fits", path)
    assert archive.ranges == [0], "a file that is there is not fetched again"


def test_connections_that_break_are_taken_up_again(archive, tmp_path):
    archive.cut_after = 2_000_000
    path = download(archive.put("/c.fits", BODY), tmp_path / "c.fits")
    assert path.read_bytes() == BODY
    assert len(archive.ranges) == 3
    assert archive.ranges[1] > 0 and archive.ranges[2] > archive.ranges[1]


def test_a_killed_download_goes_on(archive, tmp_path):
    archive.delay_s = 0.05
    url = archive.put("/c.fits", BODY)
    code = f"from sfhnet.sources.download import download; download({url!r}, {str(tmp_path / 'c.fits')!r})"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    part = tmp_path / ".c.fits.part"
    stop = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 1_000_000) and time.monotonic() < stop:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "c.fits").exists()
    arrived = part.stat().st_size
    assert arrived > 0
    archive.delay_s = 0.0
    assert download(url, tmp_path / "c.fits").read_bytes() == BODY
    assert archive.ranges == [0, arrived]


@pytest.mark.parametrize("how", ["no ranges", "another file"])
def test_a_part_that_cannot_be_continued_is_begun_anew(archive, tmp_path, how):
    archive.cut_after = 1_000_000
    url = archive.put("/c.fits", BODY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_RETRIES", 1)
        patch.setattr(archive, "resumes", False)
        patch.setattr(module, "_WAIT_S", 0.0)
        with pytest.raises(DownloadError, match=r"\d+ of \d+ bytes arrived|connection broken|Incomplete"):
            download(url, tmp_path / "c.fits")
    archive.cut_after = None
    body = BODY[::-1]
    body = BODY[:40] + body if how == "another file" else BODY
    archive.put("/c.fits", body)
    archive.resumes = how == "another file"
    assert download(url, tmp_path / "c.fits").read_bytes() == body
    assert archive.ranges[-1] == 0


@pytest.mark.parametrize(
    ("name", "body", "size", "words"),
    [
        ("/none.fits", None, None, "answers 404"),
        ("/c.fits", b"<html>please log in</html>", None, "gives no FITS file but b'<html>please log in"),
        ("/c.fits", BODY, 7, rf"offers {len(BODY)} bytes, the archive's catalogue says 7"),
    ],
)
def test_what_is_no_such_file(archive, tmp_path, name, body, size, words):
    if body is not None:
        archive.put(name, body)
    with pytest.raises(DownloadError, match=words):
        download(archive.url + name, tmp_path / "c.fits", size)
    assert "c.fits" not in left(tmp_path)


def test_a_full_disk_is_seen_before(archive, tmp_path, monkeypatch):
    free = os.statvfs(tmp_path)
    monkeypatch.setattr(
        module.os, "statvfs", lambda _: os.statvfs_result((*free[:4], 1, *free[5:10])), raising=True
    )
    with pytest.raises(DownloadError, match=r"0\.0 GB are still to come, .* free; make room"):
        download(archive.put("/c.fits", BODY), tmp_path / "c.fits")


def votable(names, rows, kind="results"):
    fields = "".join(
        f'<FIELD name="{n}" datatype="{"long" if n == "content_length" else "char"}"'
        + ("/>" if n == "content_length" else ' arraysize="*"/>')
        for n in names
    )
    cells = "".join("<TR>" + "".join(f"<TD>{c}</TD>" for c in row) + "</TR>" for row in rows)
    return (
        '<?xml version="1.0"?><VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
        f'<RESOURCE type="{kind}"><INFO name="QUERY_STATUS" value="OK"/>'
        f"<TABLE>{fields}<DATA><TABLEDATA>{cells}</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
    ).encode()


CUBE, MAPS = "NGC7496_PHANGS_DATACUBE_copt_0.89asec.fits", "NGC7496_MAPS_copt_0.89asec.fits"
IMAGE = "hlsp_phangs-hst_hst_wfc3-uvis_ngc7496_f555w_v1_exp-drc-sci.fits"
WEIGHTS = IMAGE.replace("exp-drc-sci", "err-drc-wht")


def real_fits(value):
    from io import BytesIO

    out = BytesIO()
    fits.PrimaryHDU(np.full((9, 9), value, dtype=np.float32), map_header(9).to_header()).writeto(out)
    return out.getvalue()


@pytest.fixture
def archives(archive, monkeypatch):
    """ESO's ObsTAP and DataLink and MAST's portal, as the real pyvo and astroquery ask them."""
    pytest.importorskip("pyvo")
    portal = pytest.importorskip("astroquery.mast.discovery_portal")
    mast = pytest.importorskip("astroquery.mast")
    bodies = {name: real_fits(i) for i, name in enumerate((CUBE, MAPS, IMAGE, WEIGHTS))}
    for name in (CUBE, MAPS):
        archive.put(f"/file/{name}", bodies[name])
    link = votable(
        ["ID", "access_url", "semantics", "content_length", "eso_origfile", "eso_category"],
        [
            ["i", archive.url + f"/file/{CUBE}", "#this", len(bodies[CUBE]), CUBE, "SCIENCE.CUBE.IFS"],
            ["i", archive.url + f"/file/{MAPS}", "#auxiliary", len(bodies[MAPS]), MAPS, "ANCILLARY.MAPS"],
            ["i", archive.url + "/preview", "#preview", "", "", ""],
        ],
    )
    archive.put("/links", link, "application/x-votable+xml;content=datalink")
    asked = []

    def tap(text):
        asked.append(text)
        rows = [["ADP.1", archive.url + "/links", f"ivo://eso.org/origfile?{CUBE}"]]
        return votable(["dp_id", "access_url", "obs_creator_did"], rows if "NGC7496_" in text else []), (
            "application/x-votable+xml"
        )

    columns = {
        name: {"text": name, "vot.datatype": "string", "type": "string"}
        for name in ("obs_collection", "provenance_name", "target_name")
    }

    def invoke(text):
        request = json.loads(re.search(r"request=(\{.*\})", text, flags=re.DOTALL)[1])
        asked.append(request)
        if request["service"] == "Mast.Caom.Products":
            data = [
                {"productFilename": n, "dataURI": f"mast:HLSP/{n}", "size": len(bodies[n])}
                for n in (IMAGE, WEIGHTS)
            ]
        else:
            data = [
                {"obsid": "42", "obs_id": "hlsp", "target_name": "ngc7496", "provenance_name": "PHANGS-HST"}
            ]
        kinds = {str: "string", int: "int"}
        fields = [{"name": k, "type": kinds[type(v)]} for k, v in data[0].items()]
        answer = {
            "status": "COMPLETE",
            "data": data,
            "fields": fields,
            "paging": {"page": 1, "pagesFiltered": 1},
        }
        return json.dumps(answer).encode(), "application/json"

    for name in (IMAGE, WEIGHTS):
        archive.put(f"/api/v0.1/Download/file?uri=mast:HLSP/{name}", bodies[name])
    archive.posts = {
        "/tap/sync": tap,
        "/portal": lambda _: (json.dumps(columns).encode(), "application/json"),
        "/api/v0/invoke": invoke,
    }
    monkeypatch.setattr(mast.conf, "server", archive.url)
    monkeypatch.setattr(portal.PortalAPI, "MAST_REQUEST_URL", archive.url + "/api/v0/invoke")
    monkeypatch.setattr(portal.PortalAPI, "COLUMNS_CONFIG_URL", archive.url + "/portal/columns")
    monkeypatch.setattr(mast.Observations._portal_api_connection, "_column_configs", {})
    archive.bodies, archive.asked = bodies, asked
    return archive


def sheet(folder, **cells):
    from sfhnet.sources.sample_sheet import load_sheet

    row = {
        "galaxy": "NGC7496", "kind": "cube", "source": "phangs", "path": CUBE, "maps": MAPS, "redshift": "0.0055",
        "distance_mpc": "18.7", "psf_fwhm_arcsec": "0.9", "ra_deg": "347.0", "dec_deg": "-43.4", "F555W": IMAGE, **cells,
    }  # fmt: skip
    path = folder / "s.tsv"
    path.write_text("\t".join(row) + "\n" + "\t".join(row.values()) + "\n")
    return load_sheet(path, ("F555W",), data_dir=folder / "files")


def test_files_of_a_galaxy_come_from_both_archives(archives, tmp_path):
    from sfhnet.sources.phangs import PhangsFetcher
    from sfhnet.sources.wanted_files import wanted_files

    rows = sheet(tmp_path)
    files = wanted_files(rows["NGC7496"])
    assert {(f.what, f.archive) for f in files} == {
        ("path", "ESO"), ("maps", "ESO"), ("F555W", "MAST"), ("F555W weights", "MAST"),
    }  # fmt: skip
    fetcher = PhangsFetcher(rows, archives.url + "/tap")
    for file in files:
        assert fetcher.find(file).n_bytes == len(archives.bodies[file.path.name])
        assert fetcher.fetch(file).read_bytes() == archives.bodies[file.path.name]
        assert file.path.parent == tmp_path / "files"
        assert verify(file.path) is None
    queries = [q for q in archives.asked if isinstance(q, str)]
    assert len(queries) == 1 and "obs_collection" in queries[0] and "NGC7496_" in queries[0]
    assert any(q["service"] == "Mast.Caom.Filtered.Position" for q in archives.asked if isinstance(q, dict))


def test_a_name_that_the_archive_does_not_have(archives, tmp_path):
    from sfhnet.sources.archive_catalogue import ArchiveError
    from sfhnet.sources.phangs import PhangsFetcher
    from sfhnet.sources.wanted_files import wanted_files

    rows = sheet(tmp_path, path=CUBE.replace("0.89", "0.77"))
    cube = next(f for f in wanted_files(rows["NGC7496"]) if f.what == "path")
    with pytest.raises(
        ArchiveError, match=rf"NGC7496: ESO has no .*0\.77asec\.fits; its nearest is {CUBE}.*column path"
    ):
        PhangsFetcher(rows, archives.url + "/tap").fetch(cube)


def test_a_closed_network_fails_at_once_and_says_what_to_do(tmp_path):
    from sfhnet.sources.archive_catalogue import ArchiveError
    from sfhnet.sources.phangs import PhangsFetcher
    from sfhnet.sources.wanted_files import wanted_files

    pytest.importorskip("pyvo")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}/tap"
    rows = sheet(tmp_path)
    cube = wanted_files(rows["NGC7496"])
    cube = next(f for f in cube if f.what == "path")
    started = time.monotonic()
    with pytest.raises(ArchiveError) as caught:
        PhangsFetcher(rows, closed).fetch(cube)
    assert time.monotonic() - started < 20
    for words in (
        "cannot be reached",
        "archive.eso.org/scienceportal",
        CUBE,
        MAPS,
        str(tmp_path / "files"),
        "data_dir",
    ):
        assert words in str(caught.value)
    assert IMAGE not in str(caught.value), "what the other archive has is not its matter"


def test_files_that_are_there_already_are_not_asked_for(tmp_path):
    """A folder of one's own: no archive, no recorded checksum, nothing to fetch."""
    from sfhnet.sources.phangs import PhangsFetcher
    from sfhnet.sources.wanted_files import wanted_files

    rows = sheet(tmp_path)
    (tmp_path / "files").mkdir()
    for file in wanted_files(rows["NGC7496"]):
        file.path.write_bytes(b"mine")
        assert PhangsFetcher(rows, "http://127.0.0.1:9/tap").fetch(file) == file.path
        check_recorded(file.path)
        assert verify(file.path) is None
