//! Where a play is played: the region, the process that is to die, and the others, who live in this process.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use fastrand::Rng;
use ivring_proto::memory::{MappedFile, Memory as _};
use nix::sys::signal::Signal;

use super::host::geometry;
use super::order::{GUESTS, Order, Role, Standing, Told, Withheld};
use super::party::Party;
use crate::witness::Line;
use crate::{Error, Keeper};

/// Why a play does not go on.
#[derive(Debug)]
pub(super) enum Stop {
    /// The actor has died before a store at this offset, as it was to.
    Died { at: u64 },
    /// Something is wrong.
    Failed(String),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// A round of everybody's loop takes this long, by the time that they are told, while much happens.
const BRISK: Duration = Duration::from_millis(1);
/// So many rounds are brisk.
const BRISK_ROUNDS: u32 = 60;
/// Rounds take this long when nothing but patience is left to be tried.
const SLOW: Duration = Duration::from_millis(25);
/// After so long, by the time that they are told, everything must be as it should.
const LIMIT: Duration = Duration::from_secs(20);

/// The process that dies.
struct Actor {
    child: Child,
    orders: ChildStdin,
    told: BufReader<ChildStdout>,
}

/// Region, people and journals of one play after the other.
pub(super) struct Stage<'a> {
    file: PathBuf,
    memory: MappedFile,
    keeper: &'a Keeper,
    withheld: Option<Withheld>,
    actor: Option<Actor>,
    subject: Role,
    /// Those who live in this process.
    here: [Option<Party<MappedFile>>; 1 + GUESTS],
    /// Whether the actor has a part now.
    there: bool,
    /// Who has left as one should.
    left: [bool; 1 + GUESTS],
    standing: [Standing; 1 + GUESTS],
    journals: [Vec<Line>; 1 + GUESTS],
    boot: u64,
    now: Duration,
    lives: Rng,
    /// The store that the actor is to die before, once the play says from when on.
    death: u64,
}

impl<'a> Stage<'a> {
    /// Makes the region's file.
    pub(super) fn new(file: &Path, keeper: &'a Keeper, withheld: Option<Withheld>) -> Result<Self, Error> {
        let make = || {
            let made = File::options().read(true).write(true).create(true).truncate(false).open(file)?;
            made.set_len(geometry().size())?;
            MappedFile::map(&made, geometry().size())
        };
        let memory = make().map_err(Error::io(format!("cannot make the region {}", file.display())))?;
        let seed = fastrand::u64(..);
        Ok(Self {
            file: file.to_owned(),
            memory,
            keeper,
            withheld,
            actor: None,
            subject: Role::Host,
            here: [const { None }; 1 + GUESTS],
            there: false,
            left: [false; 1 + GUESTS],
            standing: <[_; 1 + GUESTS]>::default(),
            journals: <[_; 1 + GUESTS]>::default(),
            boot: 1,
            now: Duration::from_secs(100),
            lives: Rng::with_seed(seed),
            death: 0,
        })
    }

    /// Clears it for a play in which `subject` dies before the store `death`.
    pub(super) fn clear(&mut self, subject: Role, death: u64) -> Result<(), Stop> {
        // The superblock; what is in the rings may stay.
        (0..4096).step_by(8).for_each(|at| self.memory.store(at, 0));
        self.here = [const { None }; 1 + GUESTS];
        (self.there, self.subject, self.death) = (false, subject, death);
        self.left = [false; 1 + GUESTS];
        self.standing = <[_; 1 + GUESTS]>::default();
        self.journals = <[_; 1 + GUESTS]>::default();
        self.now += Duration::from_secs(10);
        self.direct(&Order::Doom { stores: None, withheld: self.withheld }).map(drop)
    }

    pub(super) fn journals(&self) -> &[Vec<Line>; 1 + GUESTS] {
        &self.journals
    }

    pub(super) fn subject(&self) -> Role {
        self.subject
    }

    /// From here on the actor's stores are counted.
    pub(super) fn doom(&mut self) -> Result<(), Stop> {
        self.doom_at(self.death)
    }

    /// The actor dies before the store that follows `stores` more.
    pub(super) fn doom_at(&mut self, stores: u64) -> Result<(), Stop> {
        self.direct(&Order::Doom { stores: Some(stores), withheld: self.withheld }).map(drop)
    }

    /// The actor lives on, or another takes over from it as one that lives.
    pub(super) fn spare(&mut self) -> Result<(), Stop> {
        self.direct(&Order::Doom { stores: None, withheld: self.withheld }).map(drop)
    }

    /// Somebody begins a life.
    pub(super) fn begin(&mut self, role: Role) -> Result<(), Stop> {
        let (life, boot) = (self.lives.u64(..) >> 12, self.boot);
        self.left[role.index()] = false;
        if role == self.subject {
            self.there = true;
            let begin = Order::Begin { role, life, boot, now: self.now };
            self.standing[role.index()] = self.direct(&begin)?;
        } else {
            let journal = &mut self.journals[role.index()];
            let memory = self.memory.clone();
            let party = Party::begin(memory, role, life, boot, self.now, &mut |line| journal.push(line));
            self.here[role.index()] = Some(party);
        }
        Ok(())
    }

    /// The guests' kernels have booted anew.
    pub(super) fn boot(&mut self) {
        self.boot += 1;
    }

