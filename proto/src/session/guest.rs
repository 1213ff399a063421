//! The guest's part of a session: ask for a channel, confirm it, keep it, notice when it is lost.

use super::entry::{is_session, read_entry, read_standing};
use super::{
    Answer, BEAT, ChannelState, CloseReason, Entropy, Entry, EntryError, JoinRequest, Liveness, Pulse,
    SecondWriter, Uuid, Watch, clear_request, is_still_there, read_answer, read_request, write_request,
};
use crate::layout::{
    ChannelPlace, Geometry, Superblock, Version, cell_word, control_word as word, entry_word, is_position,
    status_word, superblock_word,
};
use crate::memory::Memory;
use core::time::Duration;

/// After this long, and as much again at random, a writer reads its cell back.
const READ_BACK: Duration = Duration::from_millis(5);
/// A request that stands is written anew this often, with a new attempt: so a host that has just started can tell it
/// from one left by a guest that is gone.
const REFRESH: Duration = Duration::from_millis(200);
/// Longest back-off after a collision.
const MAX_BACK_OFF: Duration = Duration::from_secs(1);
/// Everything but the rings is looked at this often.
const LOOK: Duration = Duration::from_millis(5);

/// A channel that the host offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// Number of the channel.
    pub channel: u64,
    /// Where it lies.
    pub place: ChannelPlace,
    /// The session.
    pub nonce: u64,
    /// Salt of the to-host ring.
    pub salt: u64,
    /// Salt of the to-guest ring.
    pub to_guest_salt: u64,
    /// Position at which to begin to produce.
    pub to_host_start: u64,
    /// Position at which to begin to consume.
    pub to_guest_start: u64,
    /// Version chosen.
    pub version: Version,
    /// Features chosen.
    pub features: u64,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinProgress {
    /// No answer yet.
    Waiting,
    /// The host refuses; the request stands and is repeated.
    Refused(Answer),
    /// The host offers a channel in a way that cannot be right; the request stands and is repeated.
    Unusable(EntryError),
    /// Start the rings, then [`Attachment::confirm`].
    Offered(Offer),
}

#[derive(Debug, Clone, Copy)]
struct Written {
    cell: u64,
    read_back: Option<Duration>,
    refresh: Duration,
}

/// A request on its way.
#[derive(Debug, Clone)]
pub struct Joiner {
    request: JoinRequest,
    written: Option<Written>,
    next_try: Duration,
    back_off: Duration,
}

fn random_below(limit: Duration, entropy: &mut impl Entropy) -> Duration {
    let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX).max(1);
    Duration::from_nanos(entropy.word() % nanos)
}

impl Joiner {
    /// A request with a fresh nonce. Requests that an earlier program with the same identity left behind are cleared,
    /// so that no host ever answers them.
    pub fn start<M: Memory>(
        memory: &M,
        geometry: &Geometry,
        mut request: JoinRequest,
        now: Duration,
        entropy: &mut impl Entropy,
    ) -> Self {
        request.nonce = entropy.nonzero();
        for cell in (0..cell_word::COUNT).filter_map(|index| geometry.cell(index)) {
            if read_request(memory, cell).is_some_and(|found| found.identity == request.identity) {
                clear_request(memory, cell);
            }
        }
        Joiner { request, written: None, next_try: now, back_off: READ_BACK }
    }

    /// A request that stands in no cell, for models that begin behind it.
    #[cfg(all(test, loom))]
    pub(super) fn unwritten(request: JoinRequest) -> Self {
        Joiner { request, written: None, next_try: Duration::ZERO, back_off: READ_BACK }
    }

    /// The request as it is written.
    pub fn request(&self) -> &JoinRequest {
        &self.request
    }

    /// Looks for an answer and repeats the request when it is due. Never blocks; call it every few milliseconds.
    pub fn poll<M: Memory>(
        &mut self,
        memory: &M,
        geometry: &Geometry,
        now: Duration,
        entropy: &mut impl Entropy,
    ) -> JoinProgress {
        let offered = match self.find_offer(memory, geometry) {
            Some(Ok(offer)) => return JoinProgress::Offered(offer),
            Some(Err(error)) => JoinProgress::Unusable(error),
            None => JoinProgress::Waiting,
        };
        match self.written {
            None if now >= self.next_try => self.write(memory, geometry, now, entropy),
            None => {}
            Some(written) => {
                if let Some(answer) =
                    geometry.answer(written.cell).and_then(|at| read_answer(memory, at, self.request.nonce))
                {
                    self.maintain(memory, geometry, written, now, entropy);
                    return JoinProgress::Refused(answer);
                }
                self.maintain(memory, geometry, written, now, entropy);
            }
        }
        offered
    }

