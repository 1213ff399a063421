//! Real guests under QEMU, for the demo, the verification and every end-to-end test.
//!
//! ```no_run
//! use std::time::Duration;
//! use ivring_lab::{Consent, Lab, prepare};
//!
//! let tools = prepare(None, Consent::Given)?;
//! let lab = Lab::new("example", &tools, &[])?;
//! let region = lab.region("8M".parse().expect("a power of two"))?;
//! let mut guests = lab.boot(&[lab.plan("web1", Some(&region)), lab.plan("web2", Some(&region))])?;
//! let answer = guests[0].run("uname -r", Duration::from_secs(10))?;
//! println!("{} runs Linux {}", guests[0].name(), answer.output);
//! # Ok::<(), ivring_lab::Error>(())
//! ```
//!
//! A guest is a Debian kernel with an initramfs that the lab writes itself: busybox, `init.sh` and the agent. It has a
//! console, whose output is kept in a file, and a second serial port, on which the lab runs commands.

mod accelerator;
mod artifacts;
mod attack;
mod cargo;
mod channel;
mod chaos;
mod daemon;
mod demo;
mod elf;
mod error;
mod flood;
mod fuzz;
mod guest;
mod guest_agent;
mod initramfs;
mod keeper;
mod lab;
mod last_store;
mod libvirt;
mod logs;
pub mod malicious_peer;
mod modules;
pub mod old_peer;
mod packages;
mod prerequisites;
mod process;
mod qemu;
mod scribbler;
mod shell;
pub mod verify;
mod vhost_vsock;
pub mod witness;
mod workspace;

pub use accelerator::Accelerator;
pub use artifacts::{
    Artifacts, build_compare_guest, build_flood, build_load_example, build_scribbler, build_table_example,
    build_vm_config, build_witness,
};
pub use attack::{Attack, Report as AttackReport, attack};
pub use chaos::{Chaos, Chaotic, chaos};
pub use demo::{Demo, demo};
pub use error::Error;
pub use flood::{Flood, flood};
pub use fuzz::{Fuzz, FuzzTarget, fuzz, run_input};
pub use guest::{BOOT_LIMIT, Booting, Guest};
pub use keeper::Keeper;
pub use lab::{Lab, Plan};
pub use last_store::{Deaths, KillEveryStore, Withheld, act, kill_every_store};
pub use libvirt::{Embedded, Image, PASSWORD, PrivateLibvirtd, StockHost};
pub use modules::load_virtio;
pub use packages::{Consent, Tools, prepare, prepare_ansible, prepare_disks, prepare_libvirt};
pub use prerequisites::{ansible_or_skip, disks_or_skip, libvirt_or_skip, or_skip, tools_or_skip};
pub use process::Process;
pub use scribbler::{Garbage, Scribbled, scribble};
pub use shell::Answer;
pub use vhost_vsock::prepare_vhost_vsock;

/// The programs that the README shows, compiled as tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// The programs of the guide for programmers, compiled as tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/programming.md")]
pub struct Programming;
