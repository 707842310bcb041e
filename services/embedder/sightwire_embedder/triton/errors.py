"""What may go wrong between the embedder and Triton."""

from typing import ClassVar

from sightwire.errors import ConflictError, UnavailableError


class ModelServerAwayError(UnavailableError):
    """The server that runs the models does not answer, or not in time; it says nothing about what was asked."""


class ModelRepositoryError(ConflictError):
    """A folder that cannot take the models of a bundle."""

    code: ClassVar[str] = "model-repository"
