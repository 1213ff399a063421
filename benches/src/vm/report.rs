//! What a comparison in a guest found.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    idle::{Crowd, Idle},
    table,
    transport::Transport,
    way::Way,
};
use crate::{report::Report as Measured, system::System};

/// The guest that a report was made with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surroundings {
    /// What runs its instructions.
    pub accelerator: String,
    /// QEMU's name and version.
    pub qemu: String,
    /// Its kernel's release.
    pub kernel: String,
    /// What its kernel takes the time from.
    pub clock: String,
}

/// A transport that could not be measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absent {
    /// Which one.
    pub transport: Transport,
    /// Why.
    pub reason: String,
}

/// The whole comparison in a guest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The guest.
    pub guest: Surroundings,
    /// The transports, measured as the peers of two processes are.
    pub measured: Measured<Transport, Way>,
    /// Who is missing.
    pub absent: Vec<Absent>,
    /// What waiting costs, for each profile; empty where only some transports were asked for.
    pub idle: Vec<Idle>,
    /// What many idle guests cost the daemon.
    pub crowd: Option<Crowd>,
}

impl fmt::Display for Report {
    /// All tables, and what they were made on.
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Surroundings { accelerator, qemu, kernel, clock } = &self.guest;
        let System { processor, used: [host, guest], commit, optimised, .. } = &self.measured.system;
        let commit = commit.as_deref().unwrap_or("unknown");
        writeln!(to, "{processor}, host on processor {host}, guest on {guest}")?;
        writeln!(to, "{qemu} with {accelerator}, guest's kernel {kernel}, clock {clock}")?;
        let Measured { rounds, measured_ms, .. } = &self.measured;
        writeln!(to, "commit {commit}, {rounds} rounds of {measured_ms} ms")?;
        if !optimised {
            writeln!(to, "This is a debug build: its figures mean nothing. Build it with --release.")?;
        }
        for table in table::all(self) {
            write!(to, "\n{}", table.text())?;
        }
        for Absent { transport, reason } in &self.absent {
            writeln!(to, "\nNOT MEASURED: {}: {reason}", transport.label())?;
        }
        write!(to, "\n{}", crate::table::NOTE)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{measurement::Sample, placement::Placement, worker::Figure};

    /// A report of samples: transport, way, round, nanoseconds one way.
    pub(crate) fn report(samples: &[(Transport, Way, usize, f64)]) -> Report {
        let samples = samples.iter().map(|(transport, way, round, ns)| Sample {
            peer: *transport,
            test: *way,
            round: *round,
            placement: Some(Placement::Near),
            probes_ns: vec![59.0, 60.0],
            others_ms: 0,
            held_up_ns: 0,
            disturbed: false,
            figure: Figure::OneWay { ns: *ns, count: 1 },
        });
        let text = |text: &str| text.to_owned();
        Report {
            guest: Surroundings {
                accelerator: text("TCG"),
                qemu: text("QEMU"),
                kernel: text("6.1"),
                clock: text("tsc"),
            },
            measured: Measured::new(System::here([0, 1]), 3, 100, 0, samples.collect()),
            absent: vec![Absent { transport: Transport::Vsock, reason: text("there is no network") }],
            idle: vec![Idle {
                profile: text("balanced"),
                cap_us: 4000,
                agent_percent: 0.5,
                agent_turns: 250.0,
                sleeper_percent: 0.3,
                sleeper_turns: 200.0,
                daemon_percent: 0.6,
                first_us: vec![1000.0, 2000.0, 5000.0],
                oversleep_us: [60.0, 90.0],
            }],
            crowd: Some(Crowd { guests: 64, daemon_percent: 0.7 }),
        }
    }
}
