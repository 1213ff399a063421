//! The host's part of a session: admit, echo, see the confirmation, watch, close, free.

use super::entry::{read_entry, write_channel_state, write_echo, write_free};
use super::newcomer::Newcomer;
use super::{ChannelState, CloseReason, Entry, Identity, JoinRequest, Liveness, Port, Text, Uuid, Watch};
use crate::layout::{
    ChannelPlace, NAME_LEN, PORT_LEN, Version, VersionRange, control_word as word, entry_word,
};
use crate::memory::Memory;
use core::time::Duration;

/// How long an incumbent has to answer a challenge before a newcomer of another boot wins.
const CHALLENGE: Duration = Duration::from_secs(2);

/// Stands for the session of an offer that a host did not come to the end of; no guest's nonce, which are random.
const NOBODY: u64 = 1;

/// Who a channel belongs to, and the session if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The owner.
    pub identity: Identity,
    /// The name the guest gave itself; untrusted.
    pub name: Text<NAME_LEN>,
    /// Boot id of the session.
    pub boot: Uuid,
    /// The session.
    pub nonce: u64,
    /// Salt of the to-host ring.
    pub salt: u64,
    /// Salt of the to-guest ring.
    pub to_guest_salt: u64,
    /// Version chosen.
    pub version: Version,
    /// Features chosen.
    pub features: u64,
}

impl Binding {
    fn entry(&self, state: ChannelState, starts: Starts) -> Entry {
        Entry {
            state,
            nonce: self.nonce,
            salt: starts.salt,
            to_guest_salt: starts.to_guest_salt,
            to_host_start: starts.to_host,
            to_guest_start: starts.to_guest,
            uuid: self.identity.uuid,
            boot: self.boot,
            version: self.version,
            features: self.features,
        }
    }

    fn is_echoed_by(&self, entry: &Entry) -> bool {
        let starts = Starts {
            to_host: entry.to_host_start,
            to_guest: entry.to_guest_start,
            salt: self.salt,
            to_guest_salt: self.to_guest_salt,
        };
        self.entry(entry.state, starts) == *entry
            && !matches!(entry.state, ChannelState::Free(_) | ChannelState::Unknown(_))
    }
}

/// Where a channel is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Belongs to nobody.
    Free,
    /// Echoed, not confirmed; the host reads nothing of the guest's yet.
    Offered,
    /// In use.
    Attached,
    /// The session is over, the channel still bound.
    Closed(CloseReason),
}

/// What happened on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelEvent {
    /// The guest has confirmed.
    Confirmed,
    /// The guest said good-bye.
    Bye(CloseReason),
    /// The guest's heartbeat has stopped: dead or paused. The channel stays its own.
    Stale,
    /// It moves again.
    Back,
    /// The incumbent lives: refuse the newcomer in this cell.
    ChallengeAnswered(u64, JoinRequest),
    /// The incumbent did not answer: the newcomer in this cell wins.
    ChallengeUnanswered(u64, JoinRequest),
    /// Nobody took a channel that had been offered to somebody new.
    NotTaken,
}

/// Positions and salts of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Starts {
    /// Position at which the guest starts to produce.
    pub to_host: u64,
    /// Position at which the guest starts to consume.
    pub to_guest: u64,
    /// Salt of the to-host ring.
    pub salt: u64,
    /// Salt of the to-guest ring.
    pub to_guest_salt: u64,
}

#[derive(Debug, Clone, Copy)]
struct Challenge {
    value: u64,
    deadline: Duration,
    asked: Duration,
    cell: u64,
    request: JoinRequest,
}

/// One channel's session, seen by the host. The rings are somebody else's concern.
#[derive(Debug, Clone)]
pub struct Channel {
    place: ChannelPlace,
    phase: Phase,
    binding: Option<Binding>,
    watch: Watch,
    liveness: Liveness,
    challenge: Option<Challenge>,
    /// Of the offer that is not confirmed.
    starts: Option<Starts>,
    /// While no program of the owner has ever been here.
    newcomer: Option<Newcomer>,
    stale_after: Duration,
}

impl Channel {
    /// A channel that belongs to nobody.
    pub fn free(place: ChannelPlace, stale_after: Duration) -> Self {
        Channel {
            place,
            phase: Phase::Free,
            binding: None,
            watch: Watch::start(0, Duration::ZERO, stale_after),
            liveness: Liveness::Alive,
            challenge: None,
            starts: None,
            newcomer: None,
            stale_after,
        }
    }

