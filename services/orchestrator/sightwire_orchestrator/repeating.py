"""What the active orchestrator does again and again beside its runs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from sightwire.errors import SightwireError

logger = logging.getLogger(__name__)


async def again_and_again(act: Callable[[], Awaitable[object]], what: str, *, seconds: float) -> None:
    """Acts until it is cancelled, with a pause of `seconds` after each time; errors are logged as those of `what`."""
    while True:
        try:
            await act()
        except SightwireError as error:
            logger.warning("%s does not work now", what, extra={"error": str(error)})
        except Exception:
            # The next time may be better, and runs must go on in any case.
            logger.exception("%s failed", what)
        await asyncio.sleep(seconds)
