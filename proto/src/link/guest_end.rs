//! The guest's end of a channel: from whatever is in the region to an attached link, and back after every event.

use super::{Counters, Link, LinkError, Received, SendError, Status, Topic};
use crate::layout::{
    NAME_LEN, RegionState, Superblock, SuperblockError, Version, VersionRange, read_superblock,
};
use crate::memory::Memory;
use crate::ring::{Consumer, Producer, View, handed_over};
use crate::session::{
    Answer, Attachment, AttachmentEvent, Caching, ChannelState, CloseReason, Entropy, EntryError, Identity,
    JoinProgress, JoinRequest, Joiner, Liveness, Offer, Text, Uuid, read_entry,
};
use core::time::Duration;

/// The superblock is looked at this often while there is none.
const REGION_LOOK: Duration = Duration::from_millis(20);
/// A session that broke is asked for again after this.
const REJOIN: Duration = Duration::from_secs(1);
/// An evicted guest lets those who wait go first.
const REJOIN_EVICTED: Duration = Duration::from_secs(5);
/// Whoever was offered a channel has confirmed within this, or is not there.
const NOBODY_CAME: Duration = Duration::from_secs(3);
/// With no answer for this long, the host is said to be missing.
const NO_ANSWER: Duration = Duration::from_millis(500);

/// Who joins, and how.
#[derive(Debug, Clone, Copy)]
pub struct GuestOptions {
    /// Who the channel belongs to.
    pub identity: Identity,
    /// Boot id of the kernel.
    pub boot: Uuid,
    /// The name to show to the host.
    pub name: Text<NAME_LEN>,
    /// The host counts as stale when its heartbeat has not moved for this long.
    pub stale_after: Duration,
}

/// What a guest waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// The region cannot be used, yet or at all.
    Region(SuperblockError),
    /// The region is about to be formatted anew.
    RegionClosing,
    /// The request stands and nobody answers.
    Host,
    /// The host refuses.
    Refused(Answer),
    /// The host offers a channel in a way that cannot be right.
    Unusable(EntryError),
}

impl core::fmt::Display for Waiting {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Waiting::Region(error) => error.fmt(f),
            Waiting::RegionClosing => f.write_str("the region is being formatted anew"),
            Waiting::Host => f.write_str("the host does not answer: is ivringd running?"),
            Waiting::Refused(answer) => write!(f, "the host refuses: {}", answer.refusal),
            Waiting::Unusable(error) => error.fmt(f),
        }
    }
}

/// What happened at the guest's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestEvent {
    /// Waiting, and for what; told once a change.
    Waiting(Waiting),
    /// Attached: messages flow.
    Attached {
        /// Number of the channel.
        channel: u64,
        /// Version chosen.
        version: Version,
    },
    /// The daemon has been started anew; nothing is lost.
    HostRestarted,
    /// The daemon has ended as it should; messages wait in the ring.
    HostAway,
    /// The daemon's heartbeat has stopped.
    HostStale,
    /// The daemon is back, or moves again.
    HostBack,
    /// The session is over and will be asked for again.
    Detached(CloseReason),
    /// The host wrote what cannot be right, found elsewhere than in [`GuestEnd::receive`]: the session is over and will be
    /// asked for again.
    Fault(LinkError),
    /// The session is over for good: a newer program has this identity.
    Superseded,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one value a guest, and a box would need an allocator")]
enum State<M> {
    Region {
        next_look: Duration,
    },
    Joining {
        superblock: Superblock,
        joiner: Joiner,
        since: Duration,
    },
    Attached {
        attachment: Attachment,
        link: Link<M>,
    },
    /// Another program of this identity was offered the channel, whose entry is here.
    Displaced {
        entry: u64,
        since: Duration,
    },
    Ended,
}

