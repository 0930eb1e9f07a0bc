"""`RunFigure`: a Matplotlib figure that notebooks show. Importing this module needs Matplotlib."""

import io

from matplotlib.figure import Figure


class RunFigure(Figure):
    """A figure that pyplot does not know, so that nobody has to close it, and that a notebook shows as a picture."""

    def _repr_png_(self) -> bytes:
        """Returns the picture; a notebook that has used pyplot before makes its own, and shows one in either case."""
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()
