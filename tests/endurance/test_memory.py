import numpy as np
import psutil
from synthetic import healthy_stats, table

from adamax_tb.writer import EventWriter

LAYERS = [(f"block_{i}/kernel", (8, 4)) for i in range(2000)]


def test_what_a_writer_has_written_stays_in_its_file_and_not_in_memory(tmp_path):
    stats = healthy_stats([1], LAYERS)
    writer = EventWriter(str(tmp_path), table(LAYERS))

    def write(steps):
        for step in steps:
            writer.write(np.array([step]), stats, {})
            writer.flush()
        return psutil.Process().memory_info().rss

    before = write(range(1, 51))
    grown = write(range(51, 351)) - before
    writer.close()
    written = 300 * sum(values.nbytes for values in stats.values())
    assert grown < written / 4  # an allocator does not give back all that is freed
