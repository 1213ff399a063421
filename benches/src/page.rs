//! docs/benchmarks.md and its pictures, written from a report.

use std::{fs, path::Path};

use crate::{
    failure::Failure,
    measurement::Test,
    peers::Peer,
    placement::Placement,
    plot::{Bars, Plot, Series},
    report::Report,
    schedule::ONE_WAY,
    table::{self, NOTE, bytes},
    targets::{Row, amount, targets},
    why::why,
};

/// Who is drawn one way, the most interesting first.
const DRAWN: [Peer; 9] = [
    Peer::RingBatched,
    Peer::Ring,
    Peer::RtrbValues,
    Peer::RtrbChunksBatched,
    Peer::Crossbeam,
    Peer::Iceoryx2,
    Peer::ShmemIpc,
    Peer::UnixStream,
    Peer::UnixSocket,
];

/// Writes the page and its pictures below `docs`.
///
/// # Errors
///
/// [`Failure::Io`] when a file cannot be written.
pub fn write(report: &Report, docs: &Path) -> Result<(), Failure> {
    let folder = docs.join("benchmarks");
    fs::create_dir_all(&folder).map_err(Failure::io("docs/benchmarks"))?;
    let placement = usual_placement(report);
    let mut pictures = String::new();
    for (name, title, svg) in [
        ("one-way.svg", "One way", one_way(report, placement).svg()),
        ("round-trip.svg", "Round trips", round_trips(report, placement).svg()),
    ] {
        if let Some(svg) = svg {
            fs::write(folder.join(name), svg).map_err(Failure::io("docs/benchmarks"))?;
            pictures += &format!("![{title}](benchmarks/{name})\n\n");
        }
    }
    fs::write(docs.join("benchmarks.md"), page(report, &pictures)).map_err(Failure::io("docs/benchmarks.md"))
}

/// The placement that most samples had.
pub(crate) fn usual_placement<P, T>(report: &Report<P, T>) -> Placement {
    let count =
        |placement| report.samples.iter().filter(|sample| sample.placement == Some(placement)).count();
    if count(Placement::Far) > count(Placement::Near) { Placement::Far } else { Placement::Near }
}

fn one_way(report: &Report, placement: Placement) -> Plot {
    let series = |peer: &Peer| {
        let points = ONE_WAY.iter().filter_map(|length| {
            let cell = report.cell(*peer, Test::OneWay { length: *length }, placement)?;
            Some((number(*length), cell.ns))
        });
        Series { label: peer.label(), points: points.collect(), limit: peer.is_limit() }
    };
    let drawn = DRAWN.iter().chain([&Peer::CopyNear]).map(series);
    Plot {
        title: format!("One way between two cores ({})", placement.label()),
        across: ONE_WAY.iter().map(|length| (number(*length), bytes(*length))).collect(),
        unit: "time a message, by its length; less is better",
        series: drawn.filter(|series| !series.points.is_empty()).collect(),
    }
}

fn round_trips(report: &Report, placement: Placement) -> Bars {
    let bars = Peer::all().iter().filter_map(|peer| {
        let cell = report.cell(*peer, Test::RoundTrip { length: 56 }, placement)?;
        Some((peer.label(), cell.ns, matches!(peer, Peer::Ring | Peer::Link)))
    });
    Bars {
        title: format!("Round trip of 56 bytes between two cores ({})", placement.label()),
        unit: "usual time there and back, logarithmic; less is better",
        bars: bars.collect(),
    }
}

/// A length is far below 2^32.
pub(crate) fn number(length: usize) -> f64 {
    u32::try_from(length).map_or(f64::INFINITY, f64::from)
}

fn page(report: &Report, pictures: &str) -> String {
    let system = &report.system;
    let tables: String = table::all(report).iter().map(|table| table.markdown() + "\n").collect();
    format!(
        "# Benchmarks\n\n<!-- Written by `cargo compare --write` from a real run. Do not edit. -->\n\n{METHOD}\n\
         ## The machine\n\n| what | |\n| --- | --- |\n| processor | {} |\n| processors used | {} and {} of {}{} |\n\
         | virtual machine | {} |\n| kernel | {} |\n| shared memory | {} |\n| commit | {} |\n\
         | rounds | {} of {} ms a measurement, {} repeated |\n\n\
         ## Results\n\n{pictures}{tables}{}\n\n\
         {}\n\
         ## What the limits are\n\n{}",
        system.processor,
        system.used[0],
        system.used[1],
        system.processors,
        if system.one_core { ", threads of one core" } else { "" },
        if system.virtual_machine { "yes" } else { "no" },
        system.kernel,
        system.memory,
        system.commit.as_deref().unwrap_or("unknown"),
        report.rounds,
        report.measured_ms,
        report.repeated,
        note(),
        judged(targets(report)),
        sentences(why(report)),
    )
}