    /// Takes the request back.
    pub fn withdraw<M: Memory>(&mut self, memory: &M, geometry: &Geometry) {
        if let Some(cell) = self.written.take().and_then(|written| geometry.cell(written.cell))
            && is_still_there(memory, cell, &self.request)
        {
            clear_request(memory, cell);
        }
    }

    fn write<M: Memory>(
        &mut self,
        memory: &M,
        geometry: &Geometry,
        now: Duration,
        entropy: &mut impl Entropy,
    ) {
        // A free cell where a few throws of the dice find one; else whoever is in it moves on when it reads back.
        let mut index = entropy.word() % cell_word::COUNT;
        for _ in 0..8 {
            let taken = geometry.cell(index).is_some_and(|at| memory.load(at + cell_word::ATTEMPT) != 0);
            if !taken {
                break;
            }
            index = entropy.word() % cell_word::COUNT;
        }
        self.write_into(memory, geometry, index, now, entropy);
    }

    fn write_into<M: Memory>(
        &mut self,
        memory: &M,
        geometry: &Geometry,
        index: u64,
        now: Duration,
        entropy: &mut impl Entropy,
    ) {
        let Some(cell) = geometry.cell(index) else { return };
        self.request.attempt = entropy.nonzero();
        write_request(memory, cell, &self.request);
        self.written = Some(Written {
            cell: index,
            read_back: Some(now + READ_BACK + random_below(READ_BACK, entropy)),
            refresh: now + REFRESH + random_below(REFRESH, entropy),
        });
    }

    fn maintain<M: Memory>(
        &mut self,
        memory: &M,
        geometry: &Geometry,
        written: Written,
        now: Duration,
        entropy: &mut impl Entropy,
    ) {
        let due = written.read_back.is_some_and(|at| now >= at) || now >= written.refresh;
        let Some(cell) = geometry.cell(written.cell).filter(|_| due) else { return };
        if !is_still_there(memory, cell, &self.request) {
            self.written = None;
            self.next_try = now + random_below(self.back_off, entropy);
            self.back_off = (self.back_off * 2).min(MAX_BACK_OFF);
        } else if now >= written.refresh {
            self.write_into(memory, geometry, written.cell, now, entropy);
        } else {
            self.written = Some(Written { read_back: None, ..written });
        }
    }

    fn find_offer<M: Memory>(&self, memory: &M, geometry: &Geometry) -> Option<Result<Offer, EntryError>> {
        (0..geometry.channels()).find_map(|channel| {
            let place = geometry.channel(channel)?;
            if !is_session(memory, place.entry, self.request.nonce) {
                return None;
            }
            let entry = read_entry(memory, place.entry);
            if entry.nonce != self.request.nonce || !is_session(memory, place.entry, self.request.nonce) {
                return None;
            }
            // The request was granted and is taken back already: the host says so in the next echo.
            if matches!(entry.state, ChannelState::Free(_) | ChannelState::Closed(_)) {
                return None;
            }
            Some(self.check(channel, &entry).map(|()| Offer {
                channel,
                place,
                nonce: entry.nonce,
                salt: entry.salt,
                to_guest_salt: entry.to_guest_salt,
                to_host_start: entry.to_host_start,
                to_guest_start: entry.to_guest_start,
                version: entry.version,
                features: entry.features,
            }))
        })
    }

    /// Checks what the host echoed.
    fn check(&self, channel: u64, entry: &Entry) -> Result<(), EntryError> {
        if entry.state != ChannelState::Offered {
            return Err(EntryError::State { channel, state: entry.state.to_word() });
        }
        let supported = self.request.versions;
        if !supported.contains(entry.version) {
            return Err(EntryError::Version { channel, found: entry.version, supported });
        }
        match [entry.to_host_start, entry.to_guest_start].into_iter().find(|start| !is_position(*start)) {
            Some(position) => Err(EntryError::Start { channel, position }),
            None => Ok(()),
        }
    }
}

/// What happened to an attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachmentEvent {
    /// The daemon has been started anew; the session goes on.
    HostRestarted,
    /// The daemon has ended as it should; the session goes on when it is back.
    HostAway,
    /// The daemon's heartbeat has stopped: it is dead or paused.
    HostStale,
    /// The daemon is back, or moves again.
    HostBack,
    /// The session is over.
    Closed(CloseReason),
    /// The directory entry cannot be right: nothing more is written, join anew.
    Damaged(EntryError),
    /// The region is being, or has been, formatted anew: the session is over, read the superblock again.
    Reformatted,
}

