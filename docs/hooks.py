"""What MkDocs does beyond docs/: files of the repository that the manual links to, and the notebook as a page.

Pages link to each other and to the repository's files by paths that hold in the repository. In the manual the
repository's root and docs/ are one folder.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
#: Pages that stand outside docs/.
PAGES = ("proofs/README.md", "proofs/theory.md", "src/tradeoffbounds/harm/README.md", "CHANGELOG.md", "CONTRIBUTING.md")
NOTEBOOK, NOTEBOOK_PAGE = "notebooks/first-look.ipynb", "first-look.md"
_LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the notebook, `PAGES`, and every file that a page links to."""
    pages = [Path(str(file.abs_src_path)) for file in files.documentation_pages()]
    files.append(File.generated(config, NOTEBOOK_PAGE, content=_as_page(Path(config.docs_dir) / NOTEBOOK)))
    wanted = [ROOT / page for page in PAGES]
    for page in (*pages, *wanted):
        wanted += [target for target in _targets(page) if target.is_file()]
    for target in dict.fromkeys(wanted):
        uri = _uri(target)
        if files.get_file_from_path(uri) is None:
            files.append(File(uri, str(ROOT), config.site_dir, config.use_directory_urls))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links by where things are in the manual; what is no file there, a folder, is named and not linked."""
    here = Path(page.file.src_uri).parent
    source = NOTEBOOK if page.file.src_uri == NOTEBOOK_PAGE else page.file.src_uri
    folder = (ROOT / source if source in PAGES else Path(config.docs_dir) / source).parent

    def rewritten(match: re.Match[str]) -> str:
        text, link, anchor = match[1], match[2], match[3] or ""
        target = _target(folder, link)
        if target is None:
            return match[0]
        if target.is_dir():
            return text
        uri = NOTEBOOK_PAGE if _uri(target) == NOTEBOOK else _uri(target)
        return f"[{text}]({os.path.relpath(uri, here)}{anchor})"

    return _LINK.sub(rewritten, markdown)


def _targets(page: Path) -> list[Path]:
    found = (_target(page.parent, link) for _, link, _ in _LINK.findall(page.read_text("utf-8")))
    return [target for target in found if target is not None]


def _target(folder: Path, link: str) -> Path | None:
    """The file or folder of the repository that a link leads to; None for other hosts."""
    if ":" in link:
        return None
    return Path(os.path.normpath(folder / link))


def _uri(target: Path) -> str:
    docs = ROOT / "docs"
    return target.relative_to(docs if target.is_relative_to(docs) else ROOT).as_posix()


def _as_page(notebook: Path) -> str:
    """The notebook's text and code, one below the other; its figures are drawn by whoever runs it."""
    parts = []
    for cell in json.loads(notebook.read_text("utf-8"))["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    return "\n\n".join(parts) + "\n"
