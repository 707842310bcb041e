"""The momentum model and the queue it fills."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sightwire_trainer.configuration import ConvNetTrunk, ModelConfiguration
from sightwire_trainer.models.building import build_model
from sightwire_trainer.objectives.momentum import MomentumModel
from sightwire_trainer.objectives.queue import MomentumQueue


@settings(max_examples=40, deadline=None)
@given(size=st.integers(1, 7), batches=st.lists(st.integers(1, 10), max_size=6))
def test_queue_holds_the_newest_rows(size, batches):
    queue = MomentumQueue(size, 2)
    rows: list[int] = []
    for batch in batches:
        numbers = torch.arange(len(rows), len(rows) + batch)
        vectors = numbers[:, None].float().expand(-1, 2)
        queue.push(vectors, -vectors, numbers)
        rows += numbers.tolist()

    documents, captions = queue.candidate_documents(), queue.candidate_captions()

    assert len(queue) == min(size, len(rows))
    if not rows:
        assert documents is None
        assert captions is None
        return
    assert sorted(documents.concepts.tolist()) == rows[-size:]
    assert torch.equal(documents.vectors[:, 0], documents.concepts.float())
    assert torch.equal(captions.vectors, -documents.vectors)


def test_queue_goes_on_from_its_state():
    queue, again = MomentumQueue(5, 2), MomentumQueue(5, 2)
    queue.push(torch.rand(3, 2), torch.rand(3, 2), torch.arange(3))
    again.load_state_dict(copy.deepcopy(queue.state_dict()))
    more = torch.rand(4, 2), torch.rand(4, 2), torch.arange(4)
    for each in (queue, again):
        each.push(*more)

    assert all(torch.equal(again.state_dict()[name], value) for name, value in queue.state_dict().items())


def test_candidates_outlive_later_pushes_and_have_no_gradient():
    queue = MomentumQueue(2, 2)
    queue.push(torch.ones(2, 2, requires_grad=True), torch.ones(2, 2), torch.arange(2))
    before = queue.candidate_documents()
    queue.push(torch.zeros(2, 2), torch.zeros(2, 2), torch.arange(2))

    assert torch.equal(before.vectors, torch.ones(2, 2))
    assert not before.vectors.requires_grad


@pytest.fixture
def model(bundle_folder):
    trunk = ConvNetTrunk(depths=(1, 1), widths=(8, 16))
    return build_model(ModelConfiguration(bundle=bundle_folder, image=trunk, size=64, head_widths=(20,)), seed=0)


def test_momentum_model_follows_by_its_share(model):
    follower = MomentumModel(model, momentum=0.75)
    before = [parameter.clone() for parameter in follower.parameters()]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    model.encode_images(torch.rand(4, 3, 64, 64))

    follower.follow(model)

    for old, new in zip(before, follower.parameters(), strict=True):
        torch.testing.assert_close(new, old + 0.25)
    assert torch.equal(follower.model.image.head.norm.running_mean, model.image.head.norm.running_mean)
    assert not any(parameter.requires_grad for parameter in follower.parameters())


def test_momentum_model_sees_each_row_by_itself(model):
    follower = MomentumModel(model, momentum=0.9).train()
    pictures = torch.rand(4, 3, 64, 64)
    statistics = follower.model.image.head.norm.running_mean.clone()

    together, _ = follower.model(pictures, ["a"] * 4)
    alone = torch.cat([follower.model.encode_images(picture[None]) for picture in pictures])

    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    assert torch.equal(follower.model.image.head.norm.running_mean, statistics)


def test_momentum_model_goes_on_from_its_state(model):
    follower = MomentumModel(model, momentum=0.9)
    state = copy.deepcopy(follower.state_dict())
    with torch.no_grad():
        next(model.parameters()).zero_()
    follower.follow(model)
    follower.load_state_dict(state)

    assert all(torch.equal(follower.state_dict()[name], value) for name, value in state.items())
