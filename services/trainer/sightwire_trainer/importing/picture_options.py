"""How pictures are prepared for an imported encoder, where its files do not tell it or tell it wrongly."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from sightwire.bundles.spec import ImageEncoderSpec
from sightwire_trainer.importing.errors import ImportRefusedError

Rgb = tuple[float, float, float]


class PictureOptions(BaseModel):
    """Members of `ImageEncoderSpec`; None where nothing was said."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    resize: Literal["stretch", "crop", "pad"] | None = None
    interpolation: Literal["bilinear", "bicubic"] | None = None
    mean: Rgb | None = None
    deviation: Rgb | None = None

    def over(self, spec: ImageEncoderSpec) -> ImageEncoderSpec:
        """The description with what was said in its place."""
        return spec.model_copy(update=self.model_dump(exclude_none=True))


def picture_options(
    *, resize: str | None, interpolation: str | None, mean: str | None, deviation: str | None
) -> PictureOptions:
    """Options as the command line has them: `mean` and `deviation` are R,G,B of 0..1.

    Raises:
        ImportRefusedError: an option has another form.
    """
    content: dict[str, Any] = {
        "resize": resize,
        "interpolation": interpolation,
        "mean": mean and mean.split(","),
        "deviation": deviation and deviation.split(","),
    }
    try:
        return PictureOptions.model_validate(content)
    except ValidationError as error:
        faults = "; ".join(f"--{fault['loc'][0]}: {fault['msg']}" for fault in error.errors())
        raise ImportRefusedError(f"{faults}; colours are given as in --mean 0.48,0.46,0.41") from error