/// Whether the channel is still this session's.
enum Standing {
    Mine,
    Changing,
    Lost(AttachmentEvent),
}

/// A confirmed session.
#[derive(Debug, Clone)]
pub struct Attachment {
    offer: Offer,
    uuid: Uuid,
    status: u64,
    generation: u64,
    epoch: u64,
    challenge: u64,
    pulse: Pulse,
    watch: Watch,
    host: Liveness,
    next_look: Duration,
    /// Since when the entry has no nonce, and the host's heartbeat then.
    changing_since: Option<(Duration, u64)>,
    ended: bool,
}

impl Attachment {
    /// Confirms an offer. The caller has started both rings: the header at the to-host start is zero, the guest's head
    /// and seen are stored.
    pub fn confirm<M: Memory>(
        memory: &M,
        superblock: &Superblock,
        offer: Offer,
        joiner: &mut Joiner,
        now: Duration,
        stale_after: Duration,
        entropy: &mut impl Entropy,
    ) -> Self {
        let geometry = &superblock.geometry;
        let session = offer.place.guest_control + word::SESSION;
        let pulse = Pulse::start(memory, session + word::HEARTBEAT, now, entropy.word());
        let challenge = memory.load(offer.place.entry + entry_word::CHALLENGE);
        memory.store(session + word::CHALLENGE_ANSWER, challenge);
        memory.store(session + word::BYE, 0);
        memory.before_publish();
        // EDGE session-confirm (pairs with Channel::poll): the guest's words and rings are ready before it shows.
        memory.store_release(session + word::CONFIRM, offer.nonce ^ offer.salt);
        memory.after_publish();
        joiner.withdraw(memory, geometry);
        let uuid = joiner.request.identity.uuid;
        let status = geometry.status();
        Attachment {
            offer,
            uuid,
            status,
            generation: superblock.generation,
            epoch: memory.load(status + status_word::EPOCH),
            challenge,
            pulse,
            watch: Watch::start(memory.load(status + status_word::HEARTBEAT), now, stale_after),
            host: Liveness::Alive,
            next_look: now,
            changing_since: None,
            ended: false,
        }
    }

    /// What was confirmed.
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// The host's epoch as last seen; 0 when it has left.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether the host's heartbeat moves.
    pub fn host(&self) -> Liveness {
        self.host
    }

    /// Beats, answers challenges and looks at what the host says; at most one event a call. Never blocks; call it every
    /// few milliseconds. After `Closed` or `Reformatted` nothing of the channel may be written any more.
    pub fn poll<M: Memory>(
        &mut self,
        memory: &M,
        now: Duration,
        entropy: &mut impl Entropy,
    ) -> Option<AttachmentEvent> {
        if self.ended || now < self.next_look {
            return None;
        }
        self.next_look = now + LOOK;
        // First of all: who has lost the channel must not write into it.
        match self.own_standing(memory) {
            Standing::Mine => self.changing_since = None,
            // A host changes an entry in a moment, and does not beat meanwhile: it has died, and its successor will say whose
            // the channel is, or somebody has scribbled over the entry.
            Standing::Changing => {
                let beat = memory.load(self.status + status_word::HEARTBEAT);
                let (since, first) = *self.changing_since.get_or_insert((now, beat));
                self.ended = now.saturating_sub(since) > 2 * BEAT && beat != first;
                return self.ended.then(|| AttachmentEvent::Damaged(self.wrong_nonce(0)));
            }
            Standing::Lost(event) => {
                self.ended = true;
                return Some(event);
            }
        }
        let challenge = memory.load(self.offer.place.entry + entry_word::CHALLENGE);
        if challenge != self.challenge {
            self.challenge = challenge;
            memory.store(self.offer.place.guest_control + word::SESSION + word::CHALLENGE_ANSWER, challenge);
            memory.after_publish();
        }
        // Random numbers come from the kernel: drawn for a beat, not for each look.
        if now >= self.pulse.due()
            && let Err(SecondWriter { .. }) = self.pulse.beat(memory, now, entropy.word())
        {
            self.ended = true;
            return Some(AttachmentEvent::Closed(CloseReason::SecondWriter));
        }
        self.look_at_host(memory, now)
    }