/// The guest's end of one channel. Nothing here blocks: call [`poll`](Self::poll) and [`receive`](Self::receive) in turn.
#[derive(Debug)]
pub struct GuestEnd<M> {
    memory: M,
    options: GuestOptions,
    caching: Option<Caching>,
    state: State<M>,
    told: Option<Waiting>,
    /// The last session ended because somebody else wrote in this one's place.
    second_writer: bool,
    /// Of the sessions before this one.
    counters: Counters,
}

impl<M: Memory + Clone> GuestEnd<M> {
    /// Begins; nothing is written before the first poll.
    pub fn new(memory: M, options: GuestOptions) -> Self {
        GuestEnd {
            memory,
            options,
            caching: None,
            state: State::Region { next_look: Duration::ZERO },
            told: None,
            second_writer: false,
            counters: Counters::default(),
        }
    }

    /// Tells the host how the memory is mapped, in every session that begins from now on.
    #[must_use]
    pub fn with_caching(self, caching: Caching) -> Self {
        GuestEnd { caching: Some(caching), ..self }
    }

    /// True while messages flow.
    pub fn is_attached(&self) -> bool {
        matches!(self.state, State::Attached { .. })
    }

    /// True once nothing will happen any more.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// What is being waited for, if that was told.
    pub fn waiting(&self) -> Option<&Waiting> {
        self.told.as_ref()
    }

    /// The session, when attached.
    pub fn offer(&self) -> Option<&Offer> {
        match &self.state {
            State::Attached { attachment, .. } => Some(attachment.offer()),
            _ => None,
        }
    }

    /// The host's epoch as last seen, 0 when it has left; `None` when not attached.
    pub fn host_epoch(&self) -> Option<u64> {
        match &self.state {
            State::Attached { attachment, .. } => Some(attachment.epoch()),
            _ => None,
        }
    }

    /// Whether the host's heartbeat moves; `None` when not attached.
    pub fn host(&self) -> Option<Liveness> {
        match &self.state {
            State::Attached { attachment, .. } => Some(attachment.host()),
            _ => None,
        }
    }

    /// What passed through, in all sessions so far.
    pub fn counters(&self) -> Counters {
        match &self.state {
            State::Attached { link, .. } => *link.counters(),
            _ => self.counters,
        }
    }

    /// The link, when attached.
    pub fn link(&mut self) -> Option<&mut Link<M>> {
        match &mut self.state {
            State::Attached { link, .. } => Some(link),
            _ => None,
        }
    }

    /// Moves on: joins, beats, notices what the host does. At most one event a call.
    pub fn poll(&mut self, now: Duration, entropy: &mut impl Entropy) -> Option<GuestEvent> {
        match &mut self.state {
            State::Region { next_look } => {
                if now < *next_look {
                    return None;
                }
                *next_look = now + REGION_LOOK;
                self.look_at_region(now, entropy)
            }
            State::Joining { superblock, joiner, since } => {
                match joiner.poll(&self.memory, &superblock.geometry, now, entropy) {
                    JoinProgress::Offered(offer) => {
                        let stale_after = self.options.stale_after;
                        if let Some(caching) = self.caching {
                            caching.write(&self.memory, offer.place.guest_control, offer.nonce);
                        }
                        self.state =
                            attach(&self.memory, superblock, joiner, offer, stale_after, now, entropy);
                        self.told = None;
                        self.second_writer = false;
                        Some(GuestEvent::Attached { channel: offer.channel, version: offer.version })
                    }
                    JoinProgress::Refused(answer) => self.tell(Waiting::Refused(answer)),
                    JoinProgress::Unusable(error) => {
                        self.check_region(now).or_else(|| self.tell(Waiting::Unusable(error)))
                    }
                    JoinProgress::Waiting => {
                        let silent = now.saturating_sub(*since) > NO_ANSWER;
                        let refused = matches!(self.told, Some(Waiting::Refused(_) | Waiting::Unusable(_)));
                        self.check_region(now)
                            .or_else(|| (silent && !refused).then(|| self.tell(Waiting::Host)).flatten())
                    }
                }
            }
            State::Attached { attachment, link } => {
                let fault = link.wedged(now).or(link.tx().fault()).or(link.rx().fault());
                // Not where a newer program has the channel: asking for it again would take it from that.
                if let Some(fault) = fault
                    && !attachment.is_lost(&self.memory)
                {
                    attachment.bye(&self.memory, CloseReason::GuestFault);
                    return Some(self.broken(fault.into(), now));
                }
                let event = attachment.poll(&self.memory, now, entropy)?;
                Some(match event {
                    AttachmentEvent::HostRestarted => GuestEvent::HostRestarted,
                    AttachmentEvent::HostAway => GuestEvent::HostAway,
                    AttachmentEvent::HostStale => GuestEvent::HostStale,
                    AttachmentEvent::HostBack => GuestEvent::HostBack,
                    AttachmentEvent::Reformatted => self.detached(CloseReason::Reformat, now),
                    AttachmentEvent::Closed(CloseReason::Superseded) => {
                        let entry = attachment.offer().place.entry;
                        self.counters = self.counters();
                        self.second_writer = false;
                        self.state = State::Displaced { entry, since: now };
                        return self.look_at_successor(entry, now, now);
                    }
                    AttachmentEvent::Closed(reason) => self.detached(reason, now),
                    AttachmentEvent::Damaged(error) => self.broken(error.into(), now),
                })
            }
            State::Displaced { entry, since } => {
                let (entry, since) = (*entry, *since);
                self.look_at_successor(entry, since, now)
            }
            State::Ended => None,
        }
    }

