//! Shared memory of two workers: a file without a name, with a ring a direction.

use std::fs::File;

use ivring_proto::{
    layout::{LINE, PAGE, RingPlace},
    memory::MappedFile,
};
use rustix::fs::{MemfdFlags, memfd_create};

use crate::{
    cord::Cord,
    failure::Failure,
    peer::{Shape, Side},
};

/// Where a side's two rings lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rings {
    /// The ring it sends into.
    pub(crate) sending: RingPlace,
    /// The ring it receives from.
    pub(crate) receiving: RingPlace,
}

impl Rings {
    /// The rings of `side`.
    pub(crate) fn of(side: Side, shape: Shape) -> Self {
        let capacity = shape.capacity as u64;
        let place = |number: u64| RingPlace {
            producer: number * 2 * LINE,
            consumer: (number * 2 + 1) * LINE,
            data: PAGE + number * capacity,
            capacity,
        };
        match side {
            Side::Driver => Self { sending: place(0), receiving: place(1) },
            Side::Partner => Self { sending: place(1), receiving: place(0) },
        }
    }
}

/// Memory for both rings, the same on both sides.
pub(crate) fn for_rings(cord: &Cord, side: Side, shape: Shape) -> Result<MappedFile, Failure> {
    share(cord, side, PAGE + 2 * shape.capacity as u64)
}

/// `size` bytes of memory, zero at first, the same on both sides.
pub(crate) fn share(cord: &Cord, side: Side, size: u64) -> Result<MappedFile, Failure> {
    let file = match side {
        Side::Driver => {
            let file = File::from(memfd_create("ivring-compare", MemfdFlags::CLOEXEC)?);
            file.set_len(size).map_err(Failure::io("shared memory"))?;
            cord.give(&file)?;
            file
        }
        Side::Partner => File::from(cord.take()?),
    };
    MappedFile::map(&file, size).map_err(Failure::io("shared memory"))
}
