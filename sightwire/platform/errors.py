"""What goes wrong when the platform is started on this machine."""

from sightwire.errors import SightwireError


class PlatformError(SightwireError):
    """The platform, or one process of it, could not be started, reached or stopped."""

    code = "platform-error"
