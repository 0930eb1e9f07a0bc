"""What the tests need to know of stock Keras."""

import keras
import pytest

#: A test with stock Adamax in AdaMax's place, which fails it: a defect that ours does not have.
STOCK_FAILS = pytest.param(
    keras.optimizers.Adamax, marks=pytest.mark.xfail(reason="defect of stock Adamax", strict=True)
)

#: Keras calls np.array on a variable whose `__array__` does not yet take NumPy 2's `copy`.
copies_variables = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)
