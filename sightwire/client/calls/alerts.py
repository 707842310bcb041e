"""Alert rules."""

from sightwire.client.calls.request import Call, json_reader, path_segment, plain_body, without_none
from sightwire.contracts.alerts import AlertHistory, AlertList, AlertReport, AlertRule


def list_alerts(*, state: str | None) -> Call[AlertList]:
    return Call("GET", _ALERTS, json_reader(AlertList.model_validate), without_none(state=state))


def get_alert(name: str) -> Call[AlertReport]:
    return Call("GET", _path(name), json_reader(AlertReport.model_validate))


def put_alert(rule: AlertRule) -> Call[AlertReport]:
    return Call("PUT", _path(rule.name), json_reader(AlertReport.model_validate), body=plain_body(rule))


def delete_alert(name: str) -> Call[AlertReport]:
    return Call("DELETE", _path(name), json_reader(AlertReport.model_validate), repeatable=False)


def silence_alert(name: str, seconds: float) -> Call[AlertReport]:
    return Call("POST", f"{_path(name)}/silence", json_reader(AlertReport.model_validate), body={"seconds": seconds})


def alert_history(*, name: str | None, limit: int) -> Call[AlertHistory]:
    params = without_none(name=name, limit=str(limit))
    return Call("GET", "/v1/alert-history", json_reader(AlertHistory.model_validate), params)


_ALERTS = "/v1/alerts"


def _path(name: str) -> str:
    return f"{_ALERTS}/{path_segment(name)}"
