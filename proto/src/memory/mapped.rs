//! A region mapped from a file: `/dev/shm/NAME` on the host, `resource2` of the PCI device in a guest.

use std::{fs::File, io, ptr::NonNull, sync::Arc};

use memmap2::{MmapMut, MmapOptions, MmapRaw};

use super::{Fences, RawMemory, WriteBack, bus_error::Registration, forward::forward_memory};

/// A mapping of a file's first bytes. Clones mean the same mapping, which ends with the last of them.
///
/// The file should keep its length while it is mapped. An access behind a file that somebody has truncated ends the process
/// with SIGBUS, unless [`guard_mappings`](super::guard_mappings) was called: then the mapping is
/// [broken](Self::broken_at).
#[derive(Clone, Debug)]
pub struct MappedFile<F: Fences = WriteBack> {
    raw: RawMemory<F>,
    mapping: Arc<Mapping>,
}

/// The pages, and that they are known as ours. Fields are dropped in their order: the registration ends before its pages.
#[derive(Debug)]
pub(super) struct Mapping {
    registration: Registration,
    _pages: MmapRaw,
}

impl Mapping {
    /// Makes pages of `length` bytes known.
    pub(super) fn of(pages: MmapRaw, length: usize) -> io::Result<Self> {
        // Its bytes may be replaced by zeros from now on, which is no more than the other side could do.
        let registration = Registration::new(pages.as_mut_ptr().addr(), length)?;
        Ok(Self { registration, _pages: pages })
    }

    /// Offset of the first access to a page that was not there.
    pub(super) fn broken_at(&self) -> Option<u64> {
        self.registration.broken_at().map(|offset| offset as u64)
    }
}

impl MappedFile {
    /// Maps the first `length` bytes of `file` for reading and writing, shared with everyone who maps it.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when `length` is zero, no multiple of 8 or more than the file holds; else what the system said, or that
    /// too many files are mapped at once.
    pub fn map(file: &File, length: u64) -> io::Result<Self> {
        let length = checked_length(file, length)?;
        Self::of(MmapOptions::new().len(length).map_raw(file)?, length)
    }

    /// Maps the first `length` bytes of `file`, which needs to be open for reading only. The mapping shows what others
    /// write, and changes nothing for them: a store would go to a private copy of its page.
    ///
    /// # Errors
    ///
    /// As [`map`](Self::map).
    pub fn map_read_only(file: &File, length: u64) -> io::Result<Self> {
        let length = checked_length(file, length)?;
        // SAFETY: memmap2 asks that nobody changes the file behind the references it would hand out. It hands out none: the
        // mapping becomes an `MmapRaw` at once, and all accesses go through `RawMemory`.
        let mapping: MmapMut = unsafe { MmapOptions::new().len(length).map_copy(file) }?;
        Self::of(mapping.into(), length)
    }

    /// The memory, and what keeps it mapped.
    pub(super) fn into_parts(self) -> (RawMemory, Arc<Mapping>) {
        (self.raw, self.mapping)
    }

    fn of(pages: MmapRaw, length: usize) -> io::Result<Self> {
        let base = NonNull::new(pages.as_mut_ptr()).ok_or(io::ErrorKind::InvalidData)?;
        let mapping = Mapping::of(pages, length)?;
        // SAFETY: the mapping has `length` readable and writable bytes and lives as long as the `Arc` beside the result. Only
        // this value reaches it: memmap2 gives out no other pointer to it.
        let raw = unsafe { RawMemory::new(base, length) };
        Ok(Self { raw, mapping: Arc::new(mapping) })
    }
}

impl<F: Fences> MappedFile<F> {
    /// Address of the first byte.
    #[cfg(test)]
    pub(super) fn start(&self) -> usize {
        self.mapping._pages.as_ptr().addr()
    }

    /// Offset of the first access to a page that was not there; `None` while there was none.
    ///
    /// Since then this is anonymous memory, zero at first: nothing stored here reaches the file, and nobody else sees it.
    /// There is no way back; map the file anew. Only after [`guard_mappings`](super::guard_mappings); without it the access
    /// has ended the process.
    #[must_use]
    pub fn broken_at(&self) -> Option<u64> {
        self.mapping.broken_at()
    }

    /// The same mapping with the fences of another memory type.
    #[must_use]
    pub fn with_fences<G: Fences>(self) -> MappedFile<G> {
        MappedFile { raw: self.raw.with_fences(), mapping: self.mapping }
    }
}

/// `length`, when `file` holds that much.
pub(super) fn checked_length(file: &File, length: u64) -> io::Result<usize> {
    let held = file.metadata()?.len();
    if length == 0 || !length.is_multiple_of(8) || length > held {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("cannot map {length} bytes of a file of {held}: choose a multiple of 8 up to its size"),
        ));
    }
    usize::try_from(length).map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("{length} bytes exceed the address space"))
    })
}

forward_memory!(impl<F: Fences> Memory for MappedFile<F>: |memory| memory.raw);
