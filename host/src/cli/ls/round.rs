//! One look at the guests: their counters, how these changed, and how long a round trip takes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ivring_proto::console::{Endpoint, Failure, milliseconds};
use ivring_proto::control::{Client, ClientError, GuestIdentity, Pong, Request, Response, Target};
use serde::Serialize;

use super::rates::{Rates, Sample};
use super::stop::Stop;
use crate::listing::{Guest, Guests, NotServed, State};

/// How long the daemon may take to list its guests.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait without a look at whether to stop.
const LOOK: Duration = Duration::from_millis(100);

/// The guests at one moment.
#[derive(Debug, Serialize)]
pub(super) struct Round {
    pub(super) guests: Vec<Watched>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) not_served: Vec<NotServed>,
}

/// One guest.
#[derive(Debug, Serialize)]
pub(super) struct Watched {
    #[serde(flatten)]
    pub(super) guest: Guest,
    /// `None` when it did not answer in time.
    pub(super) round_trip_ns: Option<u64>,
    /// `None` when there is nothing to compare with.
    pub(super) rates: Option<Rates>,
}

/// Why there is no round.
#[derive(Debug)]
pub(super) enum NoRound {
    /// This process was asked to end.
    Stopped,
    /// The daemon is not there, or does not answer; it may be later.
    Away(ClientError),
    /// It makes no sense to go on.
    Failed(Failure),
}

impl From<ClientError> for NoRound {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::NobodyListens { .. }
            | ClientError::Closed
            | ClientError::TimedOut { .. }
            | ClientError::Io(_) => NoRound::Away(error),
            ClientError::NoPermission { .. } | ClientError::Refused { .. } | ClientError::Frame(_) => {
                NoRound::Failed(error.into())
            }
        }
    }
}

/// Looks over and over.
#[derive(Debug)]
pub(super) struct Rounds<'a> {
    daemon: &'a Endpoint,
    /// The only region that is looked at.
    region: Option<&'a str>,
    stop: &'a Stop,
    client: Option<Client>,
    /// By region, UUID and port.
    before: HashMap<(String, String, String), Sample>,
}

impl<'a> Rounds<'a> {
    pub(super) fn new(daemon: &'a Endpoint, region: Option<&'a str>, stop: &'a Stop) -> Self {
        Rounds { daemon, region, stop, client: None, before: HashMap::new() }
    }

    /// Looks once; guests that have not answered a ping `for_pings` after it was sent are not waited for.
    pub(super) fn next(&mut self, for_pings: Duration) -> Result<Round, NoRound> {
        let client = match self.client.take() {
            Some(client) => client,
            None => self.daemon.connect()?,
        };
        let mut asking = Asking { client, stop: self.stop };
        let round = self.look(&mut asking, for_pings);
        match &round {
            Ok(_) => self.client = Some(asking.client),
            // Another daemon counts from zero.
            Err(_) => self.before.clear(),
        }
        round
    }

    fn look(&mut self, asking: &mut Asking<'_>, for_pings: Duration) -> Result<Round, NoRound> {
        let Guests { mut guests, mut not_served, .. } =
            self.daemon.payload(&asking.list()?).map_err(NoRound::Failed)?;
        let now = Instant::now();
        let asked = |name: &String| self.region.is_none_or(|region| region == name);
        guests.retain(|guest| asked(&guest.region));
        not_served.retain(|lost| asked(&lost.region));
        let round_trips = asking.ping(&guests, for_pings)?;
        let mut samples = HashMap::new();
        let watched = guests.into_iter().zip(round_trips).map(|(guest, round_trip_ns)| {
            let key = (guest.region.clone(), guest.who.uuid.clone(), guest.who.port.clone());
            let before = self.before.get(&key);
            let rates = before.and_then(|before| Rates::since(before, now, &guest.counters));
            let pings = u64::from(round_trip_ns.is_some());
            samples.insert(key, Sample { at: now, counters: guest.counters, pings });
            Watched { guest, round_trip_ns, rates }
        });
        let guests = watched.collect();
        self.before = samples;
        Ok(Round { guests, not_served })
    }
}

/// A connection that is asked many things at once.
struct Asking<'a> {
    client: Client,
    stop: &'a Stop,
}

impl Asking<'_> {
    /// The next answer, `None` when there is none until then.
    fn answer(&mut self, until: Instant) -> Result<Option<Response>, NoRound> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.client.next_response(left.min(LOOK)) {
                Ok((response, _)) => return Ok(Some(response)),
                Err(ClientError::TimedOut { .. }) if self.stop.asked() => return Err(NoRound::Stopped),
                Err(ClientError::TimedOut { .. }) if left.is_zero() => return Ok(None),
                Err(ClientError::TimedOut { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn list(&mut self) -> Result<Response, NoRound> {
        let id = self.client.send_nowait(&Request::List, &[])?;
        let until = Instant::now() + PATIENCE;
        loop {
            match self.answer(until)? {
                Some(response) if response.id == id => return Ok(response),
                // The end of a ping that was not waited for.
                Some(_) => {}
                None => return Err(ClientError::TimedOut { waited: PATIENCE }.into()),
            }
        }
    }

    /// How long a round trip to each guest takes, in nanoseconds. All are under way at the same time. A guest that is silent
    /// is not asked: what it does not take fills its ring.
    fn ping(&mut self, guests: &[Guest], wait: Duration) -> Result<Vec<Option<u64>>, NoRound> {
        let mut asked = HashMap::new();
        for (index, guest) in guests.iter().enumerate().filter(|(_, guest)| guest.state == State::Attached) {
            let GuestIdentity { uuid, port, .. } = &guest.who;
            let target = Target { guest: Some(format!("{uuid}:{port}")), region: Some(guest.region.clone()) };
            let request = Request::Ping { target, bytes: 0, timeout_ms: milliseconds(wait) };
            asked.insert(self.client.send_nowait(&request, &[])?, index);
        }
        let mut round_trips = vec![None; guests.len()];
        let until = Instant::now() + wait;
        while !asked.is_empty() {
            let Some(response) = self.answer(until)? else { break };
            if let Some(index) = asked.remove(&response.id) {
                round_trips[index] =
                    response.payload().ok().filter(|_| response.ok).map(|pong: Pong| pong.round_trip_ns);
            }
        }
        Ok(round_trips)
    }
}
