//! The same for those who have only the monitor for people.

use super::{Ids, Place};
use crate::Shmem;

/// The commands of QEMU's monitor for people that plug the device in at `place`, one a line.
#[must_use]
pub fn attach_words(region: &Shmem, place: &Place) -> [String; 2] {
    let Ids { device, backend } = Ids::of(region);
    let (path, size, Place { bus, slot }) = (region.path(), region.size(), place);
    [
        format!("object_add memory-backend-file,id={backend},mem-path={path},size={size},share=on"),
        format!("device_add ivshmem-plain,id={device},memdev={backend},bus={bus},addr={slot:#x}"),
    ]
}

/// Those that take it out again. The second one works when the guest has let go of the device.
#[must_use]
pub fn detach_words(region: &Shmem) -> [String; 2] {
    let Ids { device, backend } = Ids::of(region);
    [format!("device_del {device}"), format!("object_del {backend}")]
}
