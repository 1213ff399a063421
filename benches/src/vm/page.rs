//! docs/benchmarks-vm.md and its pictures, written from a report.

use std::{fs, path::Path};

use super::{
    report::{Absent, Report},
    table,
    targets::targets,
    transport::Transport,
    way::{End, LENGTHS, Way},
    why::why,
};
use crate::{
    failure::Failure,
    measurement::Test,
    page::{judged, note, number, sentences, usual_placement},
    plot::{Bars, Plot, Series},
    table::bytes,
};

/// Writes the page and its pictures below `docs`.
///
/// # Errors
///
/// [`Failure::Io`] when a file cannot be written.
pub fn write(report: &Report, docs: &Path) -> Result<(), Failure> {
    let folder = docs.join("benchmarks");
    fs::create_dir_all(&folder).map_err(Failure::io("docs/benchmarks"))?;
    let mut pictures = String::new();
    for (name, title, svg) in [
        ("vm-round-trip.svg", "Round trips between host and guest", round_trips(report).svg()),
        ("vm-one-way.svg", "One way, guest to host", one_way(report).svg()),
    ] {
        if let Some(svg) = svg {
            fs::write(folder.join(name), svg).map_err(Failure::io("docs/benchmarks"))?;
            pictures += &format!("![{title}](benchmarks/{name})\n\n");
        }
    }
    let failed = Failure::io("docs/benchmarks-vm.md");
    fs::write(docs.join("benchmarks-vm.md"), page(report, &pictures)).map_err(failed)
}

fn round_trips(report: &Report) -> Bars {
    let way = Way { test: Test::RoundTrip { length: 64 }, clock: End::Host };
    let placement = usual_placement(&report.measured);
    // What one side does alone is no round trip.
    let drawn = Transport::all().iter().filter(|transport| **transport != Transport::Alone);
    let bars = drawn.filter_map(|transport| {
        let cell = report.measured.cell(*transport, way, placement)?;
        Some((transport.label(), cell.ns, transport.is_ivring()))
    });
    Bars {
        title: format!("Round trip of 64 bytes between host and guest ({})", report.guest.accelerator),
        unit: "usual time there and back, logarithmic; less is better",
        bars: bars.collect(),
    }
}

fn one_way(report: &Report) -> Plot {
    let placement = usual_placement(&report.measured);
    let series = |transport: &Transport| {
        let points = LENGTHS.iter().filter_map(|length| {
            let way = Way { test: Test::OneWay { length: *length }, clock: End::Host };
            let cell = report.measured.cell(*transport, way, placement)?;
            Some((number(*length), cell.ns))
        });
        Series { label: transport.label(), points: points.collect(), limit: false }
    };
    // The one it is about first.
    let first = [Transport::RingBatched, Transport::Link, Transport::Ring];
    let drawn = first.into_iter().chain(Transport::peers()).map(|transport| series(&transport));
    Plot {
        title: format!("One way, from the guest to the host ({})", report.guest.accelerator),
        across: LENGTHS.iter().map(|length| (number(*length), bytes(*length))).collect(),
        unit: "time a message, by its length; less is better",
        series: drawn.filter(|series| !series.points.is_empty()).collect(),
    }
}

fn page(report: &Report, pictures: &str) -> String {
    let (guest, measured) = (&report.guest, &report.measured);
    let system = &measured.system;
    let tables: String = table::all(report).iter().map(|table| table.markdown() + "\n").collect();
    let absent: String = report
        .absent
        .iter()
        .map(|Absent { transport, reason }| format!("Not measured: {}: {reason}\n\n", transport.label()))
        .collect();
    format!(
        "# Benchmarks in a virtual machine\n\n<!-- Written by `cargo compare --vm --write` from a real run. Do not edit. -->\n\n\
         {METHOD}\n## The machine\n\n| what | |\n| --- | --- |\n| processor | {} |\n\
         | processors used | {} by the host's side, {} by the guest's |\n| the machine is a virtual one itself | {} |\n\
         | kernel | {} |\n| accelerator | {} |\n| QEMU | {} |\n| guest's kernel | {} |\n| guest's clock | {} |\n\
         | shared memory | {} |\n| commit | {} |\n| rounds | {} of {} ms a measurement, {} repeated |\n\n\
         ## Results\n\n{pictures}{tables}{absent}{}\n\n{}\n## What the limits are\n\n{}",
        system.processor,
        system.used[0],
        system.used[1],
        if system.virtual_machine { "yes" } else { "no" },
        system.kernel,
        guest.accelerator,
        guest.qemu,
        guest.kernel,
        guest.clock,
        memory(&guest.accelerator),
        system.commit.as_deref().unwrap_or("unknown"),
        measured.rounds,
        measured.measured_ms,
        measured.repeated,
        note(),
        judged(targets(report)),
        sentences(why(report)),
    )
}