/// A list of sentences.
pub(crate) fn sentences(all: Vec<String>) -> String {
    if all.is_empty() {
        "None was measured.\n".to_owned()
    } else {
        all.iter().map(|one| format!("- {one}\n")).collect()
    }
}

/// Two sections: what falls short, and what does not.
pub(crate) fn judged(rows: Vec<Row>) -> String {
    let (held, short): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(Row::holds);
    let [short, held] = [short, held].map(|rows| {
        let lines: String = rows.iter().map(line).collect();
        if lines.is_empty() { "None.\n".to_owned() } else { HEAD.to_owned() + &lines }
    });
    format!("## Where ivring falls short of its targets\n\n{short}\n## Targets that were reached\n\n{held}")
}

/// What the marks in the tables mean.
pub(crate) fn note() -> String {
    format!("Medians; {}", NOTE.replace('*', "\\*").replace("   ", "; "))
}

const HEAD: &str = "| what | measured | at most |\n| --- | ---: | ---: |\n";

fn line(row: &Row) -> String {
    format!("| {} | {} | {} |\n", row.what, amount(row.measured), amount(row.at_most))
}

/// How it is measured, for somebody who wants to know what the numbers mean.
const METHOD: &str = "\
`cargo compare` measures ivring beside what somebody would use instead, on one machine, in one run. What it is beside the other
ways into a virtual machine is in [benchmarks-vm.md](benchmarks-vm.md).

## Method

- Two fresh processes a measurement, pinned to a core each; two threads of one process for peers that cannot do more, and the
  tables say so. Everybody has the same room on the way: 256 KiB, and 1 MiB for messages of 64 KiB.
- The payload is copied in from a pool of ready messages, and copied out to private memory, for every peer; also for those that
  can hand out a view instead. By-value peers are checked in the value that they return, which is that copy.
- The receiver checks length, order, first and last word of each message, and every byte of the first 1024, up to 4 MiB, and of
  one in 1024.
- One way: the sender sends for a while, then marks the beginning and, later, the end; the receiver has the clock.
  *Batched* means that a sender publishes at least 16 messages and at least a page at once, but not more than 64 KiB. The link has
  an envelope and a topic with each message.
- Round trips: *usual* is the median of the means of 64 in a row, without the time it takes to read the clock. The percentiles
  are of single ones and include it.
- Everybody who is polled waits with the same loop. Whoever blocks also pays for a sleeping processor to wake.
- Everybody has a turn in each test of each round, one after the other, in another order each round. Ratios are medians of the
  ratios in each round.
- A hypervisor may move two processors apart or together within seconds, and every number changes with it. A raw line's
  round trip before and after tells *near* from *far*, which have tables of their own; where it changed in between the
  measurement is repeated. So it is when other processes used more than a tenth of a processor meanwhile, or held up the two
  sides for more than a twentieth of the time.

To repeat it: `cargo compare --write`, or with iceoryx2 and shmem-ipc, which takes libclang to build,
`cargo run --release -p ivring-benches --features peers --bin ivring-compare -- --write`.
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    #[test]
    fn a_page_has_its_tables_pictures_and_shortcomings() {
        let folder = std::env::temp_dir().join(format!("ivring-page-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let samples = [
            (Peer::Ring, 64, 0, 4.0, false),
            (Peer::Ring, 256, 0, 30.0, false),
            (Peer::Ideal, 64, 0, 3.0, false),
        ];
        let written = write(&report(&samples), &folder);
        let page = fs::read_to_string(folder.join("benchmarks.md"));
        let picture = fs::read_to_string(folder.join("benchmarks/one-way.svg"));
        fs::remove_dir_all(&folder).unwrap();
        written.unwrap();
        let page = page.unwrap();
        assert!(page.contains("![One way](benchmarks/one-way.svg)"));
        assert!(page.contains("| ivring, each message | - | 4.0 (1) | 30 (1) |"), "{page}");
        let short = page.split("## Where ivring falls short").nth(1).unwrap();
        assert!(short.contains("| 1.33 | 1.05 |"));
        assert!(picture.unwrap().contains("ivring, each message"));
    }
}
