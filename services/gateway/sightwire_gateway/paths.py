"""Item ids in paths: any text, percent-encoded, slashes too."""

from typing import Annotated
from urllib.parse import quote, unquote

from fastapi import Depends, Path
from pydantic import TypeAdapter, ValidationError

from sightwire.contracts.names import ItemId
from sightwire_gateway.problems import invalid_request

_ITEM_ID: TypeAdapter[str] = TypeAdapter(ItemId)


def item_id_from_path(
    item_id: Annotated[
        str, Path(description="The item's id; percent-encode `/` and `%` in it", examples=["holiday/beach 1.jpg"])
    ],
) -> str:
    """Decodes what the guard left encoded so that a slash inside an id did not split the path."""
    try:
        return _ITEM_ID.validate_python(unquote(item_id))
    except ValidationError as error:
        raise invalid_request(error, prefix=("id",)) from None


#: Parameter of routes with `{item_id:path}`.
PathItemId = Annotated[str, Depends(item_id_from_path)]


def item_path(collection: str, item_id: str, part: str = "") -> str:
    """Path of an item's resource, such as `item_path("demo", "a/b", "image")`."""
    path = f"/v1/collections/{collection}/items/{quote(item_id, safe='')}"
    return f"{path}/{part}" if part else path
