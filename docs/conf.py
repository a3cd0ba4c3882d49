"""How Sphinx builds the site of these pages: `make docs`. The pages read well in a repository's own view, too."""

from __future__ import annotations

import re

from sphinx.application import Sphinx

from spanprofiles import __version__

project = "spanprofiles"
author = "The spanprofiles authors"
release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

# Links to headings have the same form here as in a repository's own view.
myst_heading_anchors = 4

autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_use_ivar = True  # the fields of a class as one list

# The theme brings its styles and scripts along: no page asks another host for anything.
html_theme = "furo"
html_title = "spanprofiles"
html_copy_source = False
html_show_sourcelink = False

# Files at the repository's root that are pages of the site: docs/project/ includes each of them.
_ROOT_FILE = re.compile(r"\]\(((?:\.\./)*)\.\./(CONTRIBUTING|SECURITY)\.md")


def _link_to_root_files(_app: Sphinx, _page: str, source: list[str]) -> None:
    source[0] = _ROOT_FILE.sub(lambda link: f"]({link[1]}project/{link[2].lower()}.md", source[0])


def setup(app: Sphinx) -> None:
    """Register what this project adds to Sphinx."""
    app.connect("source-read", _link_to_root_files)
