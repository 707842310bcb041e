"""Distillation: as its definition in loops says, zero for the same, with true gradients."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sightwire_trainer.objectives.distillation import (
    cosine_loss,
    distillation_loss,
    joined_teachers,
    relational_loss,
)
from torch.nn import functional


def unit_rows(rows, dimension, seed):
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(rows, dimension, dtype=torch.float64, generator=generator), dim=-1)


def nearness(vectors, row, temperature):
    exponentials = {
        other: math.exp(float(vectors[row] @ vectors[other]) / temperature)
        for other in range(len(vectors))
        if other != row
    }
    return {other: value / sum(exponentials.values()) for other, value in exponentials.items()}


@settings(max_examples=30, deadline=None)
@given(batch=st.integers(3, 7), temperature=st.floats(0.05, 2.0), seed=st.integers(0, 1000))
def test_relational_loss_is_its_definition(batch, temperature, seed):
    students, teachers = unit_rows(batch, 4, seed), unit_rows(batch, 6, seed + 1)
    expected = 0.0
    for row in range(batch):
        student, teacher = nearness(students, row, temperature), nearness(teachers, row, temperature)
        expected += sum(share * math.log(share / student[other]) for other, share in teacher.items()) / batch

    found = relational_loss(students, teachers, temperature=temperature)

    assert float(found) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_nothing_is_lost_by_the_teacher_itself():
    vectors = unit_rows(5, 4, 0)

    assert float(distillation_loss(vectors, vectors)) == pytest.approx(0, abs=1e-12)


def test_relations_outlive_a_rotation_and_cosines_do_not():
    vectors = unit_rows(5, 4, 0)
    rotated = vectors @ torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64)).Q

    assert float(relational_loss(rotated, vectors, temperature=0.1)) == pytest.approx(0, abs=1e-9)
    assert float(cosine_loss(rotated, vectors)) > 1e-3


def test_a_teacher_of_another_dimension_is_followed_in_its_relations():
    students, teachers = unit_rows(5, 4, 0), unit_rows(5, 9, 1)

    assert torch.equal(distillation_loss(students, teachers), relational_loss(students, teachers, temperature=0.1))


@pytest.mark.parametrize("rows", [1, 2])
def test_too_few_rows_have_no_relations(rows):
    students = unit_rows(rows, 4, 0).requires_grad_()
    loss = relational_loss(students, unit_rows(rows, 4, 1), temperature=0.1)
    loss.backward()

    assert float(loss.detach()) == 0
    assert torch.isfinite(students.grad).all()


def test_gradients_are_those_of_finite_differences_and_none_reach_the_teacher():
    students = unit_rows(4, 3, 0).requires_grad_()
    teachers = unit_rows(4, 3, 1).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda rows: distillation_loss(functional.normalize(rows, dim=-1), teachers.detach()), (students,)
    )

    distillation_loss(students, teachers).backward()

    assert teachers.grad is None


def test_joined_teachers_are_their_mean_on_the_sphere():
    first, second = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])

    torch.testing.assert_close(joined_teachers([first, second]), torch.full((1, 2), math.sqrt(0.5)))
