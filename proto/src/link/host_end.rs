//! One channel seen by the host: its session, its link, and what becomes of messages in flight when one ends.

mod taking_over;

use super::{Counters, Kind, Link, LinkError, Received, SendError};
use crate::layout::{ChannelPlace, control_word as word};
use crate::memory::Memory;
use crate::ring::{Consumer, HEADER, Producer, View, handed_over, walk};
use crate::session::{
    Binding, Caching, Channel, ChannelEvent, CloseReason, Entropy, Identity, JoinRequest, Phase, Refusal,
    Starts,
};
use core::time::Duration;

/// Messages and requests to a guest that ended before it received them: the first `count` of those that were sent from
/// `first` on. What was sent to the guest's next session may have been sent already when this is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undelivered {
    /// How many.
    pub count: u64,
    /// Id of the first.
    pub first: u64,
}

/// What happened on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostEvent {
    /// Attached: messages flow. With `resumed`, an agent that was killed is back and both rings go on.
    Attached {
        /// True when a session of the same boot went before.
        resumed: bool,
    },
    /// The guest wrote what cannot be right, found elsewhere than in [`HostEnd::receive`]. Followed by `Detached`.
    Fault {
        /// Who.
        guest: Identity,
        /// What was wrong, with the value.
        error: LinkError,
    },
    /// The guest's heartbeat has stopped; it may be paused.
    Stale,
    /// It moves again.
    Back,
    /// Messages that the guest never received are given up.
    Undelivered {
        /// Whose they were.
        guest: Identity,
        /// How many, and the first one's id.
        what: Undelivered,
    },
    /// The session is over.
    Detached {
        /// Whose it was.
        binding: Binding,
        /// Why.
        reason: CloseReason,
    },
    /// Refuse the request in this cell.
    Refuse {
        /// Number of the cell.
        cell: u64,
        /// The request.
        request: JoinRequest,
        /// Why.
        refusal: Refusal,
    },
}

/// What follows once the old session's messages to the host are drained.
#[derive(Debug, Clone, Copy)]
enum After {
    Offer(JoinRequest),
    Free(CloseReason),
}

#[derive(Debug, Clone, Copy)]
struct Drain {
    after: After,
    /// Receive no further than this: a program that is to be replaced cannot hold the host by going on to send.
    limit: u64,
    done: bool,
}

/// One channel, seen by the host. Nothing here blocks: call [`poll`](Self::poll) and [`receive`](Self::receive) in turn.
#[derive(Debug)]
pub struct HostEnd<M> {
    memory: M,
    index: u64,
    channel: Channel,
    link: Option<Link<M>>,
    /// Where the rings go on while there is no link.
    to_host: u64,
    to_guest: u64,
    drain: Option<Drain>,
    /// What this session's guest published could not be read on: it is not tried again.
    unreadable: bool,
    resumed: bool,
    events: [Option<HostEvent>; 4],
    counters: Counters,
}

impl<M: Memory + Clone> HostEnd<M> {
    /// Fills the host's own lines of a channel in a region that is being formatted.
    pub(super) fn format(memory: &M, place: &ChannelPlace) {
        Self::store_positions(memory, place, place.first_position, place.first_position);
    }

    fn store_positions(memory: &M, place: &ChannelPlace, to_host: u64, to_guest: u64) {
        memory.store(place.to_guest.producer + word::HINT, to_guest);
        memory.store(place.to_host.consumer + word::HEAD, to_host);
        memory.store(place.to_host.consumer + word::SEEN, to_host);
    }

    /// The session.
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// How the guest says that it has mapped the region; `None` when it is not attached, or says nothing.
    pub fn caching(&self) -> Option<Caching> {
        let attached = self.channel.phase() == Phase::Attached;
        let nonce = self.channel.binding().filter(|_| attached)?.nonce;
        Caching::read(&self.memory, self.channel.place().guest_control, nonce)
    }

    /// What passed through this channel since it got its owner.
    pub fn counters(&self) -> Counters {
        self.link.as_ref().map_or(self.counters, |link| *link.counters())
    }

    /// The link, when attached.
    pub fn link(&mut self) -> Option<&mut Link<M>> {
        match self.channel.phase() {
            Phase::Attached if self.drain.is_none() => self.link.as_mut(),
            _ => None,
        }
    }

