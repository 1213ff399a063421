//! Plots as SVG, with logarithmic axes, for a light and a dark page: the picture asks the reader's system which it is.

use std::fmt::Write;

/// Size of every picture.
const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 480.0;
/// Room around the plot for what is written there.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 240.0;
const TOP: f64 = 48.0;
const BOTTOM: f64 = 56.0;
/// Least distance of two labels.
const LINE: f64 = 17.0;

/// Colours that can be told apart on white and on black, the first for what the picture is about.
const COLOURS: [(&str, &str); 10] = [
    ("#c2410c", "#fb923c"),
    ("#1d4ed8", "#60a5fa"),
    ("#15803d", "#4ade80"),
    ("#7e22ce", "#c084fc"),
    ("#0e7490", "#22d3ee"),
    ("#a16207", "#facc15"),
    ("#be185d", "#f472b6"),
    ("#475569", "#94a3b8"),
    ("#3f6212", "#a3e635"),
    ("#a1a1aa", "#71717a"),
];

/// A line in a plot.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// What it is called.
    pub(crate) label: &'static str,
    /// Its points, from the left to the right. All numbers are positive.
    pub(crate) points: Vec<(f64, f64)>,
    /// Whether it is drawn thin and broken, as a limit.
    pub(crate) limit: bool,
}

/// A plot of lines.
#[derive(Clone, Debug)]
pub(crate) struct Plot {
    /// What it shows.
    pub(crate) title: String,
    /// Places on the axis to the right, with their names.
    pub(crate) across: Vec<(f64, String)>,
    /// What the axis upwards counts.
    pub(crate) unit: &'static str,
    /// The lines; the first is the one it is about.
    pub(crate) series: Vec<Series>,
}

impl Plot {
    /// The picture; nothing when there is nothing to draw.
    pub(crate) fn svg(&self) -> Option<String> {
        let values = || self.series.iter().flat_map(|series| &series.points).map(|(_, y)| *y);
        let across = Axis::over(self.across.iter().map(|(x, _)| *x), LEFT, WIDTH - RIGHT)?;
        let up = Axis::over(values().flat_map(decade), HEIGHT - BOTTOM, TOP)?;
        let mut svg = head(&self.title);
        self.grid(&mut svg, &across, &up);
        let mut ends = Vec::new();
        // The one it is about on top of the others.
        for (number, series) in self.series.iter().enumerate().rev() {
            let at: Vec<(f64, f64)> = series.points.iter().map(|(x, y)| (across.at(*x), up.at(*y))).collect();
            let Some((_, end)) = at.last() else { continue };
            ends.push((*end, number));
            draw(&mut svg, series, number, &at);
        }
        for (y, number) in apart(ends) {
            let label = escape(self.series[number].label);
            let x = WIDTH - RIGHT + 12.0;
            add(
                &mut svg,
                &format!(
                    "<text class=\"t{}\" x=\"{x:.1}\" y=\"{:.1}\">{label}</text>",
                    colour(number),
                    y + 4.0
                ),
            );
        }
        add(&mut svg, "</svg>");
        Some(svg)
    }

    fn grid(&self, svg: &mut String, across: &Axis, up: &Axis) {
        let (left, right, low) = (LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM);
        for power in up.powers() {
            let y = up.at(power);
            add(
                svg,
                &format!("<line class=\"grid\" x1=\"{left}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\"/>"),
            );
            let label = amount(power);
            add(
                svg,
                &format!(
                    "<text text-anchor=\"end\" x=\"{:.1}\" y=\"{:.1}\">{label}</text>",
                    left - 8.0,
                    y + 4.0
                ),
            );
        }
        for (x, name) in &self.across {
            let x = across.at(*x);
            add(
                svg,
                &format!("<line class=\"grid\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{low}\"/>"),
            );
            let name = escape(name);
            add(
                svg,
                &format!("<text text-anchor=\"middle\" x=\"{x:.1}\" y=\"{:.1}\">{name}</text>", low + 20.0),
            );
        }
        let unit = escape(self.unit);
        add(svg, &format!("<text x=\"{left}\" y=\"{:.1}\">{unit}</text>", HEIGHT - 12.0));
    }
}

