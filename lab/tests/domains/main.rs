//! `ivring-vm-config` with libvirt's real QEMU driver, each test with a libvirt of its own.

mod apply;
mod driver;
mod hooks;
mod live;
mod machine;
mod placement;
mod remove;
mod rollback;
mod standing;
mod styles;