    /// A channel as an earlier host left it in the directory. Anything that makes no sense is a free channel: any guest
    /// could have written there.
    ///
    /// `remembered` is the session that the host knows of from elsewhere. Where the directory says something else, and
    /// the guest's own words still confirm it and do not say good-bye, the directory was scribbled over and is mended.
    pub fn recover<M: Memory>(
        memory: &M,
        place: ChannelPlace,
        now: Duration,
        stale_after: Duration,
        remembered: Option<&Binding>,
    ) -> Self {
        let mut channel = Channel::free(place, stale_after);
        let entry = read_entry(memory, place.entry);
        let text = place.host_control + word::TEXT;
        let port = Port::from_text(Text::<PORT_LEN>::read(memory, text + word::PORT));
        let name = Text::read(memory, text + word::NAME);
        if let Some(binding) = remembered
            && !(binding.is_echoed_by(&entry) && (port, name) == (Some(binding.identity.port), binding.name))
            && channel.is_confirmed(memory, binding)
        {
            channel.mend(memory, binding, now);
            return channel;
        }
        // An earlier host died while it offered the channel to its owner's next program. Only what the two have in common
        // is believed, which is enough for the ring to the guest to go on.
        let interrupted = entry.nonce == 0;
        let phase = match entry.state {
            ChannelState::Offered => Phase::Offered,
            ChannelState::Attached => Phase::Attached,
            ChannelState::Closed(reason) => Phase::Closed(reason),
            ChannelState::Free(_) => return channel,
            ChannelState::Unknown(_) => {
                write_free(memory, place.entry, None);
                return channel;
            }
        };
        let Some(port) = port.filter(|_| !entry.uuid.is_nil()) else {
            write_free(memory, place.entry, None);
            return channel;
        };
        channel.phase = phase;
        channel.starts = (phase == Phase::Offered).then_some(Starts {
            to_host: entry.to_host_start,
            to_guest: entry.to_guest_start,
            salt: entry.salt,
            to_guest_salt: entry.to_guest_salt,
        });
        channel.binding = Some(Binding {
            identity: Identity { uuid: entry.uuid, port },
            name,
            boot: entry.boot,
            nonce: if interrupted { NOBODY } else { entry.nonce },
            salt: entry.salt,
            to_guest_salt: entry.to_guest_salt,
            version: entry.version,
            features: entry.features,
        });
        if interrupted {
            channel.close(memory, CloseReason::Superseded);
            memory.store_release(place.entry + entry_word::NONCE, NOBODY);
            memory.after_publish();
        }
        channel.watch = Watch::start(channel.heartbeat(memory), now, stale_after);
        channel
    }

    /// Whether the guest's own words say that this session goes on.
    fn is_confirmed<M: Memory>(&self, memory: &M, binding: &Binding) -> bool {
        self.was_confirmed(memory, binding) && memory.load(self.session() + word::BYE) != binding.nonce
    }

    /// Whether the guest's own words say that it had this session, which may be over.
    fn was_confirmed<M: Memory>(&self, memory: &M, binding: &Binding) -> bool {
        // EDGE session-confirm (pairs with Attachment::confirm).
        memory.load_acquire(self.session() + word::CONFIRM) == binding.nonce ^ binding.salt
    }

    /// Why an earlier host was about to free the channel of a session that its guest had confirmed.
    pub(crate) fn unfinished_ending<M: Memory>(&self, memory: &M) -> Option<CloseReason> {
        match (self.phase, &self.binding) {
            // After a fault of the guest's the channel stays bound, nobody is in one that is closed as superseded, and after
            // a second writer nothing in the region is believed.
            (
                Phase::Closed(CloseReason::HostFault | CloseReason::Superseded | CloseReason::SecondWriter),
                _,
            )
            | (_, None) => None,
            (Phase::Closed(reason), Some(binding)) => self.was_confirmed(memory, binding).then_some(reason),
            _ => None,
        }
    }

    /// Whether something that a guest's program published may be received: not of an offer that it has not confirmed, or
    /// that a host did not come to the end of.
    pub(crate) fn may_be_read(&self) -> bool {
        !matches!(self.phase, Phase::Free | Phase::Offered | Phase::Closed(CloseReason::Superseded))
    }

    /// Writes the directory anew for a session that goes on. The positions in it are of no more use: both sides have
    /// started.
    fn mend<M: Memory>(&mut self, memory: &M, binding: &Binding, now: Duration) {
        self.write_names(memory, binding);
        let starts =
            Starts { to_host: 0, to_guest: 0, salt: binding.salt, to_guest_salt: binding.to_guest_salt };
        write_echo(memory, self.place.entry, &binding.entry(ChannelState::Attached, starts));
        self.phase = Phase::Attached;
        self.binding = Some(*binding);
        self.watch = Watch::start(self.heartbeat(memory), now, self.stale_after);
    }

    fn write_names<M: Memory>(&self, memory: &M, binding: &Binding) {
        let text = self.place.host_control + word::TEXT;
        binding.identity.port.text().write(memory, text + word::PORT);
        binding.name.write(memory, text + word::NAME);
    }

