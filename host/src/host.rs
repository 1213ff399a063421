//! One region with all its guests, in one process.

mod arriving;
mod control;
mod rota;
mod sending;

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use ivring_proto::layout::Geometry;
use ivring_proto::link::{Budget, Counters, Exchange, FrontDesk, HostEnd, HostEvent, Incarnation, Losses};
use ivring_proto::memory::MappedFile;
use ivring_proto::session::{BEAT, Caching, CloseReason, HostPulse, Identity, Liveness, Phase, Uuid};
use ivring_proto::wait::{Ladder, Profile, Step};

use crate::desk::Desk;
use crate::mappers::{Mappers, Sightings};
use crate::region::{OpenError, Region};
use crate::session_table::SessionTable;
use crate::{Event, Options};

pub use arriving::Batch;
use rota::Rota;
pub use sending::HostSendError;

/// Sessions are looked at this often; rings in every round.
const LOOK: Duration = Duration::from_millis(1);
/// A guest silent for this long is looked for among the processes.
const SILENT: Duration = Duration::from_secs(2);

/// What is known of one guest.
#[derive(Debug, Clone)]
pub struct GuestInfo {
    /// Who.
    pub identity: Identity,
    /// The name it gave itself; untrusted.
    pub name: String,
    /// Number of its channel.
    pub channel: u64,
    /// Where its session is in its life.
    pub phase: Phase,
    /// Whether its heartbeat moves.
    pub liveness: Liveness,
    /// Time since its heartbeat last changed.
    pub silent_for: Duration,
    /// How it says that it has mapped the region; `None` when it is not attached, or says nothing.
    pub caching: Option<Caching>,
    /// What passed through, seen from the host.
    pub counters: Counters,
    /// What came to nothing.
    pub losses: Losses,
    /// Bytes that the payload of a message to it may have; 0 when it is not attached.
    pub max_message: usize,
    /// Bytes that topic and payload may have together to go in one record; 0 when it is not attached.
    pub max_record: usize,
}

/// One region with all its guests. Nothing here blocks but [`wait`](Self::wait).
#[derive(Debug)]
pub struct Host {
    region: Region,
    ends: Vec<HostEnd<MappedFile>>,
    /// What is under way on each channel.
    exchanges: Vec<Exchange>,
    repeat_window: Option<u64>,
    desk: FrontDesk,
    pulse: HostPulse,
    queue: VecDeque<Event>,
    buffer: Vec<u8>,
    started: Instant,
    next_look: Duration,
    next_check: Duration,
    sightings: Sightings,
    sight_is_due: bool,
    next_sight: Duration,
    table: Option<SessionTable>,
    table_is_old: bool,
    /// Which channel is looked at next.
    rota: Rota,
    /// The one whose turn is not over, and how many records it has had.
    turn: Option<(usize, usize)>,
    /// Time of the last round, and the longest until the next one that does not count as sleep.
    last_round: Duration,
    longest_round: Duration,
    /// The channel that was sent to last.
    sent_to: usize,
    /// Whether something was pushed and may not be published yet.
    unflushed: bool,
    /// A batch is open: nothing that is received is done with.
    held: bool,
    ladder: Ladder,
    /// Whether something was received or sent since that was last asked for.
    moved: bool,
    /// Whether something may wait for room on any channel.
    sending: bool,
    large_wanted: bool,
    lost: bool,
    profile: Profile,
    /// Serves clients of a control socket, where there is one.
    clients: Option<Box<Desk>>,
}

/// A random word from the kernel's generator.
fn entropy() -> u64 {
    // The call fails only on kernels without getrandom(2), older than 3.17; nothing else is safe to go on with there.
    getrandom::u64().expect("the kernel has a random number generator")
}