    /// A program that is superseded by another ends for good, and only then: anybody who can write a join cell can ask for its
    /// channel, without being there to use it.
    fn look_at_successor(&mut self, entry: u64, since: Duration, now: Duration) -> Option<GuestEvent> {
        match read_entry(&self.memory, entry).state {
            ChannelState::Attached => {
                self.state = State::Ended;
                Some(GuestEvent::Superseded)
            }
            // A successor whose session was closed asks for the channel again, perhaps for a fault that was this one's doing:
            // it may have written the rest of a record when it was stopped in the midst of it and went on.
            ChannelState::Offered | ChannelState::Closed(_) if now.saturating_sub(since) < NOBODY_CAME => {
                None
            }
            _ => {
                self.state = State::Region { next_look: now };
                Some(GuestEvent::Detached(CloseReason::Superseded))
            }
        }
    }

    fn tell(&mut self, waiting: Waiting) -> Option<GuestEvent> {
        if self.told == Some(waiting) {
            return None;
        }
        self.told = Some(waiting);
        Some(GuestEvent::Waiting(waiting))
    }

    fn look_at_region(&mut self, now: Duration, entropy: &mut impl Entropy) -> Option<GuestEvent> {
        let superblock = match read_superblock(&self.memory) {
            Ok(superblock) if superblock.state == RegionState::Ready => superblock,
            Ok(_) => return self.tell(Waiting::RegionClosing),
            Err(error) => return self.tell(Waiting::Region(error)),
        };
        let request = JoinRequest {
            attempt: 0,
            nonce: 0,
            identity: self.options.identity,
            boot: self.options.boot,
            versions: VersionRange::SUPPORTED,
            features_required: 0,
            features_optional: 0,
            name: self.options.name,
            second_writer: self.second_writer,
        };
        let joiner = Joiner::start(&self.memory, &superblock.geometry, request, now, entropy);
        self.state = State::Joining { superblock, joiner, since: now };
        None
    }

    /// While joining: back to the start when the region is formatted anew.
    fn check_region(&mut self, now: Duration) -> Option<GuestEvent> {
        let State::Joining { superblock, .. } = &self.state else { return None };
        match read_superblock(&self.memory) {
            Ok(found) if found == *superblock => None,
            _ => {
                self.state = State::Region { next_look: now };
                None
            }
        }
    }