    /// Somebody is gone, without a word. The actor by a SIGKILL from here, in the midst of nothing.
    pub(super) fn vanish(&mut self, role: Role) -> Result<(), Stop> {
        self.here[role.index()] = None;
        self.standing[role.index()] = Standing::default();
        if role == self.subject {
            self.there = false;
            if let Some(mut actor) = self.actor.take() {
                actor
                    .child
                    .kill()
                    .and_then(|()| actor.child.wait())
                    .map_err(Error::io("cannot kill an actor"))?;
                self.keeper.ended(actor.child.id())?;
            }
        }
        Ok(())
    }

    /// Gives somebody an order.
    pub(super) fn order(&mut self, role: Role, order: &Order) -> Result<Standing, Stop> {
        let index = role.index();
        self.left[index] |= matches!(order, Order::Leave);
        let standing = if role == self.subject {
            self.direct(order)?
        } else if let Some(party) = &mut self.here[index] {
            let journal = &mut self.journals[index];
            party.perform(order, &mut |line| journal.push(line))
        } else {
            Standing::default()
        };
        self.standing[index] = standing;
        Ok(standing)
    }

    /// Everybody who is there goes round the loop, so many times.
    pub(super) fn rounds(&mut self, count: u32) -> Result<(), Stop> {
        (0..count).try_for_each(|_| self.round(BRISK))
    }

    fn round(&mut self, step: Duration) -> Result<(), Stop> {
        self.now += step;
        for role in Role::ALL {
            if self.is_there(role) {
                self.order(role, &Order::Turn { now: self.now })?;
            }
        }
        Ok(())
    }

    /// Rounds until something is so; told what it is that is not so when it never is.
    pub(super) fn until(
        &mut self,
        mut so: impl FnMut(&mut Self) -> Result<Result<(), String>, Stop>,
    ) -> Result<(), Stop> {
        let end = self.now + LIMIT;
        for round in 0.. {
            let Err(wrong) = so(self)? else { return Ok(()) };
            if self.now >= end {
                return Err(Stop::Failed(wrong));
            }
            self.round(if round < BRISK_ROUNDS { BRISK } else { SLOW })?;
        }
        Ok(())
    }

    /// Rounds until messages flow between all.
    pub(super) fn until_attached(&mut self) -> Result<(), Stop> {
        self.until(|stage| {
            let attached = stage.standing.map(|standing| standing.attached);
            let wanted = [GUESTS, 1, 1];
            Ok(if attached == wanted { Ok(()) } else { Err(format!("not all attached: {attached:?}")) })
        })
    }

    /// Sends messages of these lengths as one batch, without a round.
    pub(super) fn say(&mut self, from: Role, to: Role, lengths: &[usize]) -> Result<(), Stop> {
        let said = self.order(from, &Order::Say { to, lengths: lengths.to_vec() })?.said;
        if said == lengths.len() {
            return Ok(());
        }
        Err(Stop::Failed(format!("the {} could send {said} of {} messages", from.name(), lengths.len())))
    }

    /// Whether somebody is there and has not left.
    pub(super) fn is_there(&self, role: Role) -> bool {
        let index = role.index();
        (self.here[index].is_some() || (role == self.subject && self.there)) && !self.left[index]
    }

    fn direct(&mut self, order: &Order) -> Result<Standing, Stop> {
        if self.actor.is_none() {
            self.actor = Some(Actor::start(&self.file, self.keeper)?);
        }
        let Some(actor) = &mut self.actor else { return Err(Stop::Failed("no actor".to_owned())) };
        let journal = &mut self.journals[self.subject.index()];
        match actor.perform(order, journal) {
            Ok(standing) => Ok(standing),
            Err(stop) => {
                self.keeper.ended(actor.child.id())?;
                self.actor = None;
                (self.there, self.standing[self.subject.index()]) = (false, Standing::default());
                Err(stop)
            }
        }
    }
}

impl Actor {
    fn start(file: &Path, keeper: &Keeper) -> Result<Self, Error> {
        let program = std::env::current_exe().map_err(Error::io("cannot find this program"))?;
        let mut child = Command::new(program)
            .arg("act")
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C is for the stage; the actor ends when nobody gives orders any more.
            .process_group(0)
            .spawn()
            .map_err(Error::io("cannot start an actor"))?;
        keeper.end(child.id())?;
        let (Some(orders), Some(told)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::Failed("an actor has no pipes".to_owned()));
        };
        Ok(Self { child, orders, told: BufReader::new(told) })
    }

    /// Has an order carried out; what is told goes to the journal.
    fn perform(&mut self, order: &Order, journal: &mut Vec<Line>) -> Result<Standing, Stop> {
        let text = serde_json::to_string(order).expect("plain data becomes JSON") + "\n";
        let given = self.orders.write_all(text.as_bytes());
        let mut place = None;
        for line in self.told.by_ref().lines() {
            let line = line.map_err(Error::io("cannot hear an actor"))?;
            match serde_json::from_str(&line).map_err(|error| Error::Failed(format!("{line}: {error}")))? {
                Told::Line(line) => journal.push(line),
                Told::Dies { at } => place = Some(at),
                Told::Done(standing) => return Ok(standing),
            }
        }
        let status = self.child.wait().map_err(Error::io("cannot wait for an actor"))?;
        match place {
            Some(at) if status.signal() == Some(Signal::SIGKILL as i32) => Err(Stop::Died { at }),
            _ => Err(Stop::Failed(format!("an actor ended by itself at {order:?} ({status}, {given:?})"))),
        }
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and is waited for in no time.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
