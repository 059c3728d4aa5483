"""XML from strangers: parsed without entities, and without anything from outside the file.

Entities are what "billion laughs" and files read from elsewhere are made of; no format read here needs them.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any
from xml.parsers import expat

MAX_BYTES = 2 * 2**30
"""Largest file that is read: its tree takes several times that in memory."""


def parse_xml_file(path: Path) -> ElementTree.Element:
    """Parse a file.

    Raises
    ------
    ValueError
        If it declares a document type, is too large, or is no XML.
    """
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path} is larger than {MAX_BYTES / 2**30:.0f} GiB: export it as GEFF or CSV instead")
    return parse_xml(path.read_bytes(), str(path))


def parse_xml(content: bytes | str, where: str) -> ElementTree.Element:
    """Parse a text; `where` is for messages.

    Raises
    ------
    ValueError
        As `parse_xml_file`.
    """
    builder = ElementTree.TreeBuilder()
    parser: Any = expat.ParserCreate()
    parser.buffer_text = True

    def refuse(*_: object) -> None:
        raise ValueError(f"{where} declares a document type, which could read other files or fill the memory: refused")

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise ValueError(
            f"{where} is no complete XML ({error}): save it again from the program that made it"
        ) from error
    return builder.close()