/// What the guest's mapping of the device's memory comes to.
fn memory(accelerator: &str) -> &'static str {
    match accelerator {
        "TCG" => {
            "a file in memory; `resource2` in the guest, which TCG treats as write-back whatever its type"
        }
        _ => {
            "a file in memory; `resource2` in the guest, mapped uncached unless the hypervisor says otherwise"
        }
    }
}

/// How it is measured, for somebody who wants to know what the numbers mean.
const METHOD: &str = "\
`cargo compare --vm` boots a guest and measures ivring beside the other ways between it and its host, in one run. Two processes
of one machine are in [benchmarks.md](benchmarks.md).

## Method

- One guest with one processor has all devices at once: two of ivshmem (a region for sessions, and plain memory for the raw lines
  and the bare ring), a virtio serial port, vsock by vhost-device-vsock, and a virtio network card on QEMU's user-mode network.
- The guest's processor is a thread of QEMU, pinned to one processor of the host; the host's side is a thread pinned to the other.
  QEMU's own thread and the device of vsock run where there is room. Whoever of the others waits blocks, so that there is.
- A fresh process in the guest for each measurement. It meets the host's side in the plain memory before and after, so that its
  start does not count.
- The side that receives, or that begins a round trip, has the clock; both directions are measured. Every message is checked as
  between two processes: length, order, first and last word of each, every byte of some.
- *Batched* ivring publishes at least 16 messages and at least a page at once. *64 KiB at a time* is the same for streams: messages
  gather until 64 KiB are written in one call. *Each message* writes each with its length in one call. Readers always read as
  much as there is. The link is a session of the host's and the guest's library, with envelope and topic, in a region as
  `ivringd` makes it.
- Everybody has a turn in each test of each round, one after the other, in another order each round. Ratios are medians of the
  ratios in each round. A measurement is repeated when a raw line between the two processors took another time before than
  after, or when processes that have no part in it used more than a tenth of a processor.
- *The ring without another side* is a message pushed and taken out again by the side with the clock, in the device's memory, and
  nobody else: its own part in a round trip.
- Idle: `ivringd` and `ivring-agent` in each profile with nothing to send, for three seconds of processor time as the scheduler counts
  it. The first message is a ping of the daemon after at least half a second of silence: time until the agent's answer is back,
  so both sides' waiting. *First* is the usual one, *stated* the longest sleep of the profile, *late* how much longer than asked for
  such a sleep usually takes in that guest, *turns* how often the agent came to the processor,
  *sleep* what a program takes in that guest that does nothing but sleep so long, again and again.
  The daemon is kept off the guest's processor. The crowd's guests are attached from a process of the host.

To repeat it: `cargo compare --vm --write`. It needs QEMU, busybox and a kernel, as `cargo demo` does, and builds
the published vhost-device-vsock once; without that, vsock is left out.
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::report::tests::report;

    #[test]
    fn a_page_has_its_tables_picture_and_who_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let way = |length| Way { test: Test::OneWay { length }, clock: End::Host };
        let samples = [
            (Transport::Ring, way(64), 0, 50.0),
            (Transport::Ring, way(1024), 0, 200.0),
            (Transport::Tcp, way(64), 0, 50_000.0),
        ];
        write(&report(&samples), folder.path()).unwrap();
        let page = fs::read_to_string(folder.path().join("benchmarks-vm.md")).unwrap();
        assert!(page.contains("![One way, guest to host](benchmarks/vm-one-way.svg)"), "{page}");
        assert!(page.contains("| ivring, each message | 50 (1) | 200 (1) | - |"), "{page}");
        assert!(page.contains("| ivring, each message | 1280 | 5120 | - |"), "{page}");
        assert!(page.contains("Not measured: vsock, each message: there is no network"), "{page}");
        assert!(page.contains("| balanced | 0.50 | 250 | 0.30 | 0.60 | 2000 | 5000 | 4000 | 60 |"), "{page}");
        let picture = fs::read_to_string(folder.path().join("benchmarks/vm-one-way.svg")).unwrap();
        assert!(picture.contains("TCP, each message"));
    }
}
