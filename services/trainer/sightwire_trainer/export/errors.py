"""What can go wrong when a model is turned into files, or files into a bundle."""

from sightwire.errors import SightwireError


class ExportError(SightwireError):
    """A model that cannot be exported, or whose exported form does not answer as the model does."""

    code = "export-failed"
    status = 422