    /// Where it lies.
    pub fn place(&self) -> &ChannelPlace {
        &self.place
    }

    /// Where it is in its life.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Whose it is.
    pub fn binding(&self) -> Option<&Binding> {
        self.binding.as_ref()
    }

    /// Whether the guest's heartbeat moves.
    pub fn liveness(&self) -> Liveness {
        self.liveness
    }

    /// Whether the incumbent has been asked whether it lives, and has not answered yet.
    pub(super) fn is_challenged(&self) -> bool {
        self.challenge.is_some()
    }

    /// Time since the guest's heartbeat last changed.
    pub fn silent_for(&self) -> Duration {
        self.watch.silent_for()
    }

    fn session(&self) -> u64 {
        self.place.guest_control + word::SESSION
    }

    fn heartbeat<M: Memory>(&self, memory: &M) -> u64 {
        memory.load(self.session() + word::HEARTBEAT)
    }

    /// Says that the session before is over, so that the lines of the rings can become the next one's: a host that dies in the
    /// midst of what follows leaves an offer that was broken off, or where nothing goes on a free channel.
    pub fn vacate<M: Memory>(&self, memory: &M, to_guest_salt: u64) {
        match &self.binding {
            None => {}
            Some(before) if before.to_guest_salt == to_guest_salt => {
                memory.store(self.place.entry + entry_word::NONCE, 0);
                memory.after_publish();
            }
            Some(_) => write_free(memory, self.place.entry, None),
        }
    }

    /// Binds the channel to the request's identity and publishes the echo, after [`vacate`](Self::vacate). The caller has zeroed the header at its own
    /// position of the to-guest ring and stored its head in the to-host ring.
    pub fn offer<M: Memory>(&mut self, memory: &M, request: &JoinRequest, starts: Starts) {
        // Present when the admission was not a refusal; the newest of ours otherwise does no harm.
        let version = VersionRange::SUPPORTED.common(request.versions).unwrap_or(Version::CURRENT);
        let binding = Binding {
            identity: request.identity,
            name: request.name,
            boot: request.boot,
            nonce: request.nonce,
            salt: starts.salt,
            to_guest_salt: starts.to_guest_salt,
            version,
            features: 0,
        };
        self.write_names(memory, &binding);
        write_echo(memory, self.place.entry, &binding.entry(ChannelState::Offered, starts));
        let has_been_here =
            self.newcomer.is_none() && self.binding.is_some_and(|before| before.identity == binding.identity);
        self.newcomer = (!has_been_here).then(Newcomer::default);
        self.phase = Phase::Offered;
        self.binding = Some(binding);
        self.challenge = None;
        self.starts = Some(starts);
    }

    /// The guest still asks for the session that it was offered: writes the echo anew, where somebody has scribbled over it.
    pub fn offer_again<M: Memory>(&mut self, memory: &M) {
        self.newcomer = self.newcomer.map(|_| Newcomer::default());
        if let (Phase::Offered, Some(binding), Some(starts)) = (self.phase, &self.binding, self.starts) {
            let echo = binding.entry(ChannelState::Offered, starts);
            if read_entry(memory, self.place.entry) != echo {
                write_echo(memory, self.place.entry, &echo);
            }
        }
    }

    /// Asks the incumbent whether it lives, for the newcomer `request` in cell `cell`.
    pub fn challenge<M: Memory>(&mut self, memory: &M, now: Duration, cell: u64, request: JoinRequest) {
        let at = self.place.entry + entry_word::CHALLENGE;
        let value = memory.load(at).wrapping_add(1);
        memory.store(at, value);
        memory.after_publish();
        self.challenge = Some(Challenge { value, deadline: now + CHALLENGE, asked: now, cell, request });
    }

    /// Looks at the guest's words; at most one event a call. Never blocks.
    pub fn poll<M: Memory>(&mut self, memory: &M, now: Duration) -> Option<ChannelEvent> {
        match self.phase {
            Phase::Free | Phase::Closed(_) => None,
            Phase::Offered => self.look_for_confirmation(memory, now).or_else(|| self.look_for_newcomer(now)),
            Phase::Attached => self
                .look_for_bye(memory)
                .or_else(|| self.look_at_challenge(memory, now))
                .or_else(|| self.look_at_heartbeat(memory, now)),
        }
    }

