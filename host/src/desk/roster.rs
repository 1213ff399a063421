//! Whom a client means.

use ivring_proto::control::{GuestIdentity, GuestName, GuestNameError, Target};
use ivring_proto::session::{Identity, Port};

use super::hosts::{Hosts, RegionId};
use super::names::region_name;
use crate::{GuestInfo, Host, listing};

/// Candidates named in an error; there may be hundreds.
const SHOWN: usize = 3;

/// Why a request is about no guest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum WhoError {
    #[error("which guest? give its UUID, the beginning of it, or its name")]
    NotSaid,
    #[error(transparent)]
    Name(#[from] GuestNameError),
    #[error("no guest `{0}` is here; `ivring ls` shows who is")]
    Nobody(String),
    #[error("`{wanted}` has no agent here, only {candidates}: write GUEST:PORT")]
    NoAgent { wanted: String, candidates: String },
    #[error(
        "`{wanted}` may be {candidates}: give more of the UUID, or the port or --region where they differ"
    )]
    Ambiguous { wanted: String, candidates: String },
}

/// A guest that has a channel.
#[derive(Debug)]
pub(super) struct Present {
    pub(super) region: RegionId,
    region_name: String,
    pub(super) who: GuestIdentity,
    pub(super) info: GuestInfo,
}

impl Present {
    /// The guest as it is listed, with so many bytes more that are held for it.
    pub(super) fn listed(&self, waiting: usize) -> listing::Guest {
        let guest = listing::Guest::new(&self.region_name, &self.info);
        listing::Guest { held_bytes: guest.held_bytes + waiting, ..guest }
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.info.identity
    }

    /// The guest as errors name it: short, its name if it has one.
    pub(super) fn shown(&self) -> String {
        let name = if self.who.name.is_empty() { &self.who.uuid } else { &self.who.name };
        if self.is_agent() { name.clone() } else { format!("{name}:{}", self.who.port) }
    }

    fn is_agent(&self) -> bool {
        self.info.identity.port == Port::agent()
    }
}

/// Everybody who has a channel in any region, at one moment.
#[derive(Debug)]
pub(super) struct Roster(Vec<Present>);

impl Roster {
    pub(super) fn of(hosts: &impl Hosts) -> Self {
        let present = |region, host: &Host, info: GuestInfo| Present {
            region,
            region_name: region_name(host),
            who: listing::identity(&info.identity, &info.name),
            info,
        };
        let all = hosts.all().flat_map(|(region, host)| {
            host.guests().into_iter().map(move |info| present(region, host, info))
        });
        Roster(all.collect())
    }

    pub(super) fn all(&self) -> &[Present] {
        &self.0
    }

    /// The one guest that is meant. Without a port it is the agent.
    pub(super) fn find(&self, target: &Target) -> Result<&Present, WhoError> {
        let wanted = target.guest.as_deref().ok_or(WhoError::NotSaid)?;
        let name = GuestName::parse(wanted)?;
        let in_region =
            |present: &&Present| target.region.as_ref().is_none_or(|region| *region == present.region_name);
        let matching: Vec<&Present> =
            self.0.iter().filter(in_region).filter(|present| name.matches(&present.who)).collect();
        let agents: Vec<&Present> =
            matching.iter().copied().filter(|present| name.port().is_some() || present.is_agent()).collect();
        match agents[..] {
            [one] => Ok(one),
            [] if matching.is_empty() => Err(WhoError::Nobody(wanted.to_owned())),
            [] => Err(WhoError::NoAgent { wanted: wanted.to_owned(), candidates: candidates(&matching) }),
            _ => Err(WhoError::Ambiguous { wanted: wanted.to_owned(), candidates: candidates(&agents) }),
        }
    }
}

