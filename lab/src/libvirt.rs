//! libvirt's own QEMU driver for tests, apart from any libvirtd of the machine.

mod embedded;
mod private;
mod stock_host;

pub use embedded::Embedded;
pub use private::PrivateLibvirtd;
pub use stock_host::{Image, PASSWORD, StockHost};