fn draw(svg: &mut String, series: &Series, number: usize, at: &[(f64, f64)]) {
    let points: String = at.iter().map(|(x, y)| format!("{x:.1},{y:.1} ")).collect();
    let width = if number == 0 { 3.5 } else { 1.8 };
    let broken = if series.limit { " stroke-dasharray=\"5 4\"" } else { "" };
    let colour = colour(number);
    add(
        svg,
        &format!(
            "<polyline class=\"s{colour}\" fill=\"none\" stroke-width=\"{width}\"{broken} points=\"{}\"/>",
            points.trim_end()
        ),
    );
    if !series.limit {
        for (x, y) in at {
            add(
                svg,
                &format!(
                    "<circle class=\"t{colour}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{:.1}\"/>",
                    width + 0.7
                ),
            );
        }
    }
}

/// A logarithmic axis.
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    /// An axis that holds all of the numbers, drawn from one place to the other.
    fn over(numbers: impl Iterator<Item = f64>, from: f64, to: f64) -> Option<Self> {
        let (low, high) = numbers.fold((f64::INFINITY, 0.0_f64), |(low, high), n| (low.min(n), high.max(n)));
        (low > 0.0 && low < high).then_some(Self { low, high, from, to })
    }

    fn at(&self, number: f64) -> f64 {
        let part = (number / self.low).ln() / (self.high / self.low).ln();
        self.from + part * (self.to - self.from)
    }

    /// The powers of ten on it.
    fn powers(&self) -> impl Iterator<Item = f64> {
        let (low, high) = (self.low, self.high);
        (-3..12)
            .map(|power| 10_f64.powi(power))
            .filter(move |power| (low * 0.999..=high * 1.001).contains(power))
    }
}

/// The powers of ten around a number.
fn decade(number: f64) -> [f64; 2] {
    let power = number.log10();
    [10_f64.powf(power.floor()), 10_f64.powf(power.ceil())]
}

/// Moves labels apart that would cover one another, and keeps their order.
fn apart(mut ends: Vec<(f64, usize)>) -> Vec<(f64, usize)> {
    ends.sort_by(|one, other| one.0.total_cmp(&other.0));
    for index in 1..ends.len() {
        ends[index].0 = ends[index].0.max(ends[index - 1].0 + LINE);
    }
    // Back up, where that pushed them over the lower edge.
    let mut lowest = HEIGHT - 8.0;
    for end in ends.iter_mut().rev() {
        end.0 = end.0.min(lowest);
        lowest = end.0 - LINE;
    }
    ends
}

/// Bars from zero, the shortest first, with their numbers.
#[derive(Clone, Debug)]
pub(crate) struct Bars {
    /// What it shows.
    pub(crate) title: String,
    /// What is counted.
    pub(crate) unit: &'static str,
    /// A bar each: its name, its number, and whether the picture is about it.
    pub(crate) bars: Vec<(&'static str, f64, bool)>,
}

impl Bars {
    /// The picture; nothing when there is nothing to draw.
    pub(crate) fn svg(&self) -> Option<String> {
        let mut bars = self.bars.clone();
        bars.sort_by(|one, other| one.1.total_cmp(&other.1));
        let lengths = Axis::over(bars.iter().flat_map(|(_, ns, _)| decade(*ns)), 250.0, WIDTH - 90.0)?;
        let mut svg = head(&self.title);
        let step = (HEIGHT - TOP - 30.0) / f64::from(u32::try_from(bars.len()).ok()?);
        let height = (step * 0.62).min(26.0);
        let mut y = TOP;
        for (name, ns, about) in bars {
            let (end, middle) = (lengths.at(ns), y + height * 0.5 + 4.0);
            let colour = if about { 0 } else { 7 };
            let name = escape(name);
            add(&mut svg, &format!("<text text-anchor=\"end\" x=\"240\" y=\"{middle:.1}\">{name}</text>"));
            add(
                &mut svg,
                &format!(
                    "<rect class=\"t{colour}\" x=\"250\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\"/>",
                    end - 250.0
                ),
            );
            add(&mut svg, &format!("<text x=\"{:.1}\" y=\"{middle:.1}\">{}</text>", end + 6.0, amount(ns)));
            y += step;
        }
        let unit = escape(self.unit);
        add(&mut svg, &format!("<text x=\"250\" y=\"{:.1}\">{unit}</text>", HEIGHT - 10.0));
        add(&mut svg, "</svg>");
        Some(svg)
    }
}

fn head(title: &str) -> String {
    let title = escape(title);
    let mut style = String::from(
        "svg{background:#fff}text{font:13px sans-serif;fill:#1e293b}.title{font-size:16px;font-weight:600}\
         .grid{stroke:#e2e8f0}",
    );
    let mut dark = String::from("svg{background:#0d1117}text{fill:#e2e8f0}.grid{stroke:#30363d}");
    for (number, (light, other)) in COLOURS.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(style, ".s{number}{{stroke:{light}}}.t{number}{{fill:{light}}}");
        let _ = write!(dark, ".s{number}{{stroke:{other}}}.t{number}{{fill:{other}}}");
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n<title>{title}</title>\n\
         <style>{style}@media(prefers-color-scheme:dark){{{dark}}}</style>\n\
         <text class=\"title\" x=\"20\" y=\"28\">{title}</text>\n"
    )
}