impl Host {
    /// Opens the region, or makes it; sessions that an earlier host left go on.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; nothing is changed then.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let region = Region::open(&options)?;
        let memory = &region.memory;
        let geometry = region.superblock.geometry;
        let now = Duration::ZERO;
        let table = open_table(&options, &region);
        let ends: Vec<_> = (0..geometry.channels())
            .filter_map(|index| {
                let remembered = table.as_ref().and_then(|table| table.session(index));
                let stale_after = options.stale_after;
                HostEnd::recover(memory.clone(), &geometry, index, now, stale_after, remembered.as_ref())
            })
            .collect();
        let mut sightings = Sightings::default();
        table.iter().flat_map(SessionTable::sighted).for_each(|vm| sightings.restore(vm));
        // Half a ring is the largest record, whatever the guest writes.
        let largest = usize::try_from(geometry.to_host() / 2).unwrap_or(usize::MAX);
        let budget = Budget::new(options.max_reassembly);
        let exchanges = ends.iter().map(|_| Exchange::new(options.max_message, budget.clone())).collect();
        let rota = Rota::new(ends.len());
        let mut host = Host {
            exchanges,
            repeat_window: options.repeat_window,
            desk: FrontDesk::open(memory, &geometry, region.owner),
            pulse: HostPulse::start(memory, &geometry, now, &mut entropy),
            ends,
            queue: VecDeque::new(),
            buffer: vec![0; largest],
            started: Instant::now(),
            next_look: now,
            next_check: now,
            table,
            table_is_old: true,
            sightings,
            sight_is_due: true,
            next_sight: now,
            longest_round: rota.longest_round(options.profile.cap()),
            rota,
            turn: None,
            last_round: now,
            sent_to: 0,
            unflushed: false,
            held: false,
            ladder: Ladder::new(options.profile),
            moved: false,
            sending: false,
            large_wanted: true,
            lost: false,
            profile: options.profile,
            clients: None,
            region,
        };
        (0..host.ends.len()).for_each(|index| host.begin_exchange(index));
        host.sight();
        host.keep_table();
        Ok(host)
    }

    /// The region's file.
    pub fn path(&self) -> &Path {
        self.region.file.path()
    }

    /// The region's name, as it stands in the superblock.
    pub fn name(&self) -> &str {
        self.region.superblock.name.as_str()
    }

    /// Sizes and offsets of the region.
    pub fn geometry(&self) -> &Geometry {
        &self.region.superblock.geometry
    }

    /// The only VM that may join, if there is one.
    pub fn owner(&self) -> Option<Uuid> {
        self.region.owner
    }

    /// Everybody who owns a channel, by channel.
    pub fn guests(&self) -> Vec<GuestInfo> {
        let info = |(index, (end, exchange)): (usize, (&HostEnd<MappedFile>, &Exchange))| {
            let channel = end.channel();
            let binding = channel.binding()?;
            Some(GuestInfo {
                identity: binding.identity,
                name: binding.name.as_str().to_owned(),
                channel: index as u64,
                phase: channel.phase(),
                liveness: channel.liveness(),
                silent_for: channel.silent_for(),
                caching: end.caching(),
                counters: end.counters(),
                losses: exchange.losses(),
                max_message: exchange.max_payload(end.max_payload(0)),
                max_record: end.max_payload(0),
            })
        };
        self.ends.iter().zip(&self.exchanges).enumerate().filter_map(info).collect()
    }

    /// The next event of a session or of the region, if there is one now: everything but what guests send. Together with
    /// [`receive`](Self::receive) it does what [`poll`](Self::poll) does, for a loop that is in a hurry.
    pub fn poll_sessions(&mut self) -> Option<Event> {
        self.pump();
        // With events still to be told, more of them can wait: what guests do must not fill this process's memory.
        if self.queue.is_empty() && !self.lost {
            let now = self.started.elapsed();
            if now.saturating_sub(self.last_round) > self.longest_round {
                self.rota.sweep();
            }
            self.last_round = now;
            if now >= self.next_look {
                self.next_look = now + LOOK;
                self.look(now);
            }
        }
        self.queue.pop_front()
    }

    /// Sends what waits for room: messages in fragments.
    fn pump(&mut self) {
        if self.lost || !std::mem::take(&mut self.sending) {
            return;
        }
        for &index in self.rota.hot() {
            let exchange = &mut self.exchanges[index];
            if exchange.is_sending() {
                // What goes wrong closes the session, and that is told.
                self.moved |= self.ends[index].send_with(|link| exchange.pump(link)).unwrap_or(false);
                self.sending |= exchange.is_sending();
            }
        }
    }

    /// Publishes what was pushed and not flushed: it is not to wait for company.
    fn publish(&mut self) {
        if !self.lost && std::mem::take(&mut self.unflushed) {
            for &index in self.rota.hot() {
                if let Some(link) = self.ends[index].link() {
                    link.flush();
                }
            }
        }
    }

    /// Whether something was received or sent since this was last asked: also what is no event, such as a fragment. A
    /// loop of one's own that sleeps does not while this is so; [`wait`](Self::wait) sees to it itself.
    pub fn has_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Waits for the next event, at most for `timeout`. Waits as the options' profile says.
    pub fn wait(&mut self, timeout: Duration) -> Option<Event> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(event) = self.poll() {
                self.ladder.reset();
                return Some(event);
            }
            if Instant::now() >= deadline {
                return None;
            }
            if self.has_moved() {
                self.ladder.reset();
            }
            match self.ladder.idle() {
                Step::Spin | Step::Yield => {}
                Step::Sleep(span) => self.sleep(span.min(deadline - Instant::now().min(deadline))),
            }
        }
    }

    /// Sessions, heartbeats, requests and the file itself: everything but the rings.
    fn look(&mut self, now: Duration) {
        self.rota.tick();
        self.publish();
        let geometry = self.region.superblock.geometry;
        if let Err(second) = self.pulse.beat(&self.region.memory, now, &mut entropy) {
            self.queue.push_back(Event::SecondWriter(second));
            self.pulse = HostPulse::start(&self.region.memory, &geometry, now, &mut entropy);
            let own = self.incarnation();
            self.exchanges.iter_mut().for_each(|exchange| exchange.renumber(own));
        }
        while let Some(refused) = self.desk.serve(&self.region.memory, &geometry, &mut self.ends, now) {
            let request = &refused.request;
            self.queue.push_back(refused_event(request.identity, request.name.as_str(), refused.refusal));
        }
        for index in 0..self.ends.len() {
            while let Some(event) = self.ends[index].poll(now, &mut entropy) {
                self.take_note(index, event);
            }
            self.take_outcomes(index, now);
        }
        if now >= self.next_check {
            self.next_check = now + BEAT;
            self.check_file();
            self.look_for_silent_guests();
        }
        // At once, as the machine may end at any moment, but not more often than once a beat: a guest may join over and
        // over.
        if self.sight_is_due && now >= self.next_sight {
            self.next_sight = now + BEAT;
            self.sight();
        }
        if self.table_is_old {
            self.keep_table();
        }
    }

    /// Notes outside the region whose channels these are.
    fn keep_table(&mut self) {
        self.table_is_old = false;
        let Some(table) = &mut self.table else { return };
        let bindings = self.ends.iter().map(|end| end.channel().binding());
        let sessions = (0..).zip(bindings).filter_map(|(index, binding)| Some((index, binding?)));
        if let Err(error) = table.keep(sessions, self.sightings.all()) {
            tracing::warn!("{}: cannot keep the session table: {error}", self.region.file.path().display());
            self.table = None;
        }
    }

    fn incarnation(&self) -> Incarnation {
        Incarnation::of(self.pulse.epoch())
    }

    /// A session begins to be used by this process.
    fn begin_exchange(&mut self, index: usize) {
        let own = self.incarnation();
        let end = &mut self.ends[index];
        let Some(version) = end.channel().binding().map(|binding| binding.version) else { return };
        let Some(link) = end.link() else { return };
        if let Some(window) = self.repeat_window {
            link.rx().set_release_window(window);
        }
        self.exchanges[index].begin(own, version);
    }

    /// Tells what became of what was sent to a guest.
    fn take_outcomes(&mut self, index: usize, now: Duration) {
        let exchange = &mut self.exchanges[index];
        exchange.expire(now);
        if let Some(guest) = self.ends[index].channel().binding().map(|binding| binding.identity) {
            while let Some(outcome) = exchange.outcome() {
                self.queue.push_back(arriving::outcome_event(guest, outcome));
            }
        }
    }

    /// The session of a channel is over: what was under way comes to nothing.
    fn end_exchange(&mut self, index: usize, guest: Identity) {
        let exchange = &mut self.exchanges[index];
        exchange.end();
        while let Some(outcome) = exchange.outcome() {
            self.queue.push_back(arriving::outcome_event(guest, outcome));
        }
    }

    fn take_note(&mut self, index: usize, event: HostEvent) {
        self.table_is_old = true;
        let binding = self.ends[index].channel().binding().copied();
        let event = match (event, binding) {
            (HostEvent::Detached { binding, reason }, _) => {
                // A newer program of the same boot goes on with the rings.
                if reason != CloseReason::Superseded {
                    self.end_exchange(index, binding.identity);
                }
                Event::Detached { guest: binding.identity, name: binding.name.as_str().to_owned(), reason }
            }
            (HostEvent::Refuse { cell, request, refusal }, _) => {
                let memory = &self.region.memory;
                FrontDesk::refuse(memory, &self.region.superblock.geometry, cell, &request, refusal);
                refused_event(request.identity, request.name.as_str(), refusal)
            }
            (HostEvent::Attached { resumed }, Some(binding)) => {
                self.sight_is_due = true;
                if resumed {
                    self.exchanges[index].peer_was_replaced();
                    self.sending = true;
                }
                self.begin_exchange(index);
                self.rota.heat(index);
                Event::Attached {
                    guest: binding.identity,
                    name: binding.name.as_str().to_owned(),
                    channel: index as u64,
                    resumed,
                }
            }
            (HostEvent::Stale, Some(binding)) => Event::Stale { guest: binding.identity },
            (HostEvent::Back, Some(binding)) => Event::Back { guest: binding.identity },
            (HostEvent::Undelivered { guest, what }, _) => Event::Undelivered { guest, what },
            (_, None) => return,
        };
        self.queue.push_back(event);
    }

    fn check_file(&mut self) {
        if let Err(lost) = self.region.file.still_same() {
            self.lost = true;
            self.queue.push_back(Event::Lost(lost));
        }
    }

    /// Notes which virtual machines map the region; only of one that was seen can it be said that it is gone.
    fn sight(&mut self) {
        self.sight_is_due = false;
        if let Ok(scan) = Mappers::scan(&self.region.file) {
            self.sightings.note(&scan);
            self.table_is_old = true;
        }
    }

    /// Frees the channels of virtual machines that are gone. Silence is only the occasion to look.
    fn look_for_silent_guests(&mut self) {
        let silent = |end: &HostEnd<MappedFile>| match end.channel().phase() {
            Phase::Free => false,
            Phase::Offered | Phase::Closed(_) => true,
            Phase::Attached => end.channel().silent_for() >= SILENT,
        };
        if !self.ends.iter().any(silent) {
            return;
        }
        let Ok(scan) = Mappers::scan(&self.region.file) else { return };
        self.sightings.note(&scan);
        for end in self.ends.iter_mut().filter(|end| silent(end) && !end.is_changing_hands()) {
            let Some(binding) = end.channel().binding() else { continue };
            if self.sightings.vm_is_gone(&scan, binding.identity.uuid) == Some(true) {
                end.end(CloseReason::VmGone);
            }
        }
    }

    fn index_of(&self, guest: &Identity) -> Option<usize> {
        let has = |index: usize| self.ends[index].channel().binding().is_some_and(|b| b.identity == *guest);
        if has(self.sent_to) {
            return Some(self.sent_to);
        }
        // Those in use first: with many idle ones, that is the shorter way.
        self.rota.hot().iter().copied().chain(0..self.ends.len()).find(|index| has(*index))
    }

    /// Takes the channel away from a guest, when it has one. What it had published is received first; the guest reads
    /// why, and asks again after a while.
    pub fn evict(&mut self, guest: &Identity) -> bool {
        if self.lost {
            return false;
        }
        let Some(index) = self.index_of(guest) else { return false };
        self.ends[index].end(CloseReason::Evicted);
        true
    }

    /// Leaves the region: tells the guests, and keeps their sessions and what is in the rings for the next host. Then
    /// `receive` is given what guests have published already, until there is no more or `patience` is over, and at last
    /// what comes to nothing because this process ends.
    pub fn leave(mut self, patience: Duration, mut receive: impl FnMut(Event)) {
        if self.lost {
            return;
        }
        self.pulse.leave(&self.region.memory);
        self.rota.sweep();
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline
            && let Some(event) = self.poll()
        {
            receive(event);
        }
        for index in 0..self.ends.len() {
            if let Some(guest) = self.ends[index].channel().binding().map(|binding| binding.identity) {
                self.end_exchange(index, guest);
            }
        }
        self.end_clients();
        self.queue.drain(..).for_each(receive);
        for link in self.ends.iter_mut().filter_map(HostEnd::link) {
            link.ack();
            link.rx().release();
            link.flush();
        }
    }
}

fn open_table(options: &Options, region: &Region) -> Option<SessionTable> {
    let folder = options.state_folder.as_ref()?;
    SessionTable::open(folder, &region.file, region.superblock.generation)
        .inspect_err(|error| tracing::warn!("{}: no session table is kept: {error}", folder.display()))
        .ok()
}

fn refused_event(guest: Identity, name: &str, refusal: ivring_proto::session::Refusal) -> Event {
    Event::Refused { guest, name: name.to_owned(), refusal }
}
