//! Two honest programs: a guest's and one of the host that speaks with it by way of the daemon.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ivring_guest::{Guest, GuestSendError, Profile};
use ivring_host::{Client, ClientOptions, ClientSendError, Event, HostSendError, Identity, Port, Uuid};
use ivring_vm_config::Shmem;

use crate::Error;
use crate::witness::Message;

/// The topic of what they say.
const TOPIC: &str = "said";
/// The longest message in bytes.
const LONGEST: usize = 4000;
/// Messages each way in a round, and the pause after it.
const ROUND: usize = 4;
const PAUSE: Duration = Duration::from_millis(2);
/// Each of so many rounds has a request.
const ASK_EVERY: u64 = 8;
/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Messages each way that show that it goes again.
const SHOWN: u64 = 300;

/// What one way has come to.
#[derive(Debug, Clone, Default)]
pub struct Way {
    /// Sent, each at once.
    pub sent: u64,
    /// Received in their order.
    pub received: u64,
    /// Not received, but later ones were.
    pub lost: u64,
    /// Not as they were sent, or not sent at all.
    pub damaged: u64,
    /// The first of those, in words.
    pub first_damage: Option<String>,
}

/// What a conversation has come to.
#[derive(Debug, Clone, Default)]
pub struct Talk {
    /// From the guest.
    pub to_host: Way,
    /// To the guest.
    pub to_guest: Way,
    /// Requests, answered, and known not to be.
    pub asked: u64,
    /// Requests that were answered right.
    pub answered: u64,
    /// Sessions that ended.
    pub sessions_lost: u64,
}

impl Way {
    fn take(&mut self, life: u64, payload: &[u8]) {
        match Message::check(payload) {
            Ok(message) if message.life == life && (self.next()..self.sent).contains(&message.number) => {
                self.lost += message.number - self.next();
                self.received += 1;
            }
            Ok(Message { life, number }) => {
                self.note(format!("message {number} of life {life} where {} is next", self.next()));
            }
            Err(damage) => self.note(damage.to_string()),
        }
    }

    fn note(&mut self, damage: String) {
        self.damaged += 1;
        self.first_damage.get_or_insert(damage);
    }

    fn next(&self) -> u64 {
        self.received + self.lost
    }

    /// Whether all that was sent has come, and nothing else.
    pub(super) fn is_whole(&self) -> bool {
        self.received == self.sent && self.damaged == 0
    }
}

/// Both programs.
pub(super) struct Conversation {
    guest: Guest,
    client: Client,
    socket: PathBuf,
    region: String,
    identity: Identity,
    life: u64,
    rounds: u64,
    open: BTreeSet<u64>,
    talk: Talk,
}

impl Conversation {
    /// Joins `region` as `uuid` and connects to the daemon.
    pub(super) fn start(region: &Shmem, uuid: &str, socket: &Path) -> Result<Self, Error> {
        let uuid: Uuid = uuid.parse().map_err(|error| Error::Failed(format!("{uuid}: {error}")))?;
        let options = ivring_guest::Options {
            region: Some(region.path().into()),
            id: Some(uuid),
            port: Port::agent(),
            profile: Profile::Power,
            ..ivring_guest::Options::default()
        };
        let guest = Guest::join(options).map_err(|error| Error::Failed(error.to_string()))?;
        let identity = Identity { uuid, port: Port::agent() };
        let client = connect(socket, region.name())?;
        Ok(Self {
            guest,
            client,
            socket: socket.to_owned(),
            region: region.name().to_owned(),
            identity,
            life: 1,
            rounds: 0,
            open: BTreeSet::new(),
            talk: Talk::default(),
        })
    }

