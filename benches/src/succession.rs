//! A host that takes another one's place while guests are attached.

use std::time::{Duration, Instant};

use ivring_guest::{Event, Guest};
use ivring_host::{Event as HostEvent, Host, Options, Phase};

use crate::linked::{LIMIT, Linked, TOPIC, host_options, identity};
use crate::moments::Moments;
use crate::scratch_region::ScratchRegion;

/// When a host has taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Each guest's message, which was sent while there was no host, is answered: messages flow.
    Answered,
    /// Each guest knows that the host is another: also what needs that goes on, such as messages in fragments.
    Noticed,
}

/// Guests, and hosts one after the other. The region ends with it.
#[derive(Debug)]
pub struct Succession {
    /// `None` only while one follows the other.
    host: Option<Host>,
    guests: Vec<Guest>,
    /// How each host opens the region.
    options: Options,
    /// The channel of each guest.
    channels: Vec<u64>,
    rounds: u64,
    moments: Moments,
    _region: ScratchRegion,
}

impl Succession {
    /// Makes a region of `size` bytes with that many channels, and attaches so many guests to the first host.
    ///
    /// # Panics
    ///
    /// As [`Linked::new`].
    #[must_use]
    pub fn new(size: u64, channels: u64, guests: u128) -> Self {
        let Linked { host, mut guests, region } = Linked::new(size, channels, guests);
        let channels_had = guests.iter_mut().map(channel_of).collect();
        Succession {
            host: Some(host),
            guests,
            options: host_options(region.path(), size, channels),
            channels: channels_had,
            rounds: 0,
            moments: Moments::default(),
            _region: region,
        }
    }

    /// The time that so many hosts take in all to take over from one that ended without a word, each from
    /// [`Host::open`] on. Every guest has sent a message meanwhile. All are polled in turns on one thread.
    ///
    /// # Panics
    ///
    /// When a guest loses its channel, or a message is lost or repeated.
    pub fn take_over(&mut self, times: u64, until: Until) -> Duration {
        let took = |_| {
            let [answered, noticed] = self.take_over_once();
            match until {
                Until::Answered => answered,
                Until::Noticed => noticed.max(answered),
            }
        };
        (0..times).map(took).sum()
    }

    /// The time until each guest is answered, and until each has noticed.
    fn take_over_once(&mut self) -> [Duration; 2] {
        self.rounds += 1;
        self.stay();
        drop(self.host.take());
        let number = self.rounds.to_le_bytes();
        for guest in &mut self.guests {
            guest.send(TOPIC, &number).expect("there is room for one");
        }
        let start = Instant::now();
        let mut host = Host::open(self.options.clone()).expect("the one before has ended");
        let all = self.guests.len();
        let (mut heard, mut answered, mut noticed) = (0, 0, 0);
        let mut times = [None, None];
        while times.contains(&None) {
            assert!(
                start.elapsed() < LIMIT,
                "of {all} guests {heard} were heard, {answered} answered, and {noticed} noticed the host"
            );
            while let Some(event) = host.poll() {
                match event {
                    HostEvent::Message { guest, payload, redelivered: false, .. } if payload == number => {
                        heard += 1;
                        host.send(&guest, TOPIC, &payload).expect("there is room for one");
                    }
                    event => panic!("{event:?} was not sent"),
                }
            }
            for guest in &mut self.guests {
                while let Some(event) = guest.poll() {
                    match event {
                        Event::Message { payload, redelivered: false, .. } if payload == number => {
                            answered += 1
                        }
                        Event::HostRestarted => noticed += 1,
                        event => panic!("{event:?} was not sent"),
                    }
                }
            }
            for (time, done) in times.iter_mut().zip([answered, noticed]) {
                if done == all {
                    time.get_or_insert_with(|| start.elapsed());
                }
            }
        }
        assert_eq!((heard, answered, noticed), (all, all, all));
        self.check(&host);
        self.host = Some(host);
        times.map(|time| time.expect("the loop ends with both"))
    }

    /// Nothing happens until another moment than the last time.
    fn stay(&mut self) {
        let (start, pause) = (Instant::now(), self.moments.next());
        while start.elapsed() < pause {
            let told = self.host.as_mut().and_then(Host::poll);
            assert!(told.is_none(), "{told:?}");
            for guest in &mut self.guests {
                let told = guest.poll();
                assert!(told.is_none(), "{told:?}");
            }
        }
    }

    /// Everybody has the channel from before, on both sides.
    fn check(&mut self, host: &Host) {
        let known = host.guests();
        assert_eq!(known.len(), self.guests.len());
        for (guest, channel) in self.guests.iter_mut().zip(&self.channels) {
            let who = identity(guest);
            let entry = known.iter().find(|entry| entry.identity == who).expect("it is attached");
            assert_eq!((entry.phase, entry.channel), (Phase::Attached, *channel), "{who}");
            assert_eq!(channel_of(guest), *channel, "{who}");
        }
    }
}

fn channel_of(guest: &mut Guest) -> u64 {
    guest.end().offer().expect("it is attached").channel
}
