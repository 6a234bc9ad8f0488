"""Where the gallery of programs lies."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "examples" / "programs"
CDNOW = ROOT / "examples" / "data" / "cdnow_sample.csv"
PAGE = ROOT / "docs" / "gallery.md"
STARTER = "starter"
"""A whole program of four services, and so no idea of the gallery."""


def gallery() -> list[str]:
    """The names of its programs."""
    return sorted(file.stem for file in PROGRAMS.glob("*.yaml") if file.stem != STARTER)


def paragraphs_of_the_gallery() -> dict[str, str]:
    """What the page says of each program, by the name of the file to which its part leads."""
    _, *parts = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = {}
    for part in parts:
        (name,) = re.findall(r"\]\(\.\./examples/programs/([a-z-]+)\.yaml\)", part)
        found[name] = part
    return found
