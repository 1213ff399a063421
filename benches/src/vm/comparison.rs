//! The whole comparison in a guest: its boot, rounds of measurements, what waiting costs, and a report.

use std::time::{Duration, Instant};

use ivring_lab::prepare_vhost_vsock;

use super::{
    idle,
    machine::Machine,
    measurement::measure,
    orders::Orders,
    report::{Absent, Report},
    transport::Transport,
    way::{Way, turns},
};
use crate::{
    compare::{Extent, until_good},
    failure::Failure,
    processors::first_two,
    report::Report as Measured,
    system::System,
};

/// What to compare.
#[derive(Clone, Debug)]
pub struct Options {
    /// How much is measured.
    pub extent: Extent,
    /// How many rounds, instead of what belongs to the extent.
    pub rounds: Option<usize>,
    /// Who takes part; all, and what waiting costs besides, where nobody is named.
    pub transports: Vec<Transport>,
}

/// Boots a guest and measures everybody in it. `progress` is told of each part as it begins.
///
/// Builds what it needs first: the programs of the project, and for vsock a published program. Without that one the report says
/// so, and holds the others. Guest, programs and files are gone when this returns, and after any other end of this process.
///
/// # Errors
///
/// See [`Failure`]: where one measurement fails, the comparison does.
pub fn compare(options: &Options, mut progress: impl FnMut(&str)) -> Result<Report, Failure> {
    let mut transports = options.transports.clone();
    if transports.is_empty() {
        transports = Transport::all().to_vec();
    }
    // Host and guest spin: they need a processor each.
    let processors = first_two()?;
    let vsock = transports.iter().any(|transport| transport.is_vsock()).then(prepare_vhost_vsock);
    let vsock = vsock.transpose().map_err(|error| error.to_string());
    let absent: Vec<Absent> = match &vsock {
        Ok(_) => Vec::new(),
        Err(reason) => {
            let missing = transports.iter().copied().filter(|transport| transport.is_vsock());
            missing.map(|transport| Absent { transport, reason: reason.clone() }).collect()
        }
    };
    for Absent { transport, reason } in &absent {
        progress(&format!("NOT MEASURED: {}: {reason}", transport.label()));
        transports.retain(|present| present != transport);
    }
    progress("building what runs in the guest, and booting it");
    let mut machine = Machine::boot(vsock.ok().flatten().as_deref(), processors[1])?;
    let guest = machine.surroundings()?;

    let (warm_up_us, measured_us) = options.extent.lengths_us();
    let rounds = options.rounds.unwrap_or_else(|| options.extent.rounds_in_guest());
    let (mut samples, mut repeated, mut round) = (Vec::new(), 0, 0);
    let (begun, mut longest) = (Instant::now(), Duration::ZERO);
    while round < rounds && begun.elapsed() + longest < options.extent.limit_in_guest() {
        let round_begun = Instant::now();
        for way in Way::all() {
            progress(&format!(
                "round {} of {rounds}: {} bytes {}",
                round + 1,
                way.test.length(),
                way.label()
            ));
            for transport in turns(&transports, way, round) {
                let tcp_port = machine.tcp_port;
                let orders = Orders { transport, way, warm_up_us, measured_us, tcp_port };
                let taken = until_good(|| measure(&mut machine, &orders, round, processors))?;
                repeated += taken.len() - 1;
                samples.extend(taken);
            }
        }
        longest = longest.max(round_begun.elapsed());
        round += 1;
    }
    let measured = Measured::new(System::here(processors), round, measured_us / 1000, repeated, samples);
    let (idle, crowd) = if options.transports.is_empty() {
        let crowd = idle::crowd(&machine, &mut progress)?;
        (idle::profiles(machine, processors[0], &mut progress)?, Some(crowd))
    } else {
        (Vec::new(), None)
    };
    Ok(Report { guest, measured, absent, idle, crowd })
}
