"""What can go wrong with models of other people."""

from sightwire.errors import InvalidInputError


class ImportRefusedError(InvalidInputError):
    """A model that is not what a bundle needs; the message says what was expected and what came."""

    code = "import-refused"
