//! A shared region: its name and its size, checked once.

use thiserror::Error;

use crate::Size;

/// The PCI slot the device takes if nothing else is asked for.
///
/// It is the last of bus 0, so adding the device moves no other. On the machine type `q35` the slot belongs to the LPC
/// bridge and another must be chosen.
pub const DEFAULT_SLOT: u8 = 0x1f;

/// The longest name: what a file in `/dev/shm` may have.
pub(crate) const LONGEST_NAME: usize = 255;

/// A shared region, as an ivshmem device shows it to a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shmem {
    name: String,
    size: Size,
}

/// Why a name cannot be the name of a region.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ShmemError {
    /// The name is empty, begins with `.` or `-`, or is longer than a file name may be.
    #[error(
        "{0:?} is no name of a region: it is the name of its file in /dev/shm, such as fg_i3, and does not begin with \
         '.' or '-'"
    )]
    NotAFileName(String),
    /// A character that a path, an option of QEMU or an XML document reads as something else.
    #[error("the name {name:?} holds {found:?}: only letters, digits, '_', '-' and '.' are taken")]
    BadCharacter {
        /// The whole name.
        name: String,
        /// The first character that is not taken.
        found: char,
    },
}

impl Shmem {
    /// The region `/dev/shm/NAME`.
    ///
    /// # Errors
    ///
    /// [`ShmemError`] if `name` is not a plain file name.
    pub fn new(name: &str, size: Size) -> Result<Self, ShmemError> {
        if name.is_empty() || name.starts_with(['.', '-']) || name.len() > LONGEST_NAME {
            return Err(ShmemError::NotAFileName(name.to_owned()));
        }
        let taken = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if let Some(found) = name.chars().find(|&c| !taken(c)) {
            return Err(ShmemError::BadCharacter { name: name.to_owned(), found });
        }
        Ok(Self { name: name.to_owned(), size })
    }

    /// The name of the region.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The size of the region.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// The file of the region on the host.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/dev/shm/{}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size() -> Size {
        "8M".parse().unwrap()
    }

    #[test]
    fn a_name_is_a_plain_file_name() {
        for name in ["", ".", "..", ".hidden", "-x", &"a".repeat(256)] {
            assert_eq!(Shmem::new(name, size()), Err(ShmemError::NotAFileName(name.to_owned())));
        }
        for (name, found) in
            [("a/b", '/'), ("a,b", ','), ("a'b", '\''), ("a b", ' '), ("a\nb", '\n'), ("aä", 'ä')]
        {
            assert_eq!(
                Shmem::new(name, size()),
                Err(ShmemError::BadCharacter { name: name.to_owned(), found })
            );
        }
        Shmem::new(&"a".repeat(255), size()).unwrap();
    }
}
