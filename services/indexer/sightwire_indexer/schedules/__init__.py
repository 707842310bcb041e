"""Operations that are repeated: when they are due, what is done then, and what became of them."""
