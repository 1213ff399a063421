//! How clients are told of regions and of the guests in them.

use std::collections::HashMap;

use ivring_proto::control::GuestIdentity;
use ivring_proto::session::Identity;

use super::hosts::RegionId;
use crate::{Host, listing};

/// The names of regions, and those that guests gave themselves.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<NamedRegion>);

#[derive(Debug)]
struct NamedRegion {
    id: RegionId,
    name: String,
    /// At most one a channel.
    guests: HashMap<Identity, GuestIdentity>,
}

/// The name of a region's file: how clients name the region.
pub(super) fn region_name(host: &Host) -> String {
    host.path().file_name().unwrap_or_default().to_string_lossy().into_owned()
}

impl Names {
    /// Learns the names in a region that is new.
    pub(super) fn meet(&mut self, id: RegionId, host: &Host) {
        if self.of(id).is_some() {
            return;
        }
        let guests = host
            .guests()
            .into_iter()
            .map(|info| (info.identity, listing::identity(&info.identity, &info.name)))
            .collect();
        self.0.push(NamedRegion { id, name: region_name(host), guests });
    }

    pub(super) fn closed(&mut self, id: RegionId) {
        self.0.retain(|region| region.id != id);
    }

    /// Remembers the name that a guest gave itself.
    pub(super) fn attached(&mut self, id: RegionId, guest: &Identity, name: &str) {
        if let Some(region) = self.0.iter_mut().find(|region| region.id == id) {
            region.guests.insert(*guest, listing::identity(guest, name));
        }
    }

    pub(super) fn detached(&mut self, id: RegionId, guest: &Identity) {
        if let Some(region) = self.0.iter_mut().find(|region| region.id == id) {
            region.guests.remove(guest);
        }
    }

    fn of(&self, id: RegionId) -> Option<&NamedRegion> {
        self.0.iter().find(|region| region.id == id)
    }

    /// The region's name.
    pub(super) fn region(&self, id: RegionId) -> &str {
        self.of(id).map_or("", |region| &region.name)
    }

    /// A guest as clients are told of it.
    pub(super) fn who(&self, id: RegionId, guest: &Identity) -> GuestIdentity {
        let known = self.of(id).and_then(|region| region.guests.get(guest));
        known.cloned().unwrap_or_else(|| listing::identity(guest, ""))
    }
}