/// The first few of them, whole.
fn candidates(present: &[&Present]) -> String {
    let full = |present: &&Present| {
        let GuestIdentity { uuid, port, name } = &present.who;
        format!("{uuid}:{port} ({name}, region {})", present.region_name)
    };
    let mut text = present.iter().take(SHOWN).map(full).collect::<Vec<_>>().join(" or ");
    if present.len() > SHOWN {
        text += &format!(" or {} others", present.len() - SHOWN);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GuestFaults;
    use ivring_proto::link::{Counters, Losses};
    use ivring_proto::session::{Liveness, Phase};
    use std::time::Duration;

    const A: &str = "6b7c1f2e-0000-4000-8000-000000000001";
    const B: &str = "6b7c1f2f-0000-4000-8000-000000000002";

    fn roster(guests: &[(&str, &str, &str, &str)]) -> Roster {
        let present = |&(uuid, port, name, region): &(&str, &str, &str, &str)| {
            let identity = Identity { uuid: uuid.parse().unwrap(), port: Port::new(port).unwrap() };
            let info = GuestInfo {
                identity,
                name: name.to_owned(),
                channel: 0,
                phase: Phase::Attached,
                liveness: Liveness::Alive,
                silent_for: Duration::ZERO,
                caching: None,
                counters: Counters::default(),
                losses: Losses::default(),
                held: 0,
                faults: GuestFaults::default(),
                max_message: 0,
                max_record: 0,
            };
            Present {
                region: RegionId(0),
                region_name: region.to_owned(),
                who: listing::identity(&identity, name),
                info,
            }
        };
        Roster(guests.iter().map(present).collect())
    }

    fn find(roster: &Roster, guest: &str, region: Option<&str>) -> Result<String, WhoError> {
        let target = Target { guest: Some(guest.to_owned()), region: region.map(str::to_owned) };
        roster.find(&target).map(|present| format!("{} {}", present.shown(), present.region_name))
    }

    #[test]
    fn uuid_prefix_name_and_port_find_the_one_that_is_meant() {
        let roster = roster(&[(A, "agent", "web1", "r"), (A, "metrics", "web1", "r"), (B, "agent", "", "r")]);
        for (guest, found) in [
            (A, "web1 r"),
            ("web1", "web1 r"),
            ("6b7c1f2e", "web1 r"),
            ("web1:metrics", "web1:metrics r"),
            ("6b7c1f2f:agent", &format!("{B} r")),
        ] {
            assert_eq!(find(&roster, guest, None).as_deref(), Ok(found), "{guest}");
        }
        assert_eq!(find(&roster, "web2", None), Err(WhoError::Nobody("web2".into())));
        assert_eq!(find(&roster, A, Some("other")), Err(WhoError::Nobody(A.into())));
        assert_eq!(roster.find(&Target::default()).unwrap_err(), WhoError::NotSaid);
    }

    #[test]
    fn several_are_refused_with_the_candidates() {
        let both = roster(&[(A, "agent", "web1", "r"), (B, "agent", "web1", "s")]);
        let error = find(&both, "web1", None).unwrap_err().to_string();
        assert!(error.contains(A) && error.contains(B) && error.contains("region s"), "{error}");
        assert_eq!(find(&both, "web1", Some("s")).as_deref(), Ok("web1 s"));
        let error = find(&both, "6b7c", None).unwrap_err();
        assert!(matches!(error, WhoError::Ambiguous { .. }), "{error}");
    }

    #[test]
    fn a_vm_without_an_agent_says_what_it_has() {
        let ports = roster(&[(A, "metrics", "web1", "r")]);
        let error = find(&ports, "web1", None).unwrap_err();
        assert!(matches!(error, WhoError::NoAgent { .. }), "{error}");
        assert!(error.to_string().contains(":metrics"), "{error}");
    }

    #[test]
    fn a_long_list_of_candidates_is_cut() {
        let many = roster(&[(A, "agent", "x", "r"); 300]);
        let error = find(&many, "x", None).unwrap_err().to_string();
        assert!(error.contains("297 others") && error.len() < 500, "{error}");
    }
}
