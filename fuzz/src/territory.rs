//! Which areas of a region are whose.

use std::ops::Range;

use ivring_proto::layout::{ChannelPlace, Geometry, PAGE, RingPlace, cell_word, control_word, entry_word};

/// What the host writes.
pub fn of_host(geometry: &Geometry) -> Vec<Range<u64>> {
    let status = geometry.status();
    let channels = places(geometry).flat_map(|place| {
        [of(place.entry, entry_word::SIZE), of(place.host_control, control_word::SIZE), ring(&place.to_guest)]
    });
    [of(0, PAGE), of(status, PAGE)].into_iter().chain(channels).collect()
}

/// What guests write, all of them together.
pub fn of_guests(geometry: &Geometry) -> Vec<Range<u64>> {
    let cells = (0..cell_word::COUNT).filter_map(|index| geometry.cell(index));
    let cells = cells.map(|cell| of(cell, cell_word::SIZE));
    let channels = places(geometry)
        .flat_map(|place| [of(place.guest_control, control_word::SIZE), ring(&place.to_host)]);
    cells.chain(channels).collect()
}

fn places(geometry: &Geometry) -> impl Iterator<Item = ChannelPlace> {
    (0..geometry.channels()).filter_map(|index| geometry.channel(index))
}

fn of(at: u64, length: u64) -> Range<u64> {
    at..at + length
}

fn ring(place: &RingPlace) -> Range<u64> {
    of(place.data, place.capacity)
}
