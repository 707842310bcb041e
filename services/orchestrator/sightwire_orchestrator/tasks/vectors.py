"""Vectors as tasks have them."""

import numpy as np
from numpy.typing import NDArray

#: float32 [rows, dimension].
Vectors = NDArray[np.float32]
