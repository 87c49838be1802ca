"""Where a distribution file of a package can be downloaded, by the package index that pip is set to use.

Nothing is installed and no code of a package is run: the index is only asked for the address of one file.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from urllib.request import url2pathname

import requests
from packaging.utils import canonicalize_name
from pypi_simple import PYPI_SIMPLE_ENDPOINT, NoSuchProjectError, ProjectPage, PyPISimple

from sfhnet.sources.download import redacted
from sfhnet.sources.registry import Archive

__all__ = ["IndexSettings", "find_archive", "pip_settings"]

_KEYS = ("index-url", "extra-index-url", "find-links", "no-index", "cert", "proxy")


@dataclass(frozen=True)
class IndexSettings:
    """What of pip's settings matters for finding and downloading a file."""

    index_urls: tuple[str, ...] = (PYPI_SIMPLE_ENDPOINT,)
    """Addresses of indexes, http, https or file."""
    find_links: tuple[str, ...] = ()
    """Folders or pages with files."""
    cert: str | None = None
    """Bundle of certificates."""
    proxy: str | None = None
    """Proxy for http and https."""

    def session(self) -> requests.Session:
        """Make a session with these certificates and proxy; netrc and the environment count as usual."""
        session = requests.Session()
        if self.cert:
            session.verify = self.cert
        if self.proxy:
            session.proxies = {"http": self.proxy, "https": self.proxy}
        return session


def pip_settings() -> IndexSettings:
    """Read the settings of pip: its files where pip is installed, and its environment variables.

    Raises
    ------
    ValueError
        If pip refuses its own configuration.
    """
    values = _pip_files()
    for key in _KEYS:
        variable = os.environ.get("PIP_" + key.upper().replace("-", "_"))
        if variable is not None:
            values[key] = variable
    if values.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        indexes: list[str] = []
    else:
        first = values.get("index-url") or PYPI_SIMPLE_ENDPOINT
        indexes = [*first.split(), *values.get("extra-index-url", "").split()]
    return IndexSettings(
        index_urls=tuple(indexes),
        find_links=tuple(values.get("find-links", "").split()),
        cert=values.get("cert") or None,
        proxy=values.get("proxy") or None,
    )


def find_archive(archive: Archive, settings: IndexSettings, timeout_s: float = 30.0) -> str:
    """Find the address of a distribution file.

    Parameters
    ----------
    archive : Archive
        Package, version and file name.
    settings : IndexSettings
        From `pip_settings`.
    timeout_s : float
        How long to wait for an index.

    Returns
    -------
    str
        Address (http, https or file), with the credentials of the index if it is on the same host.

    Raises
    ------
    ConnectionError
        If no index has the file; says of each why not.
    """
    problems = []
    for url in (*settings.find_links, *settings.index_urls):
        is_index = url in settings.index_urls
        try:
            links = list(_links(url, archive.package, settings, timeout_s, is_index))
        except (OSError, ValueError) as error:  # requests' errors are OSErrors
            problems.append(f"{redacted(url)}: {_short(error)}")
            continue
        for name, link in links:
            if name == archive.file:
                return _with_credentials(link, url)
        problems.append(f"{redacted(url)}: does not have it")
    looked = "; ".join(problems) or "pip is set to use no index"
    raise ConnectionError(f"{archive.file} was not found ({looked})")


def _links(
    url: str, package: str, settings: IndexSettings, timeout_s: float, is_index: bool
) -> Iterator[tuple[str, str]]:
    """Yield names and addresses of the files that an index or a page or folder of links has for a package."""
    scheme = urlsplit(url).scheme
    if scheme in ("", "file"):
        folder = Path(url2pathname(urlsplit(url).path)) if scheme else Path(url)
        if is_index:
            folder = folder / canonicalize_name(package)
        listing = folder / "index.html" if folder.is_dir() else folder
        if listing.is_file() and listing.suffix == ".html":
            html = listing.read_bytes()
            for link in ProjectPage.from_html(package, html, base_url=listing.resolve().as_uri()).packages:
                yield link.filename, link.url
        elif folder.is_dir():
            for path in sorted(folder.iterdir()):
                yield path.name, path.resolve().as_uri()
        return
    with settings.session() as session:
        if is_index:
            try:
                with PyPISimple(url, session=session) as client:
                    page = client.get_project_page(package, timeout=timeout_s)
            except NoSuchProjectError:
                return
        else:
            response = session.get(url, timeout=timeout_s)
            response.raise_for_status()
            page = ProjectPage.from_html(package, response.content, base_url=response.url)
    for link in page.packages:
        yield link.filename, link.url


def _with_credentials(link: str, index: str) -> str:
    parts, owner = urlsplit(link), urlsplit(index)
    userinfo = owner.netloc.rpartition("@")[0]
    if userinfo and "@" not in parts.netloc and parts.hostname == owner.hostname:
        parts = parts._replace(netloc=f"{userinfo}@{parts.netloc}")
    return urlunsplit(parts._replace(fragment=""))


def _short(error: Exception) -> str:
    reason = error.__cause__ or error.__context__
    text = str(getattr(reason, "reason", None) or reason or error)
    # urllib3 names the object at its start: "<...HTTPSConnection...>: Failed to resolve ...".
    return f"{type(error).__name__}: {text.rpartition('>: ')[2]}"


def _pip_files() -> dict[str, str]:
    command = [sys.executable, "-m", "pip", "config", "list", "--disable-pip-version-check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        if "No module named pip" in done.stderr:
            return {}
        raise ValueError(f"pip does not understand its own configuration: {done.stderr.strip()}")
    values: dict[str, str] = {}
    # Lines are SECTION.KEY='value'; [download] is more special than [global], so it comes last and wins.
    for line in sorted(done.stdout.splitlines(), key=lambda text: not text.startswith("global.")):
        name, _, value = line.partition("=")
        section, _, key = name.strip().partition(".")
        if section in ("global", "download") and key in _KEYS:
            values[key] = str(ast.literal_eval(value))
    return values