    fn look_for_confirmation<M: Memory>(&mut self, memory: &M, now: Duration) -> Option<ChannelEvent> {
        let binding = self.binding.as_ref()?;
        // EDGE session-confirm (pairs with Attachment::confirm).
        let confirm = memory.load_acquire(self.session() + word::CONFIRM);
        if confirm != binding.nonce ^ binding.salt {
            return None;
        }
        memory.after_ready();
        self.phase = Phase::Attached;
        self.newcomer = None;
        self.liveness = Liveness::Alive;
        self.watch = Watch::start(self.heartbeat(memory), now, self.stale_after);
        write_channel_state(memory, self.place.entry, ChannelState::Attached);
        Some(ChannelEvent::Confirmed)
    }

    /// Anybody can ask for a channel in anybody's name, and not be there. Of an owner who has been here silence means nothing.
    fn look_for_newcomer(&mut self, now: Duration) -> Option<ChannelEvent> {
        let does_not_come = self.newcomer.as_mut()?.does_not_come(now);
        does_not_come.then(|| {
            self.newcomer = None;
            ChannelEvent::NotTaken
        })
    }

    fn look_for_bye<M: Memory>(&self, memory: &M) -> Option<ChannelEvent> {
        let nonce = self.binding.as_ref()?.nonce;
        // EDGE session-bye (pairs with Attachment::bye).
        if memory.load_acquire(self.session() + word::BYE) != nonce {
            return None;
        }
        memory.after_ready();
        let [code, ..] = memory.load(self.session() + word::BYE_REASON).to_le_bytes();
        Some(ChannelEvent::Bye(CloseReason::from_code(code)))
    }

    fn look_at_challenge<M: Memory>(&mut self, memory: &M, now: Duration) -> Option<ChannelEvent> {
        let challenge = self.challenge.as_mut()?;
        // Time in which the host itself was suspended is not the incumbent's.
        let gap = now.saturating_sub(challenge.asked);
        challenge.asked = now;
        if gap > CHALLENGE / 2 {
            challenge.deadline = now + CHALLENGE;
        }
        let Challenge { value, deadline, cell, request, .. } = *challenge;
        if memory.load(self.session() + word::CHALLENGE_ANSWER) == value {
            self.challenge = None;
            Some(ChannelEvent::ChallengeAnswered(cell, request))
        } else if now >= deadline {
            self.challenge = None;
            Some(ChannelEvent::ChallengeUnanswered(cell, request))
        } else {
            None
        }
    }

    fn look_at_heartbeat<M: Memory>(&mut self, memory: &M, now: Duration) -> Option<ChannelEvent> {
        let liveness = self.watch.look(self.heartbeat(memory), now);
        if liveness == self.liveness {
            return None;
        }
        self.liveness = liveness;
        Some(match liveness {
            Liveness::Stale => ChannelEvent::Stale,
            Liveness::Alive => ChannelEvent::Back,
        })
    }

    /// Ends the session; the channel stays bound and the guest reads why.
    pub fn close<M: Memory>(&mut self, memory: &M, reason: CloseReason) {
        self.phase = Phase::Closed(reason);
        self.challenge = None;
        write_channel_state(memory, self.place.entry, ChannelState::Closed(reason));
    }

    /// Unbinds the channel.
    pub fn release<M: Memory>(&mut self, memory: &M) -> Option<Binding> {
        write_free(memory, self.place.entry, None);
        self.phase = Phase::Free;
        self.challenge = None;
        self.newcomer = None;
        self.liveness = Liveness::Alive;
        self.binding.take()
    }

    /// Ends the session, or unbinds the channel when it was being freed, without a word to the region: it is not this
    /// host's to write, see [`HostPulse`](super::HostPulse). Returns whose session that was, if there was one.
    pub fn abandon(&mut self, was_being_freed: bool) -> Option<Binding> {
        self.challenge = None;
        self.liveness = Liveness::Alive;
        if was_being_freed {
            self.phase = Phase::Free;
            return self.binding.take();
        }
        if self.newcomer.take().is_some() {
            // Whoever asked for it asks again, if there is anybody.
            self.phase = Phase::Free;
            self.binding = None;
        }
        let had_session = self.phase == Phase::Attached;
        if self.binding.is_some() {
            self.phase = Phase::Closed(CloseReason::SecondWriter);
        }
        self.binding.filter(|_| had_session)
    }

    /// Writes the directory and the texts anew after [`abandon`](Self::abandon), whatever stands there. `starts` are where
    /// the rings go on.
    pub fn rewrite<M: Memory>(&self, memory: &M, to_host: u64, to_guest: u64) {
        let Some(binding) = &self.binding else {
            return write_free(memory, self.place.entry, Some(CloseReason::SecondWriter));
        };
        self.write_names(memory, binding);
        let starts = Starts { to_host, to_guest, salt: binding.salt, to_guest_salt: binding.to_guest_salt };
        let state = ChannelState::Closed(CloseReason::SecondWriter);
        write_echo(memory, self.place.entry, &binding.entry(state, starts));
    }
}