    /// Talks until `end` is set. A `strict` one ends with an error when anything at all happens to it.
    pub(super) fn talk(&mut self, end: &AtomicBool, strict: bool) -> Result<(), Error> {
        while !end.load(Ordering::Relaxed) {
            self.round()?;
            if strict {
                self.check()?;
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn round(&mut self) -> Result<(), Error> {
        self.rounds += 1;
        for _ in 0..ROUND {
            let (to_host, to_guest) = (&mut self.talk.to_host, &mut self.talk.to_guest);
            let payload = Message { life: self.life, number: to_host.sent }.payload(LONGEST);
            match self.guest.send(TOPIC, &payload) {
                Ok(_) => to_host.sent += 1,
                Err(GuestSendError::Send(_)) => {}
                Err(error @ GuestSendError::Topic(_)) => return Err(Error::Failed(error.to_string())),
            }
            let payload = Message { life: self.life, number: to_guest.sent }.payload(LONGEST);
            match self.client.send(&self.identity, TOPIC, &payload) {
                Ok(_) => to_guest.sent += 1,
                Err(ClientSendError::Host(HostSendError::Send(_))) => {}
                Err(error) => {
                    return Err(Error::Failed(format!("the daemon does not take a message: {error}")));
                }
            }
        }
        if self.rounds.is_multiple_of(ASK_EVERY) {
            let payload = Message { life: self.life, number: self.talk.asked }.payload(LONGEST);
            if let Ok(id) = self.guest.request("ivring.echo", &payload, ANSWER_LIMIT) {
                self.open.insert(id);
                self.talk.asked += 1;
            }
        }
        self.hear()
    }

    /// Takes all that has come.
    fn hear(&mut self) -> Result<(), Error> {
        while let Some(event) = self.guest.poll() {
            match event {
                ivring_guest::Event::Message { topic, payload, .. } if topic == TOPIC => {
                    self.talk.to_guest.take(self.life, &payload);
                }
                ivring_guest::Event::Response { id, payload, .. } => {
                    let right = Message::check(&payload).is_ok_and(|message| message.life == self.life);
                    self.talk.answered += u64::from(self.open.remove(&id) && right);
                }
                ivring_guest::Event::Detached(_) | ivring_guest::Event::Fault(_) => {
                    self.talk.sessions_lost += 1;
                }
                _ => {}
            }
        }
        while let Some(event) = self.client.poll() {
            match event {
                Event::Message { guest, topic, payload, .. } if guest == self.identity && topic == TOPIC => {
                    self.talk.to_host.take(self.life, &payload);
                }
                Event::Disconnected { reason } => {
                    return Err(Error::Failed(format!("the daemon has hung up: {reason}")));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What may not happen where nobody else can write.
    fn check(&self) -> Result<(), Error> {
        let Talk { to_host, to_guest, sessions_lost, .. } = &self.talk;
        if to_host.lost + to_host.damaged + to_guest.lost + to_guest.damaged + sessions_lost == 0 {
            return Ok(());
        }
        Err(Error::Failed(format!("a conversation that nobody can reach was hurt: {:?}", self.talk)))
    }

    /// Waits until all that was said has come, and every request is answered.
    pub(super) fn finish(mut self, deadline: Instant) -> Result<Talk, Error> {
        loop {
            self.hear()?;
            self.check()?;
            let Talk { to_host, to_guest, asked, answered, .. } = &self.talk;
            if to_host.is_whole() && to_guest.is_whole() && asked == answered {
                return Ok(self.talk);
            }
            if Instant::now() >= deadline {
                return Err(Error::Failed(format!("not all has come: {:?}", self.talk)));
            }
            thread::sleep(PAUSE);
        }
    }

    /// Begins again, until a few hundred messages have come each way, all of them, and every request is answered. Returns what
    /// came before.
    pub(super) fn begin_again(mut self, deadline: Instant) -> Result<Talk, Error> {
        let before = std::mem::take(&mut self.talk);
        loop {
            // What is on its way still is of another life.
            self.life += 1;
            self.talk = Talk::default();
            self.open.clear();
            self.client = connect(&self.socket, &self.region)?;
            while self.talk.sessions_lost == 0 && self.talk.to_host.sent < SHOWN {
                self.round()?;
                thread::sleep(PAUSE);
                if Instant::now() >= deadline {
                    return Err(Error::Failed(format!("no talk any more: {:?}", self.talk)));
                }
            }
            let patience = Instant::now() + Duration::from_secs(2);
            while Instant::now() < patience {
                self.hear()?;
                let Talk { to_host, to_guest, asked, answered, .. } = &self.talk;
                // Words of the life before may still have come.
                let whole = |way: &Way| way.received == way.sent;
                if whole(to_host) && whole(to_guest) && to_guest.sent > 0 && asked == answered {
                    return Ok(before);
                }
                thread::sleep(PAUSE);
            }
            if Instant::now() >= deadline {
                return Err(Error::Failed(format!("not all comes any more: {:?}", self.talk)));
            }
        }
    }
}

fn connect(socket: &Path, region: &str) -> Result<Client, Error> {
    let options = ClientOptions { socket: Some(socket.to_owned()), region: Some(region.to_owned()) };
    Client::connect(options).map_err(crate::daemon::failed("connect to the daemon"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A way on which five were sent and these came.
    fn way(numbers: &[u64]) -> Way {
        let mut way = Way { sent: 5, ..Way::default() };
        for &number in numbers {
            way.take(1, &Message { life: 1, number }.payload(100));
        }
        way
    }

    #[test]
    fn what_is_missing_repeated_or_out_of_order_shows() {
        assert!(way(&[0, 1, 2, 3, 4]).is_whole());
        assert!(!way(&[0, 1, 2, 3]).is_whole());
        for (numbers, lost, damaged) in
            [(&[0, 1, 3, 4][..], 1, 0), (&[0, 1, 1, 2, 3, 4], 0, 1), (&[0, 2, 1, 3, 4], 1, 1), (&[5], 0, 1)]
        {
            let way = way(numbers);
            assert_eq!((way.lost, way.damaged, way.is_whole()), (lost, damaged, false), "{numbers:?}");
        }
    }

    #[test]
    fn what_was_not_said_or_not_so_shows() {
        let mut way = way(&[0]);
        way.take(1, &Message { life: 2, number: 1 }.payload(100));
        let mut payload = Message { life: 1, number: 1 }.payload(100);
        payload[0] ^= 1;
        way.take(1, &payload);
        assert_eq!((way.received, way.damaged), (1, 2));
        assert_eq!(way.first_damage.as_deref(), Some("message 1 of life 2 where 1 is next"));
    }
}
