//! When the region's file is taken away, or pages of it are.

use super::Host;
use crate::Event;
use crate::region_file::RegionLost;

impl Host {
    /// Gives the region up, if an access found no page, and says whether it did. The memory is the file's no longer, so what
    /// was found in it since says nothing about guests and is not told.
    pub(super) fn lose_pages(&mut self) -> bool {
        let Some(at) = self.region.memory.broken_at() else { return false };
        let file = &self.region.file;
        let lost = file.still_same().err();
        let lost = lost.unwrap_or_else(|| RegionLost::NoPage { path: file.path().to_owned(), at });
        self.queue.clear();
        self.lose(lost);
        true
    }

    /// Gives the region up, if its file is not what it was.
    pub(super) fn check_file(&mut self) {
        if let Err(lost) = self.region.file.still_same() {
            self.lose(lost);
        }
    }

    fn lose(&mut self, lost: RegionLost) {
        self.lost = Some(lost.to_string());
        self.queue.push_back(Event::Lost(lost));
    }
}
