//! Discovery, mapping and identity against a machine that is only files: sysfs, procfs and etc below a directory.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

mod agent_pci;
mod bar;
mod device_memory;
mod discover;
mod files;
mod identity;
mod pci;
