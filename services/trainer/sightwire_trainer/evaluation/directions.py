"""Which side searches which; light to import, for commands."""

from enum import StrEnum


class Direction(StrEnum):
    """From which side to which; also how the names of measures begin."""

    TEXT_TO_IMAGE = "text_to_image"
    IMAGE_TO_TEXT = "image_to_text"
    IMAGE_TO_IMAGE = "image_to_image"
    TEXT_TO_TEXT = "text_to_text"

    @property
    def words(self) -> str:
        """For people: `text to image`."""
        return self.replace("_", " ")
