//! Which virtual machines are gone: only then is a channel taken from one that is silent.

use std::time::Duration;

use ivring_proto::link::HostEnd;
use ivring_proto::memory::MappedFile;
use ivring_proto::session::{CloseReason, Phase};

use super::Host;
use crate::mappers::Mappers;

/// A guest silent for this long is looked for among the processes.
const SILENT: Duration = Duration::from_secs(2);

impl Host {
    /// Notes which virtual machines map the region; only of one that was seen can it be said that it is gone.
    pub(super) fn sight(&mut self) {
        self.sight_is_due = false;
        if let Ok(scan) = Mappers::scan(&self.region.file) {
            self.note(&scan);
            self.table_is_old = true;
        }
    }

    fn note(&mut self, scan: &Mappers) {
        let bindings = || self.ends.iter().filter_map(|end| end.channel().binding());
        self.sightings.note(scan, |vm| bindings().any(|binding| binding.identity.uuid == vm));
    }

    /// Frees the channels of virtual machines that are gone. Silence is only the occasion to look.
    pub(super) fn look_for_silent_guests(&mut self) {
        let silent = |end: &HostEnd<MappedFile>| match end.channel().phase() {
            Phase::Free => false,
            Phase::Offered | Phase::Closed(_) => true,
            Phase::Attached => end.channel().silent_for() >= SILENT,
        };
        if !self.ends.iter().any(silent) {
            return;
        }
        let Ok(scan) = Mappers::scan(&self.region.file) else { return };
        self.note(&scan);
        for end in self.ends.iter_mut().filter(|end| silent(end) && !end.is_changing_hands()) {
            let Some(binding) = end.channel().binding() else { continue };
            if self.sightings.vm_is_gone(&scan, binding.identity.uuid) == Some(true) {
                end.end(CloseReason::VmGone);
            }
        }
    }
}
