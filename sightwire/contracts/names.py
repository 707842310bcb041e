"""Which names are allowed, and how they travel as bus subjects and key-value keys."""

import re
from typing import Annotated

from pydantic import StringConstraints

COLLECTION_NAME_PATTERN = r"^[a-z][a-z0-9_-]{0,62}$"
FIELD_NAME_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"
SPACE_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}$"
# Anything that prints, so that paths and foreign keys can be ids as they are; no control characters, no outer spaces.
ITEM_ID_PATTERN = r"^[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]{0,254}[^\s\x00-\x1f\x7f])?$"

CollectionName = Annotated[str, StringConstraints(pattern=COLLECTION_NAME_PATTERN)]
FieldName = Annotated[str, StringConstraints(pattern=FIELD_NAME_PATTERN)]
SpaceName = Annotated[str, StringConstraints(pattern=SPACE_PATTERN)]
GenerationName = Annotated[str, StringConstraints(pattern=r"^g[1-9][0-9]{0,17}$")]
ItemId = Annotated[str, StringConstraints(pattern=ITEM_ID_PATTERN)]

#: Space of collections whose vectors all come from the user.
EXTERNAL_SPACE = "external"
#: Generation that a collection's index begins with.
FIRST_GENERATION = "g1"

_KEY_UNSAFE = re.compile(rb"[^A-Za-z0-9_-]")


def key_token(text: str) -> str:
    """Encodes any text as one token of a NATS key-value key or subject: unsafe UTF-8 bytes become `=XX`."""
    return _KEY_UNSAFE.sub(lambda match: b"=%02X" % match.group()[0], text.encode()).decode()


def text_from_key_token(token: str) -> str:
    """The text that `key_token` encoded."""
    return re.sub(rb"=([0-9A-F]{2})", lambda match: bytes([int(match.group(1), 16)]), token.encode()).decode()