    /// Largest payload of a message to the guest, on a topic of `topic` bytes.
    pub fn max_payload(&self, topic: usize) -> usize {
        self.link.as_ref().map_or(0, |link| link.max_payload(topic))
    }

    /// Moves on: sees confirmations, good-byes and heartbeats, finishes what was begun. At most one event a call.
    pub fn poll(&mut self, now: Duration, entropy: &mut impl Entropy) -> Option<HostEvent> {
        if let Some(event) = self.events.iter_mut().find_map(Option::take) {
            return Some(event);
        }
        if let Some(drain) = self.drain {
            return if drain.done || self.link.is_none() { self.finish(drain.after, entropy) } else { None };
        }
        if let Some(fault) = self.link().and_then(|link| link.wedged(now)) {
            self.give_up(fault);
        }
        match self.channel.poll(&self.memory, now)? {
            ChannelEvent::Confirmed => {
                if self.link.is_none() {
                    self.take_over_rings();
                }
                Some(HostEvent::Attached { resumed: self.resumed })
            }
            ChannelEvent::Bye(reason) => {
                self.end(reason);
                None
            }
            ChannelEvent::NotTaken => {
                self.end(CloseReason::NotTaken);
                None
            }
            ChannelEvent::Stale => Some(HostEvent::Stale),
            ChannelEvent::Back => Some(HostEvent::Back),
            ChannelEvent::ChallengeAnswered(cell, request) => {
                Some(HostEvent::Refuse { cell, request, refusal: Refusal::DuplicateIdentity })
            }
            ChannelEvent::ChallengeUnanswered(_, request) => {
                self.offer(now, &request);
                None
            }
        }
    }

    /// True while an offer or an ending waits for the old session's messages to be received; requests that come
    /// meanwhile wait too.
    pub fn is_changing_hands(&self) -> bool {
        self.drain.is_some()
    }

    /// Begins to give the channel to `request`: at once when it is free, else after the old session's messages to the
    /// host have been received.
    pub fn offer(&mut self, now: Duration, request: &JoinRequest) {
        // Confirmed a moment ago and not yet seen: what the old program published since is received first.
        if self.channel.phase() == Phase::Offered
            && self.channel.poll(&self.memory, now) == Some(ChannelEvent::Confirmed)
        {
            self.tell(HostEvent::Attached { resumed: self.resumed });
        }
        let confirmed = self.channel.may_be_read();
        self.begin_drain(After::Offer(*request), confirmed);
    }

    /// The guest still asks for what it was offered.
    pub(super) fn offer_again(&mut self) {
        self.channel.offer_again(&self.memory);
    }

    /// Asks the incumbent whether it lives, for the newcomer in `cell`.
    pub fn challenge(&mut self, now: Duration, cell: u64, request: JoinRequest) {
        self.channel.challenge(&self.memory, now, cell, request);
    }

    /// Begins to free the channel: the guest reads why, what it had published is received first.
    pub fn end(&mut self, reason: CloseReason) {
        if self.channel.binding().is_none() {
            return;
        }
        let confirmed = self.channel.may_be_read();
        self.channel.close(&self.memory, reason);
        self.begin_drain(After::Free(reason), confirmed);
    }

    /// Of a session that was never confirmed nothing is read.
    fn begin_drain(&mut self, after: After, confirmed: bool) {
        let (limit, done) = match &mut self.link {
            Some(link) if confirmed => {
                link.flush();
                let rx = link.rx();
                let limit = rx.position().wrapping_add(self.channel.place().to_host.capacity);
                (limit, self.unreadable || rx.fault().is_some())
            }
            _ => (0, true),
        };
        self.drain = Some(Drain { after, limit, done });
    }

    /// Whether [`receive`](Self::receive) has nothing to do here: one look at the ring. Said of a session whose last record
    /// is done with.
    pub fn is_quiet(&mut self) -> bool {
        match &mut self.link {
            _ if self.drain.is_some() => false,
            Some(link) if self.channel.phase() == Phase::Attached => matches!(link.rx().peek(), Ok(None)),
            _ => true,
        }
    }

