//! What a host does when somebody else writes in its place: another host, a snapshot or a copy that is put back over the
//! region, a scribbler.
//!
//! It stops at once, so that nothing is built on what it did not write, and two hosts never take turns. When nobody else
//! has written for a while, it writes its part of the region anew, with every session over, and its guests join again.

use std::time::Duration;

use ivring_proto::layout::{
    RegionState, Superblock, VersionRange, mend_superblock, read_superblock, write_state, write_superblock,
};
use ivring_proto::link::{FrontDesk, HostEnd};
use ivring_proto::session::Rival;

use super::{Host, entropy};
use crate::Event;

impl Host {
    /// True from [`Event::SecondWriter`] until [`Event::Regained`]: nobody is served meanwhile.
    pub fn stands_by(&self) -> bool {
        self.pulse.stands_by()
    }

    /// Beats, and says whether the region is this host's to write and to read.
    pub(super) fn is_the_writer(&mut self, now: Duration) -> bool {
        if !self.rota.hot().is_empty() {
            self.pulse.hasten();
        }
        match self.pulse.beat(&self.region.memory, now, &mut entropy) {
            Some(Rival::Found(second)) => {
                self.queue.push_back(Event::SecondWriter(second));
                self.stand_by(now);
            }
            Some(Rival::Gone) => {
                self.begin_anew(now);
                self.queue.push_back(Event::Regained);
            }
            None => {}
        }
        !self.pulse.stands_by()
    }

    fn stand_by(&mut self, now: Duration) {
        for index in 0..self.ends.len() {
            self.ends[index].abandon();
            while let Some(event) = self.ends[index].poll(now, &mut entropy) {
                self.take_note(index, event);
            }
        }
    }

    fn begin_anew(&mut self, now: Duration) {
        let memory = &self.region.memory;
        let geometry = self.region.superblock.geometry;
        let ours = self.own_superblock();
        if read_superblock(memory) != Ok(ours) {
            write_superblock(memory, &ours);
        }
        self.ends.iter().for_each(HostEnd::rewrite);
        // What stands in the join cells now may be of guests long gone.
        self.desk = FrontDesk::open(memory, &geometry, self.region.owner);
        self.pulse.renew(memory, &geometry, now, &mut entropy);
        write_state(memory, RegionState::Ready, "");
        let own = self.incarnation();
        self.exchanges.iter_mut().for_each(|exchange| exchange.renumber(own));
        self.table_is_old = true;
    }

    /// Looks whether the superblock is as this host wrote it, and puts it right where a guest has written: nobody could join
    /// any more.
    pub(super) fn check_superblock(&mut self) {
        if let Some(wrong) = mend_superblock(&self.region.memory, &self.own_superblock()) {
            self.queue.push_back(Event::SuperblockMended(wrong));
        }
    }

    fn own_superblock(&self) -> Superblock {
        Superblock { state: RegionState::Ready, versions: VersionRange::SUPPORTED, ..self.region.superblock }
    }
}
