"""Hooks of mkdocs: pages that lie outside docs/, and the reference of both packages, a page a room."""

from __future__ import annotations

import ast
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]

# Page of the checkout -> its place in the site.
OUTSIDE = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "data/README.md": "data.md",
    "data/models/flow/model_card.md": "model-card.md",
}
# Scripts in cells -> the pages made of them.
NOTEBOOKS = {
    f"docs/notebooks/{path.name}": f"notebooks/{path.stem}.md"
    for path in sorted((ROOT / "docs" / "notebooks").glob("*.py"))
}
PACKAGES = ("pyprospect", "sfhnet")

_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#:]+)(#[^)\s]+)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the generated reference into the navigation."""
    assert config.nav is not None
    reference = next(group["Reference"] for group in config.nav if "Reference" in group)
    for package in PACKAGES:
        pages = [{name: place(module)} for name, module in rooms(package)]
        reference.append({f"{package} (Python)": pages})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    for source, target in OUTSIDE.items():
        files.append(File.generated(config, target, abs_src_path=str(ROOT / source)))
    for source, target in NOTEBOOKS.items():
        files.append(File.generated(config, target, content=notebook(source)))
    for package in PACKAGES:
        for name, module in rooms(package):
            files.append(File.generated(config, place(module), content=reference(name, module)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Turn links between docs/ and the rest of the checkout into links of the site."""
    here = page.file.src_uri
    source = {target: source for source, target in OUTSIDE.items()}.get(here, f"docs/{here}")
    if here.startswith("api/"):
        return markdown

    def turned(match: re.Match[str]) -> str:
        picture, text, target, anchor = match[1], match[2], match[3], match[4] or ""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if path in NOTEBOOKS:
            inside = NOTEBOOKS[path]
        elif path.startswith("docs/"):
            inside = path.removeprefix("docs/")
        elif path in OUTSIDE:
            inside = OUTSIDE[path]
        elif (ROOT / path).exists():
            # A file of the checkout that is no page of the site: its name says where it is.
            return f"{text} (`{path}`)"
        else:
            return match[0]
        return f"{picture}[{text}]({posixpath.relpath(inside, posixpath.dirname(here) or '.')}{anchor})"

    # Two pairs of brackets in a row, a quantity and its unit, are a link to Markdown.
    return _LINK.sub(turned, markdown).replace("] [dex]", r"] \[dex\]")


def notebook(source: str) -> str:
    """Return a script in cells (``# %%``) as a page: text as it is, code in blocks, the pictures beside their cells."""
    parts = []
    for cell in re.split(r"^# %%", (ROOT / source).read_text(), flags=re.MULTILINE)[1:]:
        kind, _, body = cell.partition("\n")
        if "markdown" in kind:
            parts.append(re.sub(r"^# ?", "", body.strip(), flags=re.MULTILINE))
            continue
        parts.append(f"```python\n{body.strip()}\n```")
        drawn = re.findall(r"savefig\(\"([\w-]+)\.png\"\)", body)
        kept = [name for name in drawn if (ROOT / "docs" / "images" / f"{name}.png").is_file()]
        parts += [f"![What the cell draws](../images/{name}.png)" for name in kept]
    name = Path(source).name
    # The site has the script beside the page; as Markdown the link would lead to the page itself.
    parts.insert(1, f'As a script to run: <a href="{name}"><code>{name}</code></a>.')
    return "\n\n".join(parts) + "\n"


def folder(package: str) -> Path:
    """Return the folder of a package."""
    return ROOT / "src" / package


def place(module: str) -> str:
    """Return the page of a module or room."""
    return f"api/{module.replace('.', '/')}.md"


def rooms(package: str) -> list[tuple[str, str]]:
    """Return name in the navigation and module of each page: the package itself, then its rooms."""
    found = sorted(path.parent.name for path in folder(package).glob("*/__init__.py"))
    return [(package, f"{package}.index"), *((room, f"{package}.{room}") for room in found)]


def reference(name: str, module: str) -> str:
    """Return the page of a room: what its modules offer."""
    package = module.split(".")[0]
    whole = module.endswith(".index")
    room = folder(package) if whole else folder(package) / name
    dotted = module.removesuffix(".index")
    modules = [f"{dotted}.{path.stem}" for path in sorted(room.glob("*.py")) if offers(path)]
    about = (ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or "").strip()
    first = f"From `{dotted}` itself: {', '.join(given(room))}." if whole else ""
    parts = [f"# {dotted}", about, first, *(f"::: {name}" for name in modules)]
    return "\n\n".join(parts) + "\n"


def given(room: Path) -> list[str]:
    """Return links to what a package gives without a room: its imports for type checkers."""
    return [
        f"[`{alias.name}`][{node.module}.{alias.name}]"
        for block in ast.parse((room / "__init__.py").read_text()).body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]


def offers(path: Path) -> bool:
    """Whether a module has functions or classes for others."""
    if path.stem.startswith("__"):
        return False
    body = ast.parse(path.read_text()).body
    return any(
        isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_") for node in body
    )
