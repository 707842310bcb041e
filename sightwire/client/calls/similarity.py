"""Texts compared with texts."""

from collections.abc import Sequence

from sightwire.client.calls.request import Call, json_reader, without_none
from sightwire.client.models import Predictions


def predict(
    query: Sequence[str], product_descriptions: Sequence[str], *, threshold: float | None, top_k: int | None
) -> Call[Predictions]:
    body = without_none(
        query=list(query), product_descriptions=list(product_descriptions), threshold=threshold, top_k=top_k
    )
    return Call("POST", "/predict", json_reader(Predictions.model_validate), body=body)