    fn broken(&mut self, error: LinkError, now: Duration) -> GuestEvent {
        self.counters = self.counters();
        self.state = State::Region { next_look: now + REJOIN };
        GuestEvent::Fault(error)
    }

    fn detached(&mut self, reason: CloseReason, now: Duration) -> GuestEvent {
        self.counters = self.counters();
        self.second_writer = reason == CloseReason::SecondWriter;
        let pause = match reason {
            CloseReason::Evicted => REJOIN_EVICTED,
            CloseReason::Reformat => REGION_LOOK,
            _ => REJOIN,
        };
        self.state = State::Region { next_look: now + pause };
        GuestEvent::Detached(reason)
    }

    /// Sends a message of one record and publishes it at once; returns its id. Never blocks.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; the message was not sent then.
    pub fn send(&mut self, topic: Topic<'_>, payload: &[u8]) -> Result<u64, SendError> {
        let link = self.link().ok_or(SendError::NotAttached)?;
        let id = link.send(topic, payload)?;
        link.flush();
        Ok(id)
    }

    /// Answers the request `id` and publishes the answer at once.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; the answer was not sent then.
    pub fn respond(&mut self, id: u64, status: Status, payload: &[u8]) -> Result<(), SendError> {
        let link = self.link().ok_or(SendError::NotAttached)?;
        link.respond(id, status, payload)?;
        link.flush();
        Ok(())
    }

    /// Receives the next record; `None` when there is none or no session.
    ///
    /// # Errors
    ///
    /// When the host broke its ring: the session is closed with that reason and asked for again.
    #[inline(always)]
    pub fn receive<'a>(
        &mut self,
        now: Duration,
        buffer: &'a mut [u8],
    ) -> Result<Option<Received<'a>>, LinkError> {
        let State::Attached { attachment, link } = &mut self.state else { return Ok(None) };
        let received = link.receive(buffer);
        if !matches!(received, Ok(_) | Err(LinkError::Buffer { .. })) {
            if attachment.is_lost(&self.memory) {
                // What was read is of a newer program's session. The next poll tells.
                return Ok(None);
            }
            attachment.bye(&self.memory, CloseReason::GuestFault);
            self.counters = *link.counters();
            self.state = State::Region { next_look: now + REJOIN };
        }
        received
    }

    /// The piece of the fragment that was received last, see [`Link::piece`].
    pub fn piece(&self) -> Option<View<'_, M>> {
        match &self.state {
            State::Attached { link, .. } => link.piece(),
            _ => None,
        }
    }

    /// Ends the session, or takes the request back; the host frees the channel.
    pub fn bye(&mut self) {
        self.counters = self.counters();
        match &mut self.state {
            State::Attached { attachment, link } => {
                link.ack();
                link.rx().release();
                link.flush();
                attachment.bye(&self.memory, CloseReason::Bye);
            }
            State::Joining { superblock, joiner, .. } => joiner.withdraw(&self.memory, &superblock.geometry),
            State::Region { .. } | State::Displaced { .. } | State::Ended => {}
        }
        self.state = State::Ended;
    }
}

/// Starts both rings of an offered channel and confirms it.
fn attach<M: Memory + Clone>(
    memory: &M,
    superblock: &Superblock,
    joiner: &mut Joiner,
    offer: Offer,
    stale_after: Duration,
    now: Duration,
    entropy: &mut impl Entropy,
) -> State<M> {
    let place = &offer.place;
    // What an earlier program with the same identity left; nothing when there is no such trace.
    let start = offer.to_guest_start;
    let seen = handed_over(memory, place.to_guest, start).unwrap_or(start);
    let tx = Producer::start(memory.clone(), place.to_host, offer.salt, offer.to_host_start);
    let rx = Consumer::start(memory.clone(), place.to_guest, offer.to_guest_salt, start, seen);
    let attachment = Attachment::confirm(memory, superblock, offer, joiner, now, stale_after, entropy);
    State::Attached { attachment, link: Link::new(tx, rx) }
}
