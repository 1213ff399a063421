//! `ivring-vm-config qmp` against a monitor of the test's own, which answers as QEMU does or as it should not.

mod detach;
mod fake;
mod other_side;
mod place;
mod steps;