    /// Whether the channel is still this guest's own: by what the host says, and by what stands in the guest's own words.
    fn own_standing<M: Memory>(&self, memory: &M) -> Standing {
        match self.standing(memory) {
            Standing::Mine if self.pulse.read_back(memory).is_err() => match self.standing(memory) {
                Standing::Mine => Standing::Lost(AttachmentEvent::Closed(CloseReason::SecondWriter)),
                // It is the next owner who writes here, and he was admitted before he did.
                standing => standing,
            },
            standing => standing,
        }
    }

    /// Whether the channel is another's by now, or about to be. What looks like a fault is the other's doing then.
    pub fn is_lost<M: Memory>(&self, memory: &M) -> bool {
        !matches!(self.own_standing(memory), Standing::Mine)
    }

    fn standing<M: Memory>(&self, memory: &M) -> Standing {
        let region = memory.load(superblock_word::STATE) & 0xff;
        if region != 2 || memory.load(superblock_word::GENERATION) != self.generation {
            return Standing::Lost(AttachmentEvent::Reformatted);
        }
        let (nonce, state) = read_standing(memory, self.offer.place.entry);
        // Another session has the channel then, by another nonce. Of this one it would end the program for good.
        let superseded = state == ChannelState::Closed(CloseReason::Superseded);
        let no_host_says = superseded && nonce == self.offer.nonce
            || state == ChannelState::Free(Some(CloseReason::Superseded));
        let reason = match state {
            _ if no_host_says => {
                let (channel, state) = (self.offer.channel, state.to_word());
                return Standing::Lost(AttachmentEvent::Damaged(EntryError::State { channel, state }));
            }
            ChannelState::Free(Some(reason)) => reason,
            // Nobody else writes the words of a channel that is free.
            ChannelState::Free(None) if self.pulse.read_back(memory).is_err() => CloseReason::SecondWriter,
            ChannelState::Free(None) => CloseReason::Evicted,
            // The host stores 0 before it writes another echo.
            _ if nonce == 0 => return Standing::Changing,
            _ if nonce != self.offer.nonce => {
                let entry = read_entry(memory, self.offer.place.entry);
                if entry.to_host_start < self.offer.to_host_start {
                    // Each session of a channel begins behind all before it: an older one has come back, with the whole region.
                    CloseReason::SecondWriter
                } else if entry.uuid != self.uuid {
                    CloseReason::Evicted
                } else if entry.salt != self.offer.salt || superseded {
                    CloseReason::Superseded
                } else {
                    // Whoever takes the channel over gets a salt of his own.
                    return Standing::Lost(AttachmentEvent::Damaged(self.wrong_nonce(nonce)));
                }
            }
            ChannelState::Closed(reason) => reason,
            ChannelState::Offered | ChannelState::Attached | ChannelState::Unknown(_) => {
                return Standing::Mine;
            }
        };
        Standing::Lost(AttachmentEvent::Closed(reason))
    }

    fn wrong_nonce(&self, found: u64) -> EntryError {
        EntryError::Nonce { channel: self.offer.channel, found, expected: self.offer.nonce }
    }

    fn look_at_host<M: Memory>(&mut self, memory: &M, now: Duration) -> Option<AttachmentEvent> {
        let epoch = memory.load(self.status + status_word::EPOCH);
        let liveness = self.watch.look(memory.load(self.status + status_word::HEARTBEAT), now);
        if epoch != self.epoch {
            let before = core::mem::replace(&mut self.epoch, epoch);
            self.host = if epoch == 0 { Liveness::Stale } else { Liveness::Alive };
            return Some(match (before, epoch) {
                (_, 0) => AttachmentEvent::HostAway,
                (0, _) => AttachmentEvent::HostBack,
                _ => AttachmentEvent::HostRestarted,
            });
        }
        if epoch == 0 || liveness == self.host {
            return None;
        }
        self.host = liveness;
        Some(match liveness {
            Liveness::Stale => AttachmentEvent::HostStale,
            Liveness::Alive => AttachmentEvent::HostBack,
        })
    }

    /// Says good-bye: the host frees the channel. The caller writes nothing into it afterwards.
    pub fn bye<M: Memory>(&mut self, memory: &M, reason: CloseReason) {
        if self.ended {
            return;
        }
        self.ended = true;
        let session = self.offer.place.guest_control + word::SESSION;
        memory.store(session + word::BYE_REASON, u64::from(reason.code()));
        memory.before_publish();
        // EDGE session-bye (pairs with Channel::poll): what was published before is found by the host before it frees.
        memory.store_release(session + word::BYE, self.offer.nonce);
        memory.after_publish();
    }
}
