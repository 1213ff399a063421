//! `ivringd`, by what it says of itself.

use std::path::Path;
use std::time::Duration;

use ivring_proto::check::Line;
use ivring_proto::console::Endpoint;
use ivring_proto::console::amount::{count, time};
use ivring_proto::control::{Client, ClientError, Request};
use ivring_proto::session::Uuid;

use super::region::Place;
use crate::listing::{Guest, Guests, Status};
use crate::region_file::RegionFile;
use crate::region_name::region_owner;

/// A refusal is worth a failure for as long as the guest that was refused may still be trying.
const RECENT_MS: u64 = 60_000;
const START: &str = "systemctl start ivringd, or ivringd";

/// A daemon that answers.
#[derive(Debug)]
pub(super) struct Daemon {
    pub(super) client: Client,
    status: Status,
    list: Guests,
}

/// Why none does.
#[derive(Debug)]
pub(super) struct Silence {
    error: ClientError,
    /// The process that serves the region all the same.
    holder: Option<u32>,
}

impl Daemon {
    /// Asks the daemon; where it is silent, `asked` is looked at for another.
    pub(super) fn ask(endpoint: &Endpoint, asked: Option<&Place>) -> Result<Self, Silence> {
        Self::answers(endpoint).map_err(|error| {
            let path =
                asked.map_or(Path::new("/dev/shm").join(super::USUAL_REGION), |place| place.path.clone());
            let holder = RegionFile::open_read_only(&path).ok().and_then(|file| file.held_by());
            Silence { error, holder }
        })
    }

    fn answers(endpoint: &Endpoint) -> Result<Self, ClientError> {
        let mut client = endpoint.connect()?;
        let other = |error| ClientError::Frame(ivring_proto::control::FrameError::Header(error));
        let status = client.call(&Request::Status, &[])?.0.payload().map_err(other)?;
        let list = client.call(&Request::List, &[])?.0.payload().map_err(other)?;
        Ok(Daemon { client, status, list })
    }

    /// The regions that it serves, and those that it should.
    pub(super) fn regions(&self) -> Vec<Place> {
        let served = self.status.regions.iter().map(|region| (&region.region, &region.path));
        let lost = self.list.not_served.iter().map(|region| (&region.region, &region.path));
        let place = |(name, path): (&String, &String)| Place { name: name.clone(), path: path.into() };
        served.chain(lost).map(place).collect()
    }

    /// The first region that any VM may join.
    pub(super) fn region_of_all(&self) -> Option<Place> {
        self.regions().into_iter().find(|place| region_owner(&place.path).is_none())
    }

    /// Those who have a channel.
    pub(super) fn guests(&self) -> &[Guest] {
        &self.list.guests
    }

    /// How it waits.
    pub(super) fn profile(&self) -> &str {
        &self.status.profile
    }

    /// Why `uuid` was refused a channel of that region, if it was the last that was.
    pub(super) fn refused(&self, region: &str, uuid: Uuid) -> Option<&str> {
        let refused = self.list.refused.iter().find(|refused| refused.region == region)?;
        (refused_uuid(&refused.last) == Some(uuid)).then_some(&*refused.last)
    }

    /// The check `served`.
    pub(super) fn served(&self) -> Line {
        const CHECK: &str = "served";
        match &self.list.not_served[..] {
            [] => Line::ok(CHECK, format!("{}, none is lost", count(self.status.regions.len(), "region"))),
            [lost, rest @ ..] => {
                let more = if rest.is_empty() { String::new() } else { format!(", and {} more", rest.len()) };
                let says = format!("region {} is not served{more}: {}", lost.region, lost.reason);
                Line::failed(
                    CHECK,
                    says,
                    "the section \"When the region's file breaks\" of docs/operating.md",
                )
            }
        }
    }

    /// The check `refusals`.
    pub(super) fn refusals(&self) -> Line {
        const CHECK: &str = "refusals";
        let Some(last) = self.list.refused.iter().min_by_key(|refused| refused.last_ms) else {
            return Line::ok(CHECK, "no guest was refused");
        };
        let says = format!(
            "{} requests to join {} were refused, {} ago that of {}",
            last.count,
            last.region,
            time(Duration::from_millis(last.last_ms)),
            last.last
        );
        if last.last_ms > RECENT_MS {
            return Line::ok(CHECK, says);
        }
        Line::failed(CHECK, says, "ivring ls shows who has the channels; ivring evict UUID takes one away")
    }
}

/// The check `daemon`.
pub(super) fn line(answer: Result<Daemon, Silence>) -> Result<(Line, Daemon), Line> {
    const CHECK: &str = "daemon";
    match answer {
        Ok(daemon) => {
            let Status { version, pid, uptime_ms, regions, .. } = &daemon.status;
            let up = time(Duration::from_millis(*uptime_ms));
            let says = format!(
                "ivringd {version}, process {pid}, runs for {up} and serves {}",
                count(regions.len(), "region")
            );
            let own = env!("CARGO_PKG_VERSION");
            let line = if version == own {
                Line::ok(CHECK, says)
            } else {
                Line::pending(CHECK, format!("{says}; this program is {own}"), "systemctl restart ivringd")
            };
            Ok((line, daemon))
        }
        Err(Silence { error, holder: Some(process) }) => {
            let says = format!("{error}; but process {process} serves the region");
            Err(Line::failed(CHECK, says, "ivring doctor --socket PATH, the one that it was given"))
        }
        Err(Silence { error: error @ ClientError::NobodyListens { .. }, .. }) => {
            Err(Line::failed(CHECK, error.to_string(), START))
        }
        Err(Silence { error: error @ ClientError::NoPermission { .. }, .. }) => {
            Err(Line::unknown(CHECK, error.to_string(), "sudo ivring doctor"))
        }
        Err(Silence { error: ClientError::Frame(error), .. }) => {
            let says = format!("ivringd is of another version than this command: {error}");
            Err(Line::failed(CHECK, says, "install the same version of both, then systemctl restart ivringd"))
        }
        Err(Silence { error, .. }) => {
            Err(Line::failed(CHECK, error.to_string(), "systemctl restart ivringd"))
        }
    }
}

/// Who was refused, of `NAME (UUID:PORT): REASON`. The name is the guest's own word and may hold another's UUID: the last
/// one counts.
fn refused_uuid(last: &str) -> Option<Uuid> {
    last.rmatch_indices(" (").find_map(|(at, open)| last.get(at + open.len()..)?.get(..36)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_does_not_make_another_the_refused_one() {
        let (one, other) = ("6b7c1f2e-0000-4000-8000-000000000001", "6b7c1f2e-0000-4000-8000-000000000002");
        let last = format!("x ({one}:agent): all ({other}:agent): all 1 channels are taken (evict one)");
        assert_eq!(refused_uuid(&last), other.parse().ok());
        assert_eq!(refused_uuid("x: no"), None);
    }
}
