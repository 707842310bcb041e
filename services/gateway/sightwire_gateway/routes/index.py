"""The index behind a collection: what it takes, and its generations."""

from fastapi import APIRouter
from starlette.responses import Response

from sightwire.contracts.control import ForgetGeneration, GenerationList, ListGenerations, ReadReport
from sightwire.contracts.names import FIRST_GENERATION, GenerationName
from sightwire.contracts.statistics import IndexStatistics
from sightwire.contracts.validation import ValidationReport
from sightwire.errors import UnknownCollectionError
from sightwire_gateway.answers import json_response, model_response
from sightwire_gateway.gateway import GatewayParts
from sightwire_gateway.index_statistics import empty_statistics, index_statistics
from sightwire_gateway.users_names import errors_in_users_words

router = APIRouter(prefix="/v1/collections/{collection}", tags=["index"])


@router.get(
    "/stats", summary="What an index takes", response_class=Response, responses={200: {"model": IndexStatistics}}
)
async def read_statistics(collection: str, gateway: GatewayParts) -> Response:
    """The live generation as the searcher that answers has it loaded: vectors, kinds of indexes, bytes."""
    index = gateway.collections.answering(collection)
    try:
        with errors_in_users_words(index):
            described = await gateway.searcher.describe(index.name)
    except UnknownCollectionError:
        # Registered, but no searcher has loaded it yet.
        return model_response(empty_statistics(index, FIRST_GENERATION))
    return model_response(index_statistics(index, described))


@router.get(
    "/generations", summary="List generations", response_class=Response, responses={200: {"model": GenerationList}}
)
async def list_generations(collection: str, gateway: GatewayParts) -> Response:
    """The generations that are kept, and which one is live."""
    return json_response(await gateway.owners.ask(collection, ListGenerations()))


@router.delete(
    "/generations/{generation}",
    summary="Forget a generation",
    response_class=Response,
    responses={200: {"model": GenerationList}},
)
async def forget_generation(collection: str, generation: GenerationName, gateway: GatewayParts) -> Response:
    """Forgets a generation that is not live; what only it needs is then removed. The answer has those that are left."""
    return json_response(await gateway.owners.ask(collection, ForgetGeneration(generation=generation)))


@router.get(
    "/generations/{generation}/report",
    summary="What the gates saw of a generation",
    response_class=Response,
    responses={200: {"model": ValidationReport}},
)
async def read_report(collection: str, generation: GenerationName, gateway: GatewayParts) -> Response:
    """The report of the last time that the generation came to the gates."""
    return json_response(await gateway.owners.ask(collection, ReadReport(generation=generation)))
