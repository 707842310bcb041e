"""What becomes of events that fail."""

import pytest
from sightwire_embedder.ingest.retry import Bury, NeverAnsweredError, RetryLater, RetryPolicy, verdict
from sightwire_embedder.models.served_models import NotServedError
from sightwire_embedder.triton.errors import ModelServerAwayError

from sightwire.errors import CorruptDataError, FetchFailedError, InvalidPictureError, UnavailableError

POLICY = RetryPolicy(max_deliveries=12)


@pytest.mark.parametrize(
    ("error", "deliveries", "expected"),
    [
        pytest.param(InvalidPictureError("no"), 1, Bury("invalid-picture", "no"), id="the event's own fault"),
        pytest.param(CorruptDataError("sha"), 3, Bury("corrupt-data", "sha"), id="trying again changes nothing"),
        pytest.param(NeverAnsweredError("x"), 13, Bury("never-answered", "x"), id="it kills the process"),
        pytest.param(UnavailableError("down"), 1, RetryLater(0.5), id="a server's fault"),
        pytest.param(FetchFailedError("503"), 2, RetryLater(1.0), id="somebody else's server"),
        pytest.param(UnavailableError("down"), 5, RetryLater(8.0), id="each time twice as late"),
        pytest.param(UnavailableError("down"), 11, RetryLater(60.0), id="but not later than that"),
        pytest.param(KeyError("bug"), 1, RetryLater(0.5), id="an error of our own says nothing about the event"),
        pytest.param(ModelServerAwayError("off"), 500, RetryLater(60.0), id="its server is away"),
        pytest.param(NotServedError("no model"), 500, RetryLater(60.0), id="no try is the last until a model comes"),
        pytest.param(
            UnavailableError("down"),
            12,
            Bury("unavailable", "gave up after 12 tries; the last one failed with: down"),
            id="the last try",
        ),
        pytest.param(
            KeyError("bug"),
            12,
            Bury("internal-error", "gave up after 12 tries; the last one failed with: KeyError: 'bug'"),
            id="the last try of a bug",
        ),
    ],
)
def test_verdict_without_luck(error, deliveries, expected):
    assert verdict(error, deliveries, POLICY, jitter=1.0) == expected


def test_jitter_halves_the_delay_at_most():
    assert verdict(UnavailableError("down"), 1, POLICY, jitter=0.0) == RetryLater(0.25)


def test_any_number_of_deliveries_is_allowed():
    patient = RetryPolicy(max_deliveries=10**6)
    assert verdict(UnavailableError("down"), 10**5, patient, jitter=1.0) == RetryLater(60.0)
