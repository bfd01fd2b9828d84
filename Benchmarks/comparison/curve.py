"""How a figure grows with something: a table in Markdown, and a picture (SVG) with logarithmic axes."""
import math
import statistics

from comparison.measuring import span

COLOURS = ("#2a7de1", "#e07b1a", "#2a9d5c", "#a04ac8")


class Series:
    """One line of the picture and one column of the table: a list of values, one per round, at each x."""

    def __init__(self, name, unit, drawn=True):
        self.name, self.unit, self.drawn = name, unit, drawn
        self.points = {}

    def add(self, x, value):
        if value is not None:
            self.points.setdefault(x, []).append(value)

    def median(self, x):
        return statistics.median(self.points[x]) if self.points.get(x) else None


def si(value):
    """A number as an axis names it."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g} {letter}"
    return f"{value:g}"


def binary(value):
    for size, unit in ((2**20, "MiB"), (2**10, "KiB")):
        if value >= size:
            return f"{value / size:g} {unit}"
    return f"{value} B"


class Curve:
    """A measure of growth: its title, what grows, and what was measured at each step."""

    def __init__(self, name, title, grows, unit, label=si, text=""):
        self.name, self.title, self.grows, self.unit, self.label, self.text = name, title, grows, unit, label, text
        self.series = []
        self.notes = []

    def line(self, name, unit=None, drawn=True):
        series = Series(name, unit or self.unit, drawn)
        self.series.append(series)
        return series

    def steps(self):
        return sorted({x for series in self.series for x in series.points})

    def markdown(self):
        lines = [f"## {self.title}", ""] + ([self.text, ""] if self.text else [])
        lines += ["| " + " | ".join([self.grows] + [f"{series.name}, {series.unit}" for series in self.series]) + " |",
                  "|---:" * (len(self.series) + 1) + "|"]
        for x in self.steps():
            cells = []
            for series in self.series:
                values = series.points.get(x)
                if not values:
                    cells.append("-")
                    continue
                form = "{:,.0f}" if statistics.median(values) >= 100 else "{:,.2f}"
                middle = form.format(statistics.median(values))
                cells.append(middle if len(values) == 1 else f"{middle} ({span(values, form)})")
            lines.append("| " + " | ".join([self.label(x)] + cells) + " |")
        lines += [""] + [f"- {note}" for note in self.notes] + ([""] if self.notes else [])
        return "\n".join(lines + [f"![{self.title}](growth-{self.name}.svg)", ""])

    def document(self):
        return {"name": self.name, "title": self.title, "grows": self.grows, "notes": self.notes,
                "series": [{"name": series.name, "unit": series.unit,
                            "points": [{"x": x, "rounds": values} for x, values in sorted(series.points.items())]}
                           for series in self.series]}

    def svg(self):
        drawn = [series for series in self.series if series.drawn and series.points]
        xs = self.steps()
        values = [series.median(x) for series in drawn for x in xs if series.median(x)]
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        high = max(high, low + 1)
        left, top, width, height = 76, 46, 520, 250
        first, last = math.log10(xs[0]), math.log10(xs[-1])

        def across(x):
            return left + width * ((math.log10(x) - first) / (last - first) if last > first else 0.5)

        def up(y):
            return top + height * (1 - (math.log10(y) - low) / (high - low))

        parts = ["<svg xmlns='http://www.w3.org/2000/svg' font-family='sans-serif' viewBox='0 0 800 350'>",
                 "<style>text{fill:#667;font-size:11px}polyline{fill:none;stroke-width:1.8}line{stroke:#8884}"
                 "rect.bar{fill-opacity:.25}</style>",
                 f"<text x='20' y='24' style='font-size:15px'>{self.title}</text>"]
        for power in range(low, high + 1):
            y = up(10**power)
            parts.append(f"<line x1='{left}' y1='{y:.1f}' x2='{left + width}' y2='{y:.1f}'/>"
                         f"<text x='{left - 6}' y='{y + 4:.1f}' text-anchor='end'>{si(10**power)}</text>")
        for x in xs:
            parts.append(f"<line x1='{across(x):.1f}' y1='{top}' x2='{across(x):.1f}' y2='{top + height}'/>"
                         f"<text x='{across(x):.1f}' y='{top + height + 16}' text-anchor='middle'>{self.label(x)}</text>")
        parts.append(f"<text x='{left + width / 2}' y='{top + height + 36}' text-anchor='middle'>{self.grows}</text>")
        for index, series in enumerate(drawn):
            colour = COLOURS[index % len(COLOURS)]
            places = [(across(x), up(series.median(x))) for x in xs if series.median(x)]
            text = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            parts.append(f"<polyline stroke='{colour}' points='{text}'/>")
            parts += [f"<circle cx='{x:.1f}' cy='{y:.1f}' r='2.6' fill='{colour}'/>" for x, y in places]
            parts.append(f"<text x='{left + width + 12}' y='{top + 14 + 18 * index}' style='fill:{colour}'>"
                         f"{series.name}, {series.unit}</text>")
        return "\n".join(parts + ["</svg>", ""])
