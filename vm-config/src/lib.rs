//! The ivshmem device of ivring, as QEMU arguments and in the XML of libvirt domains.
//!
//! A virtual machine sees a shared region as BAR 2 of an ivshmem device. This crate describes such a device
//! ([`Shmem`], [`Device`]), renders it for QEMU ([`QemuArgs`]) and libvirt ([`Device::libvirt_xml`]), and edits the XML of
//! a domain so that it has the device or has it no longer: [`Domain::read`] finds everything that matters, [`Plan`]
//! decides, [`Plan::carry_out`] changes the text. Every byte outside the device's own element stays as it was.
//!
//! All that needs no running hypervisor, and only [`InPlace`] touches files. [`libvirt`] does the same to the domains of
//! a running libvirt, and [`host`] tells whether the host has all that it takes.
//!
//! ```
//! use ivring_vm_config::{Action, Domain, Plan, Request, Shmem};
//!
//! let request = Request::shared(Shmem::new("fg_i3", "8M".parse()?)?);
//! let xml = "<domain type='kvm'><name>web1</name><os><type machine='pc'>hvm</type></os><devices></devices></domain>";
//!
//! let domain = Domain::read(xml.as_bytes())?;
//! let plan = Plan::install(&domain, &request)?;
//! assert_eq!(plan.action(), Action::Insert);
//! assert_eq!(plan.address(), Some("00:1f.0".parse()?));
//! let patched = plan.carry_out(&domain);
//!
//! let domain = Domain::read(patched.as_bytes())?;
//! assert_eq!(Plan::install(&domain, &request)?.action(), Action::Nothing);
//! assert_eq!(Plan::remove(&domain, &request)?.carry_out(&domain), xml);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod controllers;
mod device;
mod diff;
mod domain;
mod edits;
mod fingerprint;
pub mod host;
mod hot_plug;
mod in_place;
pub mod libvirt;
mod pci;
mod placement;
mod plan;
mod position;
mod qemu_args;
pub mod qmp;
mod refuse;
mod request;
mod secrets;
mod shmem;
mod size;
mod slot;
mod splice;
mod support;
mod unreadable;

pub use controllers::added_controllers;
pub use device::{Alias, AliasError, Device, Model, Role};
pub use diff::unified;
pub use domain::{Domain, Existing, Layout};
pub use edits::edits_since;
pub use fingerprint::fingerprint;
pub use hot_plug::hot_plug;
pub use in_place::{BACKUP_SUFFIX, InPlace, InPlaceError, Replacements};
pub use pci::{PciAddress, PciAddressError};
pub use plan::{Action, Notice, Plan};
pub use position::Position;
pub use qemu_args::{Machine, QemuArgs, QemuArgsError, Style};
pub use refuse::{Reason, Refused};
pub use request::{OnConflict, Request, RequestError};
pub use shmem::{DEFAULT_SLOT, Shmem, ShmemError};
pub use size::{Size, SizeError};
pub use slot::{Slot, SlotError};
pub use unreadable::{LARGEST_INPUT, Unreadable};
