//! The ivshmem device of ivring, as QEMU arguments and as a libvirt element.
//!
//! A virtual machine sees a shared region as BAR 2 of an `ivshmem-plain` device. This crate checks the two things that
//! describe such a device, the region's name and its size, and renders them. It stands alone: it needs no running
//! hypervisor, opens no file and changes nothing.
//!
//! ```
//! use ivring_vm_config::Shmem;
//!
//! let shmem = Shmem::new("fg_i3", "8M".parse()?)?;
//! assert_eq!(shmem.path(), "/dev/shm/fg_i3");
//! assert!(shmem.libvirt_xml().contains("<size unit='M'>8</size>"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod shmem;
mod size;

pub use shmem::{DEFAULT_SLOT, Shmem, ShmemError};
pub use size::{Size, SizeError};
