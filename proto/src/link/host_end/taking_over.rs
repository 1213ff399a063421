//! What a new host does with a channel that an old one left.

use super::{After, HostEnd};
use crate::layout::{Geometry, VersionRange, control_word as word, entry_word, is_position};
use crate::link::{Counters, Link};
use crate::memory::Memory;
use crate::ring::Fault;
use crate::session::{Binding, Channel, CloseReason, EntryError, Phase};
use core::time::Duration;

impl<M: Memory + Clone> HostEnd<M> {
    /// Takes over a channel as it is in the region; `None` past the last channel.
    ///
    /// A session that an earlier host left goes on. One whose rings make no sense is closed, and its guest joins anew.
    /// `remembered` is what the host knows of the session from outside the region, see [`Channel::recover`].
    pub fn recover(
        memory: M,
        geometry: &Geometry,
        index: u64,
        now: Duration,
        stale_after: Duration,
        remembered: Option<&Binding>,
    ) -> Option<Self> {
        let place = geometry.channel(index)?;
        let channel = Channel::recover(&memory, place, now, stale_after, remembered);
        let sane = |position: u64| if is_position(position) { position } else { place.first_position };
        let mut end = HostEnd {
            to_host: sane(memory.load(place.to_host.consumer + word::HEAD)),
            to_guest: sane(memory.load(place.to_guest.producer + word::HINT)),
            memory,
            index,
            channel,
            link: None,
            drain: None,
            unreadable: false,
            resumed: false,
            events: [None; 4],
            counters: Counters::default(),
        };
        match end.channel.phase() {
            Phase::Attached => end.take_over_rings(),
            Phase::Offered | Phase::Closed(CloseReason::Superseded) => end.take_over_offer(),
            _ => end.take_over_ending(),
        }
        Some(end)
    }

    pub(super) fn take_over_rings(&mut self) {
        let Some(binding) = self.channel.binding().copied() else { return };
        if !VersionRange::SUPPORTED.contains(binding.version) {
            // Begun with a newer host than this one: the guest joins anew, with what both speak.
            return self.give_up(EntryError::Version {
                channel: self.index,
                found: binding.version,
                supported: VersionRange::SUPPORTED,
            });
        }
        match self.recovered_link(&binding) {
            Ok(link) => self.link = Some(link),
            Err(fault) => self.give_up(fault),
        }
    }

    /// An earlier host died while it offered the channel, or before that was confirmed. If the offer was to the owner's next
    /// program, the ring to the guest goes on with it, or with the one after that.
    fn take_over_offer(&mut self) {
        let start = self.memory.load(self.channel.place().entry + entry_word::TO_GUEST_START);
        let Some(binding) = self.channel.binding() else { return };
        let Ok(mut link) = self.recovered_link(binding) else { return };
        let Ok(head) = link.tx().head() else { return };
        // For anybody else it begins anew where the host stands, and the head that is found is of an earlier ring.
        if head.wrapping_sub(start) <= link.tx().position().wrapping_sub(start) {
            self.link = Some(link);
        }
    }

    /// Ends what an earlier host had begun to end: what the guest had published is received first.
    fn take_over_ending(&mut self) {
        if let Some(reason) = self.channel.unfinished_ending(&self.memory) {
            self.link = self.channel.binding().and_then(|binding| self.recovered_link(binding).ok());
            self.begin_drain(After::Free(reason), true);
        }
    }

    /// Both rings as an earlier host left them, where they make sense.
    fn recovered_link(&self, binding: &Binding) -> Result<Link<M>, Fault> {
        let place = self.channel.place();
        let (tx, rx) = ((place.to_guest, binding.to_guest_salt), (place.to_host, binding.salt));
        Link::recover(&self.memory, tx, rx)
    }
}
