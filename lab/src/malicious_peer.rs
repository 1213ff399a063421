//! A peer that writes what it likes into a region, set against honest hosts and guests.
//!
//! It maps the region's file like anybody, and keeps to none of the rules: any word can be read and changed, records that no
//! producer writes can be put into any ring, and a word can be rewritten by another thread as fast as that goes.
//!
//! | file | what |
//! | --- | --- |
//! | `word` | one word of the region |
//! | `lies` | the wrong values that are tried for a word |
//! | `scribe` | records in a ring, right or wrong |
//! | `request` | join requests, right or wrong |
//! | `rewriter` | a word that changes between two looks at it |

mod lies;
mod request;
mod rewriter;
mod scribe;
mod word;

use std::fs::File;
use std::io;
use std::path::Path;

use ivring_proto::layout::{ChannelPlace, Geometry, read_superblock};
use ivring_proto::memory::{MappedFile, Memory as _};

pub use lies::{Lie, Truth};
pub use request::Request;
pub use rewriter::Rewriter;
pub use scribe::{Scribe, Way, envelope};
pub use word::Word;

/// A mapping of the whole region, and where everything lies in it.
#[derive(Debug, Clone)]
pub struct MaliciousPeer {
    map: MappedFile,
    geometry: Geometry,
}

impl MaliciousPeer {
    /// Maps the region in this file.
    ///
    /// # Errors
    ///
    /// The file cannot be mapped, or holds no region.
    pub fn attach(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        let map = MappedFile::map(&file, file.metadata()?.len())?;
        let geometry = read_superblock(&map).map_err(io::Error::other)?.geometry;
        Ok(Self { map, geometry })
    }

    /// The region's memory.
    pub fn memory(&self) -> &MappedFile {
        &self.map
    }

    /// Sizes and offsets of the region.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Any word.
    pub fn word(&self, at: u64) -> Word {
        Word::new(self.map.clone(), at)
    }

    /// A word of the superblock, by its offset in `layout::superblock_word`.
    pub fn superblock(&self, word: u64) -> Word {
        self.word(word)
    }

    /// A word of the status page, by its offset in `layout::status_word`.
    pub fn status(&self, word: u64) -> Word {
        self.word(self.geometry.status() + word)
    }

    /// A word of a join cell, by its offset in `layout::cell_word`.
    ///
    /// # Panics
    ///
    /// There is no such cell.
    pub fn cell(&self, cell: u64, word: u64) -> Word {
        self.word(self.geometry.cell(cell).expect("one of the region's cells") + word)
    }

    /// A word of the answer to a join cell, by its offset in `layout::answer_word`.
    ///
    /// # Panics
    ///
    /// There is no such cell.
    pub fn answer(&self, cell: u64, word: u64) -> Word {
        self.word(self.geometry.answer(cell).expect("one of the region's cells") + word)
    }

    /// A word of a directory entry, by its offset in `layout::entry_word`.
    ///
    /// # Panics
    ///
    /// There is no such channel.
    pub fn entry(&self, channel: u64, word: u64) -> Word {
        self.word(self.place(channel).entry + word)
    }

    /// A word of the host's control block, by its line and its offset in `layout::control_word`.
    ///
    /// # Panics
    ///
    /// There is no such channel.
    pub fn host_control(&self, channel: u64, line: u64, word: u64) -> Word {
        self.word(self.place(channel).host_control + line + word)
    }

    /// A word of a guest's control block, by its line and its offset in `layout::control_word`.
    ///
    /// # Panics
    ///
    /// There is no such channel.
    pub fn guest_control(&self, channel: u64, line: u64, word: u64) -> Word {
        self.word(self.place(channel).guest_control + line + word)
    }

    /// A writer of a ring, where the ring's own producer would write next.
    ///
    /// # Panics
    ///
    /// There is no such channel.
    pub fn scribe(&self, channel: u64, way: Way) -> Scribe {
        Scribe::new(self.map.clone(), &self.place(channel), way)
    }

    /// Size of the region in bytes.
    pub fn size(&self) -> u64 {
        self.map.size()
    }

    fn place(&self, channel: u64) -> ChannelPlace {
        self.geometry.channel(channel).expect("one of the region's channels")
    }
}