    /// Receives the guest's next record; `None` when there is none or no session.
    ///
    /// # Errors
    ///
    /// When the guest broke its ring: the session is closed with that reason; the channel stays the guest's.
    #[inline(always)]
    pub fn receive<'a>(&mut self, buffer: &'a mut [u8]) -> Result<Option<Received<'a>>, LinkError> {
        let draining = self.drain.is_some();
        if !draining && self.channel.phase() != Phase::Attached {
            return Ok(None);
        }
        let Some(link) = &mut self.link else { return Ok(None) };
        if let Some(drain) = &mut self.drain
            && (drain.done || drain.limit.wrapping_sub(link.rx().position()).cast_signed() <= 0)
        {
            drain.done = true;
            return Ok(None);
        }
        let received = link.receive(buffer);
        match &received {
            Ok(Some(_)) | Err(LinkError::Buffer { .. }) => {}
            Ok(None) => {
                if let Some(drain) = &mut self.drain {
                    drain.done = true;
                }
            }
            Err(_) => self.break_off(),
        }
        received
    }

    /// Ends what goes on here without a word to the region, nor a look at it: somebody else has written there, and nothing
    /// in it is to be believed. What was under way is lost, and nobody can say how much that was.
    pub fn abandon(&mut self) {
        if let Some(mut link) = self.link.take() {
            self.counters = *link.counters();
            self.to_host = link.rx().position();
            self.to_guest = link.tx().position();
        }
        let (is_freed, reason) = match self.drain.take() {
            Some(Drain { after: After::Free(reason), .. }) => (true, reason),
            _ => (false, CloseReason::SecondWriter),
        };
        if is_freed {
            self.counters = Counters::default();
        }
        if let Some(binding) = self.channel.abandon(is_freed) {
            self.tell(HostEvent::Detached { binding, reason });
        }
    }

    /// Writes this host's lines of the channel anew after [`abandon`](Self::abandon), whatever stands there: the guest reads
    /// that its session is over, and joins anew.
    pub fn rewrite(&self) {
        let place = self.channel.place();
        Self::store_positions(&self.memory, place, self.to_host, self.to_guest);
        self.channel.rewrite(&self.memory, self.to_host, self.to_guest);
    }

    /// The guest broke its ring.
    #[cold]
    fn break_off(&mut self) {
        self.unreadable = true;
        match &mut self.drain {
            Some(drain) => drain.done = true,
            None => self.close(CloseReason::HostFault),
        }
    }

    /// The piece of the fragment that was received last, see [`Link::piece`].
    pub fn piece(&self) -> Option<View<'_, M>> {
        self.link.as_ref().and_then(Link::piece)
    }

    /// Sends through `send` when attached, and counts.
    ///
    /// # Errors
    ///
    /// [`SendError::NotAttached`] without a session, else what `send` returns. A fault closes the session, and is told as an
    /// event, too.
    #[inline]
    pub fn send_with<T>(
        &mut self,
        send: impl FnOnce(&mut Link<M>) -> Result<T, SendError>,
    ) -> Result<T, SendError> {
        let result = self.link().ok_or(SendError::NotAttached).and_then(send);
        if let Err(SendError::Fault(fault)) = &result {
            self.give_up(*fault);
        }
        result
    }

    /// Closes the session of a guest that broke its rings, and says how it did.
    #[cold]
    fn give_up(&mut self, error: impl Into<LinkError>) {
        if let Some(binding) = self.channel.binding() {
            let guest = binding.identity;
            self.tell(HostEvent::Fault { guest, error: error.into() });
        }
        self.close(CloseReason::HostFault);
    }

    /// Closes the session and leaves the channel bound.
    fn close(&mut self, reason: CloseReason) {
        let Some(binding) = self.channel.binding().copied() else { return };
        self.channel.close(&self.memory, reason);
        self.tell(HostEvent::Detached { binding, reason });
    }

    fn tell(&mut self, event: HostEvent) {
        if let Some(place) = self.events.iter_mut().find(|place| place.is_none()) {
            *place = Some(event);
        }
    }

    fn finish(&mut self, after: After, entropy: &mut impl Entropy) -> Option<HostEvent> {
        self.drain = None;
        match after {
            After::Offer(request) => self.finish_offer(&request, entropy),
            After::Free(reason) => {
                self.put_link_away();
                self.counters = Counters::default();
                let binding = self.channel.release(&self.memory)?;
                self.tell(HostEvent::Detached { binding, reason });
            }
        }
        self.events.iter_mut().find_map(Option::take)
    }

    fn finish_offer(&mut self, request: &JoinRequest, entropy: &mut impl Entropy) {
        let before = self.channel.binding().copied();
        let phase = self.channel.phase();
        let same_boot = before.is_some_and(|binding| binding.boot == request.boot);
        let goes_on = same_boot && self.link.is_some() && !request.second_writer;
        if let Some(binding) = before
            && phase == Phase::Attached
        {
            let reason = match (request.second_writer, same_boot) {
                (true, _) => CloseReason::SecondWriter,
                (false, true) => CloseReason::Superseded,
                (false, false) => CloseReason::Rebooted,
            };
            self.tell(HostEvent::Detached { binding, reason });
        }
        let place = *self.channel.place();
        // A record that an old program publishes from here on has the old salt, and is never believed.
        let salt = entropy.word();
        let kept = match self.link.take() {
            Some(mut link) if goes_on => {
                self.counters = *link.counters();
                link.rx().release();
                self.to_host = link.rx().position();
                let to_guest_salt = before.map_or(0, |binding| binding.to_guest_salt);
                let (mut tx, _) = link.into_rings();
                self.to_guest = tx.position();
                // Where the old program had come to; what lies behind it goes on to the new one.
                tx.head().ok().map(|head| (tx, head, to_guest_salt))
            }
            Some(link) => {
                self.link = Some(link);
                self.put_link_away();
                None
            }
            None => None,
        };
        let (tx, to_guest, to_guest_salt) = kept.unwrap_or_else(|| {
            let to_guest_salt = entropy.word();
            let tx = Producer::start(self.memory.clone(), place.to_guest, to_guest_salt, self.to_guest);
            (tx, self.to_guest, to_guest_salt)
        });
        self.channel.vacate(&self.memory, to_guest_salt);
        // A step behind all sessions before it: so a guest tells a newer session from an old one that has come back with
        // the whole region.
        self.to_host = self.to_host.wrapping_add(HEADER);
        let rx = Consumer::start(self.memory.clone(), place.to_host, salt, self.to_host, self.to_host);
        let mut link = Link::new(tx, rx);
        link.continue_counters(self.counters);
        self.link = Some(link);
        self.unreadable = false;
        self.resumed = goes_on;
        let starts = Starts { to_host: self.to_host, to_guest, salt, to_guest_salt };
        self.channel.offer(&self.memory, request, starts);
    }

    /// Ends the link: notes where its rings stand and tells what was never delivered.
    fn put_link_away(&mut self) {
        let Some(mut link) = self.link.take() else { return };
        self.counters = *link.counters();
        link.rx().release();
        self.to_host = link.rx().position();
        self.to_guest = link.tx().position();
        let Some(binding) = self.channel.binding().copied() else { return };
        let Ok(head) = link.tx().head() else { return };
        // Space is given back later than records are handed over. A guest that lies here has its own messages miscounted.
        let seen = handed_over(&self.memory, self.channel.place().to_guest, head).unwrap_or(head);
        let handed_over = seen.wrapping_sub(head);
        let (mut count, mut first) = (0, None);
        let messages = [Kind::Message.code(), Kind::Request.code()];
        let place = self.channel.place().to_guest;
        // A fault on the way ends the count; it was this host's own ring, scribbled over by somebody.
        let _ = walk(self.memory.clone(), place, binding.to_guest_salt, head, |record| {
            // Of the last one that was handed over nobody knows whether it was taken; the ones before it were.
            let end = record.position().wrapping_sub(head) + HEADER + record.length() as u64;
            if messages.contains(&record.kind()) && end.next_multiple_of(8) >= handed_over {
                count += 1;
                // The envelope's first word is the id; in our own ring, and only shown.
                first.get_or_insert_with(|| {
                    self.memory.load(place.data + record.position() % place.capacity + HEADER)
                });
            }
        });
        if let Some(first) = first {
            self.tell(HostEvent::Undelivered { guest: binding.identity, what: Undelivered { count, first } });
        }
    }
}
