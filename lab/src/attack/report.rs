//! What an attack came to.

use std::fmt;
use std::time::Duration;

use super::conversation::{Talk, Way};
use crate::Scribbled;

/// What an attack came to, once everything held that must.
#[derive(Debug)]
pub struct Report {
    pub(super) span: Duration,
    /// Of each scribbler: two of them alone in their regions, one among others.
    pub(super) scribbled: Vec<Scribbled>,
    /// The conversation in the region that no scribbler can reach.
    pub(super) apart: Talk,
    /// The one in the region that is scribbled on.
    pub(super) beside: Talk,
    /// From the last scribbler's end until everybody talked again.
    pub(super) recovery: Duration,
    /// Memory of the daemon before and after, in KiB.
    pub(super) resident: [u64; 2],
    pub(super) log_lines: usize,
}

impl Report {
    /// What came to nobody in the region that no scribbler can reach: 0, or there is no report.
    #[must_use]
    pub fn lost_apart(&self) -> u64 {
        self.apart.to_host.lost + self.apart.to_guest.lost
    }

    /// Messages that were received there.
    #[must_use]
    pub fn said_apart(&self) -> u64 {
        self.apart.to_host.received + self.apart.to_guest.received
    }

    /// Pieces of garbage that all scribblers together have written.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.scribbled.iter().map(Scribbled::total).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pieces = self.written();
        let words: u64 = self.scribbled.iter().map(|scribbled| scribbled.words).sum();
        let storms: u64 = self.scribbled.iter().map(|scribbled| scribbled.storms).sum();
        let [before, after] = self.resident;
        writeln!(
            f,
            "{} scribblers: {storms} storms, {pieces} pieces of garbage, {words} words",
            self.scribbled.len()
        )?;
        writeln!(f, "in a region of its own: {}", Told(&self.apart))?;
        writeln!(f, "in the scribbled region: {}", Told(&self.beside))?;
        writeln!(
            f,
            "the daemon: the same process, {before} KiB before and {after} KiB after, {} lines of log",
            self.log_lines
        )?;
        write!(
            f,
            "{:.1} minutes, {} lost where nobody else writes, everybody talks again after {:.1} s",
            self.span.as_secs_f64() / 60.0,
            self.lost_apart(),
            self.recovery.as_secs_f64()
        )
    }
}

struct Told<'a>(&'a Talk);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Talk { to_host, to_guest, asked, answered, sessions_lost } = self.0;
        let way =
            |way: &Way| format!("{} sent, {} received, {} damaged", way.sent, way.received, way.damaged);
        write!(
            f,
            "{} to the host; {} to the guest; {answered} of {asked} requests answered; {sessions_lost} sessions lost",
            way(to_host),
            way(to_guest)
        )
    }
}
