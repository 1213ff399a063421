//! One ivshmem device: checked once, rendered for QEMU and for libvirt.

use thiserror::Error;

use crate::Size;

/// The PCI slot the device takes if nothing else is asked for.
///
/// It is the last of bus 0, so adding the device moves no other. On the machine type `q35` the slot belongs to the ISA
/// bridge and another must be chosen.
pub const DEFAULT_SLOT: u8 = 0x1f;

/// The longest name: what a file in `/dev/shm` may have.
const LONGEST_NAME: usize = 255;

/// A shared region and the `ivshmem-plain` device that shows it to a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shmem {
    name: String,
    size: Size,
}

/// Why a name cannot be the name of a region.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ShmemError {
    /// The name is empty, `.` or `..`, or longer than a file name may be.
    #[error("{0:?} is no file name: a region is called by the name of its file in /dev/shm, such as fg_i3")]
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
    /// The device for the region `/dev/shm/NAME`.
    ///
    /// # Errors
    ///
    /// [`ShmemError`] if `name` is not a plain file name.
    pub fn new(name: &str, size: Size) -> Result<Self, ShmemError> {
        if name.is_empty() || name == "." || name == ".." || name.len() > LONGEST_NAME {
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

    /// The arguments that give the device to a QEMU process, in PCI slot `slot` of bus 0.
    ///
    /// `share=on` is the one that must not be forgotten: without it QEMU starts, and guest and host write to copies.
    #[must_use]
    pub fn qemu_args(&self, slot: u8) -> [String; 4] {
        let Self { name, size } = self;
        [
            "-object".to_owned(),
            format!("memory-backend-file,id=shmem-{name},mem-path={},size={size},share=on", self.path()),
            "-device".to_owned(),
            format!("ivshmem-plain,memdev=shmem-{name},addr={slot:#x}"),
        ]
    }

    /// The element that gives the device to a libvirt domain; it belongs inside `<devices>`.
    ///
    /// Model and size are always written: libvirt accepts an element without them, then builds another device.
    #[must_use]
    pub fn libvirt_xml(&self) -> String {
        let Self { name, size } = self;
        format!(
            "<shmem name='{name}'>\n  <model type='ivshmem-plain'/>\n  <size unit='M'>{}</size>\n</shmem>\n",
            size.mib()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size() -> Size {
        "8M".parse().unwrap()
    }

    #[test]
    fn qemu_gets_a_shared_backend_and_a_plain_device() {
        let args = Shmem::new("fg_i3", size()).unwrap().qemu_args(DEFAULT_SLOT);
        assert_eq!(
            args,
            [
                "-object",
                "memory-backend-file,id=shmem-fg_i3,mem-path=/dev/shm/fg_i3,size=8M,share=on",
                "-device",
                "ivshmem-plain,memdev=shmem-fg_i3,addr=0x1f",
            ]
        );
    }

    #[test]
    fn libvirt_gets_model_and_size() {
        let xml = Shmem::new("fg_i3-1", "1G".parse().unwrap()).unwrap().libvirt_xml();
        assert_eq!(
            xml,
            "<shmem name='fg_i3-1'>\n  <model type='ivshmem-plain'/>\n  <size unit='M'>1024</size>\n</shmem>\n"
        );
    }

    #[test]
    fn a_name_is_a_plain_file_name() {
        for name in ["", ".", "..", &"a".repeat(256)] {
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
