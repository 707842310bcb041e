"""Requests to the product similarity routes, and their answers."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from sightwire.contracts.models import ModelId

Text = Annotated[str, Field(min_length=1)]


class PredictRequest(BaseModel):
    """Texts to compare: each query with each description."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "example": {
                "query": ["red running shoes"],
                "product_descriptions": ["Sneakers in red for runners", "A garden hose, 20 m"],
                "threshold": 0.2,
                "top_k": 5,
            }
        },
    )

    query: tuple[Text, ...] = Field(min_length=1)
    product_descriptions: tuple[Text, ...] = Field(min_length=1)
    threshold: float | None = Field(default=None, ge=-1, le=1, description="Leave out those with a lower score")
    top_k: int | None = Field(default=None, ge=1, description="At most so many for each query; null: all")


class Match(BaseModel):
    """A description, and how near it is."""

    index: int = Field(description="Its position among `product_descriptions`, from 0")
    product_description: str
    score: float = Field(description="Cosine similarity, -1 to 1")


class QueryMatches(BaseModel):
    """A query's descriptions, best first."""

    query: str
    matches: list[Match]


class PredictAnswer(BaseModel):
    """For each query, in order, its descriptions; and the model that compared them."""

    results: list[QueryMatches]
    model: ModelId
    space: str
    took_ms: float
