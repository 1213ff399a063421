//! A mapping whose memory type is found when it is made, and whose pages need not all have the same.

use std::{fs::File, io, num::NonZeroUsize, ptr::NonNull, sync::Arc};

use memmap2::{MmapMut, MmapOptions, MmapRaw};
use nix::sys::mman::{MapFlags, ProtFlags, mmap};

use super::{
    Fences, MappedFile, Memory, MemoryType, RawMemory, WriteCombining,
    mapped::{Mapping, checked_length},
};

/// A region mapped with a memory type that is known at run time only, as a guest maps its BAR. Clones mean the same
/// mapping, which ends with the last of them.
///
/// What is not write-back is copied as its type needs, and always has the fences of write-combining memory. Uncached memory
/// would do without, but that a page is uncached is only asked for: the kernel gives pages that another program has mapped
/// already the type they have there, and tells nobody. The fences cost less than one access to such memory.
///
/// The file should keep its length while it is mapped, as with [`MappedFile`].
#[derive(Clone, Debug)]
pub struct MixedMapping {
    raw: RawMemory,
    memory_type: MemoryType,
    mapping: Arc<Mapping>,
}

impl MixedMapping {
    /// Maps the first `length` bytes of `file`, which gives pages of `memory_type`.
    ///
    /// # Errors
    ///
    /// As [`MappedFile::map`].
    pub fn whole(file: &File, length: u64, memory_type: MemoryType) -> io::Result<Self> {
        let length = checked_length(file, length)?;
        let mapping = MmapOptions::new().len(length).map_raw(file)?;
        Self::of(mapping, length, memory_type)
    }

    /// Maps `length` bytes of a region of which two files show the same bytes: those before `boundary` by `uncached`, those
    /// from there on by `combining`, which gives pages that combine writes. Both are copied as write-combining memory.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when the boundary is no multiple of the page size inside the region, or as [`MappedFile::map`].
    pub fn split(uncached: &File, combining: &File, length: u64, boundary: u64) -> io::Result<Self> {
        let (whole, below) = (checked_length(uncached, length)?, checked_length(uncached, boundary)?);
        checked_length(combining, length)?;
        let above = NonZeroUsize::new(whole.saturating_sub(below)).ok_or(io::ErrorKind::InvalidInput)?;
        let below = NonZeroUsize::new(below).ok_or(io::ErrorKind::InvalidInput)?;
        // Pages of nobody's, which hold the place. The system refuses to put others in it where they would not begin with one.
        let mut place: MmapMut = MmapOptions::new().len(whole).map_anon()?;
        put(&mut place, 0, below, uncached)?;
        put(&mut place, below.get(), above, combining)?;
        Self::of(place.into(), whole, MemoryType::WriteCombining)
    }

    fn of(pages: MmapRaw, length: usize, memory_type: MemoryType) -> io::Result<Self> {
        let base = NonNull::new(pages.as_mut_ptr()).ok_or(io::ErrorKind::InvalidData)?;
        let mapping = Mapping::of(pages, length)?;
        // SAFETY: the mapping has `length` readable and writable bytes and lives as long as the `Arc` beside the result. Only
        // this value reaches it.
        let raw = unsafe { RawMemory::new(base, length) };
        Ok(Self { raw, memory_type, mapping: Arc::new(mapping) })
    }

    /// The type that accesses allow for. Of a [split](Self::split) mapping that of the bytes behind the boundary.
    #[must_use]
    pub fn memory_type(&self) -> MemoryType {
        self.memory_type
    }

    /// As [`MappedFile::broken_at`].
    #[must_use]
    pub fn broken_at(&self) -> Option<u64> {
        self.mapping.broken_at()
    }

    #[inline]
    fn is_write_back(&self) -> bool {
        self.memory_type == MemoryType::WriteBack
    }

    // Out of line, so that the code for write-back memory is as short as where it is known to be that.

    #[cold]
    #[inline(never)]
    fn copy_in_slowly(&self, at: u64, from: &[u8]) {
        self.raw.copy_in_as(self.memory_type, at, from);
    }

    #[cold]
    #[inline(never)]
    fn copy_out_slowly(&self, at: u64, into: &mut [u8]) {
        self.raw.copy_out_as(self.memory_type, at, into);
    }
}

/// Executes one of the fences of write-combining memory, out of line too.
#[cold]
#[inline(never)]
fn fence(instruction: fn()) {
    instruction();
}

/// Maps `length` bytes of `file` in the place of those at `at`, the same offset in both.
fn put(place: &mut MmapMut, at: usize, length: NonZeroUsize, file: &File) -> io::Result<()> {
    let target = place.get_mut(at..).filter(|rest| rest.len() >= length.get());
    let target = target.ok_or(io::ErrorKind::InvalidInput)?;
    let offset = i64::try_from(at).map_err(|_| io::ErrorKind::InvalidInput)?;
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    let flags = MapFlags::MAP_SHARED | MapFlags::MAP_FIXED;
    let address = NonZeroUsize::new(target.as_ptr().addr());
    // SAFETY: what is replaced are pages of `place`, exclusively borrowed here, of which nothing has been read or written; it
    // unmaps whatever is mapped in its range when it ends. The bounds were checked above, and nothing is replaced when the
    // address or the offset does not begin a page.
    unsafe { mmap(address, length, protection, flags, file, offset) }?;
    Ok(())
}

impl From<MappedFile> for MixedMapping {
    /// The same mapping as one of which every page is write-back.
    fn from(mapped: MappedFile) -> Self {
        let (raw, mapping) = mapped.into_parts();
        Self { raw, memory_type: MemoryType::WriteBack, mapping }
    }
}

impl Memory for MixedMapping {
    #[inline]
    fn size(&self) -> u64 {
        self.raw.size()
    }

    #[inline]
    fn load(&self, at: u64) -> u64 {
        self.raw.load(at)
    }

    #[inline]
    fn load_acquire(&self, at: u64) -> u64 {
        self.raw.load_acquire(at)
    }

    #[inline]
    fn store(&self, at: u64, value: u64) {
        self.raw.store(at, value);
    }

    #[inline]
    fn store_release(&self, at: u64, value: u64) {
        self.raw.store_release(at, value);
    }

    #[inline]
    fn copy_in(&self, at: u64, from: &[u8]) {
        if self.is_write_back() {
            self.raw.copy_in(at, from);
        } else {
            self.copy_in_slowly(at, from);
        }
    }

    #[inline]
    fn copy_out(&self, at: u64, into: &mut [u8]) {
        if self.is_write_back() {
            self.raw.copy_out(at, into);
        } else {
            self.copy_out_slowly(at, into);
        }
    }

    #[inline]
    fn prefetch_write(&self, at: u64, length: usize) {
        if self.is_write_back() {
            self.raw.prefetch_write(at, length);
        }
    }

    #[inline]
    fn before_publish(&self) {
        if !self.is_write_back() {
            fence(WriteCombining::before_publish);
        }
    }

    #[inline]
    fn after_publish(&self) {
        if !self.is_write_back() {
            fence(WriteCombining::after_publish);
        }
    }

    #[inline]
    fn after_ready(&self) {
        if !self.is_write_back() {
            fence(WriteCombining::after_ready);
        }
    }

    #[inline]
    fn before_release(&self) {
        if !self.is_write_back() {
            fence(WriteCombining::before_release);
        }
    }

    #[inline]
    fn full(&self) {
        if self.is_write_back() {
            self.raw.full();
        } else {
            fence(WriteCombining::full);
        }
    }
}
