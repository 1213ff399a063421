//! One region with all its guests, in one process.

mod arriving;
mod control;
mod faults;
mod gone;
mod loss;
mod rota;
mod second_writer;
mod sending;

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use ivring_proto::layout::Geometry;
use ivring_proto::link::{Budget, Counters, Exchange, FrontDesk, HostEnd, HostEvent, Incarnation, Losses};
use ivring_proto::memory::MappedFile;
use ivring_proto::session::{
    BEAT, Caching, CloseReason, HostPulse, Identity, JoinRequest, Liveness, Phase, Refusal, Uuid,
};
use ivring_proto::wait::{Ladder, Profile, Step};

use crate::desk::Desk;
use crate::mappers::Sightings;
use crate::region::{OpenError, Region};
use crate::session_table::SessionTable;
use crate::{Event, Options};

pub use arriving::Batch;
use faults::{Faults, Refused};
pub use faults::{GuestFaults, LastTime, Refusals};
use rota::Rota;
pub use sending::HostSendError;

/// Sessions are looked at this often; rings in every round.
const LOOK: Duration = Duration::from_millis(1);

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
    /// Bytes that this process holds for it: of a message that has not come whole, and of answers that it has not taken.
    pub held: usize,
    /// What it wrote that cannot be right, in this session and before.
    pub faults: GuestFaults,
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
    /// How the region was lost, if it was.
    lost: Option<String>,
    faults: Faults,
    refused: Refused,
    /// Bytes of answers that may wait until guests have them.
    max_kept_answers: usize,
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
            lost: None,
            faults: Faults::default(),
            refused: Refused::default(),
            // What a guest asks comes in out of that much, and what answers it goes out of as much again.
            max_kept_answers: options.max_reassembly,
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
        let now = Instant::now();
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
                held: exchange.held(),
                faults: self.faults.of(&binding.identity, now),
                max_message: exchange.max_payload(end.max_payload(0)),
                max_record: end.max_payload(0),
            })
        };
        self.ends.iter().zip(&self.exchanges).enumerate().filter_map(info).collect()
    }

    /// How often guests wrote what cannot be right, since this host was opened: each time a session was closed.
    pub fn faults(&self) -> u64 {
        self.faults.count()
    }

    /// Requests to join that were refused, since this host was opened.
    pub fn refused(&self) -> Refusals {
        self.refused.all(Instant::now())
    }

    /// The next event of a session or of the region, if there is one now: everything but what guests send. Together with
    /// [`receive`](Self::receive) it does what [`poll`](Self::poll) does, for a loop that is in a hurry.
    pub fn poll_sessions(&mut self) -> Option<Event> {
        self.pump();
        // With events still to be told, more of them can wait: what guests do must not fill this process's memory.
        if self.queue.is_empty() && self.lost.is_none() {
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
        if self.lost.is_some() || !std::mem::take(&mut self.sending) {
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
        if self.lost.is_none() && std::mem::take(&mut self.unflushed) {
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
        let is_the_writer = self.is_the_writer(now);
        // What is read where pages are gone was written by nobody.
        if self.lose_pages() {
            return;
        }
        if !is_the_writer {
            if now >= self.next_check {
                self.next_check = now + BEAT;
                self.check_file();
            }
            return;
        }
        self.publish();
        let geometry = self.region.superblock.geometry;
        while let Some(refused) = self.desk.serve(&self.region.memory, &geometry, &mut self.ends, now) {
            self.refuse(&refused.request, refused.refusal);
        }
        for index in 0..self.ends.len() {
            while let Some(event) = self.ends[index].poll(now, &mut entropy) {
                self.take_note(index, event);
            }
            self.take_outcomes(index, now);
        }
        // After all that has touched the region, and before anything of it is noted elsewhere.
        if self.lose_pages() {
            return;
        }
        if now >= self.next_check {
            self.next_check = now + BEAT;
            self.check_file();
            self.check_superblock();
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
                if self.ends[index].channel().binding().is_none() {
                    // The next to have this channel may be another.
                    self.exchanges[index].forget_losses();
                }
                Event::Detached { guest: binding.identity, name: binding.name.as_str().to_owned(), reason }
            }
            (HostEvent::Refuse { cell, request, refusal }, _) => {
                let memory = &self.region.memory;
                FrontDesk::refuse(memory, &self.region.superblock.geometry, cell, &request, refusal);
                return self.refuse(&request, refusal);
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
            (HostEvent::Fault { guest, error }, _) => Event::Fault { guest, error },
            (HostEvent::Stale, Some(binding)) => Event::Stale { guest: binding.identity },
            (HostEvent::Back, Some(binding)) => Event::Back { guest: binding.identity },
            (HostEvent::Undelivered { guest, what }, _) => Event::Undelivered { guest, what },
            (_, None) => return,
        };
        if let Event::Fault { guest, error } = &event {
            self.faults.note(guest, error.to_string(), Instant::now());
        }
        self.queue.push_back(event);
    }

    /// Tells of a request to join that was refused.
    fn refuse(&mut self, request: &JoinRequest, refusal: Refusal) {
        let JoinRequest { identity, name, .. } = request;
        self.refused.note(format!("{name} ({identity}): {refusal}"), Instant::now());
        self.queue.push_back(Event::Refused { guest: *identity, name: name.as_str().to_owned(), refusal });
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
        if self.lost.is_some() || self.stands_by() {
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
        if self.lost.is_some() {
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
