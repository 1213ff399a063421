//! `ivring-vm-config` with libvirt's real QEMU driver, each test with a libvirt of its own.

mod driver;
mod machine;
mod placement;
