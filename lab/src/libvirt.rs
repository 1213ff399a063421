//! libvirt's own QEMU driver for tests, apart from any libvirtd of the machine.

mod embedded;

pub use embedded::Embedded;
