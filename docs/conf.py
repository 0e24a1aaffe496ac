"""The site: ``make -C docs html``. It needs no network.

The Markdown pages are those that are read on GitHub, with links that work there. What the site
needs otherwise is changed as a page is read, see ``as_page``.
"""

import os
import re
from pathlib import Path

from srcnb import __version__

DOCS = Path(__file__).parent
ROOT = DOCS.parent

project = "srcnb"
version = release = __version__
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "myst_parser",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "**/sg_execution_times.rst"]
suppress_warnings = ["config.cache"]

html_theme = "pydata_sphinx_theme"
html_title = f"srcnb {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["sleep.html"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "srcnb"},
    "header_links_before_dropdown": 8,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": [],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc", "sg_download_links"],
}
# These have no pages below them.
html_sidebars = {name: [] for name in ("index", "install", "pictures", "changelog", "benchmarks")}

myst_heading_anchors = 4

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's docstrings have them, with shapes and units
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "tutorial",
    "gallery_dirs": "generated/tutorial",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "remove_config_comments": True,
}

# Pages that are outside of docs, and the pages here that stand for them.
OUTSIDE = {
    "README.md": "docs/index.md",
    "CHANGELOG.md": "docs/changelog.md",
    "CONTRIBUTING.md": "docs/contributing.md",
    "benchmarks/README.md": "docs/benchmarks.md",
}
INSIDE = {page.removeprefix("docs/").removesuffix(".md"): path for path, page in OUTSIDE.items()}
del INSIDE["index"]
# What GitHub would show as code.
TOCTREES = {"studies/README": "*\n/results/README", "results/README": "*"}


def linked(target, source, page):
    """The link ``target`` of the file ``source`` as a link of the page that shows it."""
    path = os.path.normpath(f"{source}/../{target}")
    path = OUTSIDE.get(path, path)
    path = re.sub(r"^docs/tutorial/(plot_\w+)\.py$", r"docs/generated/tutorial/\1.rst", path)
    return os.path.relpath(path, f"{page}/..")


def unbroken(match):
    """A part of a cell, with spaces at which no line ends."""
    return match[0].replace(" ", "\N{NO-BREAK SPACE}")


def as_page(app, name, content):
    """Change the Markdown of a page: its links, and what belongs to the site only.

    A page that stands for a file outside of docs gets that file's text; a table of results its name
    as a title; links to such files, to chapters and to sleep.html lead to pages of the site.
    """
    path = Path(app.env.doc2path(name))
    if path.suffix != ".md":
        return
    page = source = path.relative_to(ROOT).as_posix()
    text = content[0]
    if name in INSIDE:
        source = INSIDE[name]
        app.env.note_dependency(ROOT / source)
        text = (ROOT / source).read_text(encoding="utf-8")
    if name.startswith("results/") and not text.startswith("# "):
        text = f"# {name.removeprefix('results/')}\n\n{text}"

    def replace(link):
        label, target, anchor = link.groups(default="")
        target = linked(target, source, page)
        if target.endswith("sleep.html"):
            return f'<a href="{target}">{label[1:-1]}</a>'
        return f"{label}({target}{anchor})"

    # No line ends within a mean ± sd, or within an interval, of a table.
    text = re.sub(
        r"^\|.*",
        lambda row: re.sub(r"(?<=\d) (± \d)|(\[[-+][\d.]+,) ", unbroken, row[0]),
        text,
        flags=re.MULTILINE,
    )
    text = re.sub(r"(\[[^][]*\])\((?!\w+:)([^)#\s]+)(#[^)]*)?\)", replace, text)
    if name in TOCTREES:
        text += f"\n```{{toctree}}\n:hidden:\n:glob:\n\n{TOCTREES[name]}\n```\n"
    content[0] = text


def without_substitutions(app, what, name, thing, options, lines):
    """Let |w| of a docstring be what it is, and no name of a text to be put in."""
    for i, line in enumerate(lines):
        parts = line.split("``")
        parts[::2] = [re.sub(r"\|(?=\S)|(?<=\S)\|", r"\\|", part) for part in parts[::2]]
        lines[i] = "``".join(parts)


def setup(app):
    """Called by Sphinx."""
    app.connect("source-read", as_page)
    app.connect("autodoc-process-docstring", without_substitutions, priority=900)
