"""`sightwire.alerts`: rules on what is counted of pipelines, reviews and caches."""

from typing import TYPE_CHECKING

from sightwire.client import calls
from sightwire.contracts.alerts import AlertHistory, AlertList, AlertReport, AlertRule

if TYPE_CHECKING:
    from sightwire.client.synchronous.client import Sightwire


class Alerts:
    """`sightwire.alerts`."""

    def __init__(self, sightwire: "Sightwire") -> None:
        self._send = sightwire.send

    def list(self, *, state: str | None = None) -> AlertList:
        """Rules by name, and how they stand; with the state `firing` the active ones."""
        return self._send(calls.list_alerts(state=state))

    def get(self, name: str) -> AlertReport:
        """A rule, and how it stands."""
        return self._send(calls.get_alert(name))

    def put(self, rule: AlertRule) -> AlertReport:
        """Store a rule in place of the one of its name, which begins anew.

        Example::

            rule = AlertRule(name="late", metric_name="reviews.late", operator=">", threshold=0)
            sightwire.alerts.put(rule)
        """
        return self._send(calls.put_alert(rule))

    def delete(self, name: str) -> AlertReport:
        """Delete a rule; its history stays."""
        return self._send(calls.delete_alert(name))

    def silence(self, name: str, seconds: float) -> AlertReport:
        """Tell nobody of a rule for some time; 0 ends a silence."""
        return self._send(calls.silence_alert(name, seconds))

    def history(self, *, name: str | None = None, limit: int = 50) -> AlertHistory:
        """When rules fired and ceased to, the newest first; only those of one rule."""
        return self._send(calls.alert_history(name=name, limit=limit))