fn colour(number: usize) -> usize {
    number % COLOURS.len()
}

fn add(svg: &mut String, element: &str) {
    svg.push_str(element);
    svg.push('\n');
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// Nanoseconds as people say them.
fn amount(ns: f64) -> String {
    match ns {
        ns if ns < 9.95 && ns.fract() != 0.0 => format!("{ns:.1} ns"),
        ns if ns < 999.5 => format!("{ns:.0} ns"),
        ns if ns < 9_950.0 && ns % 1000.0 != 0.0 => format!("{:.1} us", ns / 1e3),
        ns if ns < 999_500.0 => format!("{:.0} us", ns / 1e3),
        ns => format!("{:.0} ms", ns / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_is_logarithmic() {
        let axis = Axis::over([1.0, 100.0].into_iter(), 0.0, 200.0).unwrap();
        assert!((axis.at(10.0) - 100.0).abs() < 1e-9);
        assert_eq!(axis.powers().collect::<Vec<_>>(), [1.0, 10.0, 100.0]);
        assert!(Axis::over(std::iter::empty(), 0.0, 1.0).is_none());
    }

    #[test]
    fn labels_do_not_cover_one_another() {
        let moved = apart(vec![(100.0, 0), (101.0, 1), (90.0, 2), (HEIGHT, 3), (HEIGHT, 4)]);
        assert_eq!(moved.iter().map(|(_, number)| *number).collect::<Vec<_>>(), [2, 0, 1, 3, 4]);
        assert!(moved.windows(2).all(|pair| pair[1].0 - pair[0].0 >= LINE - 1e-9));
        assert!(moved.iter().all(|(y, _)| *y < HEIGHT));
    }

    #[test]
    fn amounts() {
        assert_eq!(
            [3.77, 10.0, 999.6, 1000.0, 41_234.0, 3.9e6].map(amount),
            ["3.8 ns", "10 ns", "1.0 us", "1 us", "41 us", "4 ms"]
        );
    }

    #[test]
    fn a_picture_is_well_formed_and_names_everybody() {
        let series = |label, first| Series { label, points: vec![(8.0, first), (64.0, 900.0)], limit: false };
        let plot = Plot {
            title: "a < b".to_owned(),
            across: vec![(8.0, "8 B".to_owned()), (64.0, "64 B".to_owned())],
            unit: "ns & more",
            series: vec![series("one", 3.0), series("other", 4.0)],
        };
        let bars = Bars {
            title: "t".to_owned(),
            unit: "u",
            bars: vec![("one", 100.0, true), ("other", 4000.0, false)],
        };
        for svg in [plot.svg().unwrap(), bars.svg().unwrap()] {
            let picture = roxmltree::Document::parse(&svg).unwrap();
            for name in ["one", "other"] {
                assert!(picture.descendants().any(|node| node.text() == Some(name)), "{name}");
            }
        }
        assert!(Plot { series: vec![], ..plot }.svg().is_none());
    }
}
