"""What a figure of real fine-tunes shows: its words, and its points by the name under which they were drawn."""

from .records import texts


def words(figure):
    return texts(figure).replace("\n", " ")


def drawn(axes, gid):
    """Lines drawn under this name, whose markers are the points."""
    return [line for line in axes.get_lines() if line.get_gid() == gid]


def points(axes, gid):
    return [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in drawn(axes, gid)]
