//! What waiting costs, and how late the first message is after it, for each profile; and what many idle guests cost.

use std::{
    cell::RefCell,
    fmt::Display,
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use ivring_guest::Guest;
use ivring_host::Uuid;
use ivring_lab::{Error, Lab, Process};
use ivring_proto::{
    control::{Client, Pong, Request, Service, Target},
    wait::Profile,
};
use serde::{Deserialize, Serialize};

use super::{
    busy::{Busy, busy, counted},
    machine::{Machine, pin, run},
    orders::Task,
};
use crate::{failure::Failure, statistics::median};

/// How long processor time is counted.
const COUNTED: Duration = Duration::from_secs(3);
/// How long nothing is sent before a first message: longer than any profile takes to sleep as long as it may.
const SILENCE: Duration = Duration::from_millis(500);
/// Each silence is longer than the one before, so that messages meet sleeps at all their times.
const LATER: Duration = Duration::from_micros(7_300);
/// How many first messages are sent.
const FIRSTS: u32 = 11;
/// How many sleeps are timed.
const SLEEPS: u32 = 50;
/// How long a daemon may take to start, or a guest to attach.
const LIMIT: Duration = Duration::from_secs(20);
/// Guests of the crowd.
const CROWD: u64 = 64;
/// How often each of them is polled, so that its heart beats.
const BREATH: Duration = Duration::from_millis(100);

/// What one profile costs while nothing happens, with one guest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Idle {
    /// Its name.
    pub profile: String,
    /// The longest sleep that it states, in microseconds.
    pub cap_us: u64,
    /// Processor time of the agent in the guest, in percent of its processor.
    pub agent_percent: f64,
    /// How often the agent came to that processor in a second.
    pub agent_turns: f64,
    /// The same of a program in the guest that does nothing but sleep for that cap: no agent can take less.
    pub sleeper_percent: f64,
    /// How often that program came to the processor in a second.
    pub sleeper_turns: f64,
    /// Processor time of the daemon, in percent of a processor.
    pub daemon_percent: f64,
    /// First messages after a silence: time until the guest's answer was back, in microseconds, the shortest first.
    pub first_us: Vec<f64>,
    /// How much longer than asked for a sleep of that cap takes in the guest: usually, and at most.
    pub oversleep_us: [f64; 2],
}

/// What many idle guests cost the daemon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crowd {
    /// How many are attached: processes of the host in the place of guests.
    pub guests: u64,
    /// Processor time of the daemon, in percent of a processor.
    pub daemon_percent: f64,
}

/// Measures every profile, each in daemon and agent; the daemon has `processor`.
pub(crate) fn profiles(
    machine: Machine,
    processor: usize,
    mut progress: impl FnMut(&str),
) -> Result<Vec<Idle>, Failure> {
    let Machine { side, mut guest, uuid, region, artifacts, lab, .. } = machine;
    // A daemon takes the region over.
    drop(side);
    let begun = Instant::now();
    let mut all = Vec::new();
    for profile in Profile::ALL {
        progress(&format!("idle, profile {profile}"));
        let mut command = Command::new(&artifacts.ivringd);
        command.args(["--region", region.name(), "--profile", profile.name()]);
        let daemon = Daemon::start(&lab, command)?;
        // Not where the guest's processor is: a daemon that spins there would keep the answer back for which it waits.
        pin(daemon.process.id(), processor)?;
        let command = format!("ivring-agent run --profile {profile}");
        let agent = Program::start(&mut guest, &command, profile.name())?;
        daemon.ping_when_attached(&uuid)?;
        thread::sleep(SILENCE);
        let before = (Counted::of(&daemon.process, begun)?, agent.counted(&mut guest)?);
        thread::sleep(COUNTED);
        let after = (Counted::of(&daemon.process, begun)?, agent.counted(&mut guest)?);
        let mut first_us = Vec::new();
        for number in 0..FIRSTS {
            thread::sleep(SILENCE + LATER * number);
            first_us.push(daemon.ping(&uuid)?.as_secs_f64() * 1e6);
        }
        first_us.sort_unstable_by(f64::total_cmp);
        agent.end(&mut guest)?;
        let sleeper = sleeper_in(&mut guest, profile)?;
        all.push(Idle {
            profile: profile.name().to_owned(),
            cap_us: u64::try_from(profile.cap().as_micros()).unwrap_or(u64::MAX),
            agent_percent: after.1.percent_since(before.1),
            agent_turns: after.1.turns_since(before.1),
            sleeper_percent: sleeper[0],
            sleeper_turns: sleeper[1],
            daemon_percent: after.0.percent_since(before.0),
            first_us,
            oversleep_us: oversleep_in(&mut guest, profile.cap())?,
        });
    }
    Ok(all)
}

/// Measures a daemon with many guests, in the usual profile. They are of this process: the daemon sees no difference.
pub(crate) fn crowd(machine: &Machine, mut progress: impl FnMut(&str)) -> Result<Crowd, Failure> {
    progress(&format!("idle, {CROWD} guests"));
    let region = machine.lab.region("32M".parse().expect("a power of two"))?;
    let mut command = Command::new(&machine.artifacts.ivringd);
    command.args(["--region", region.name(), "--size", "32M", "--channels", &CROWD.to_string()]);
    let daemon = Daemon::start(&machine.lab, command)?;
    let join = |number: u64| {
        let options = ivring_guest::Options {
            region: Some(PathBuf::from(region.path())),
            id: Some(Uuid::from_u128(number.into())),
            name: Some(format!("idle-{number}")),
            ..ivring_guest::Options::default()
        };
        Guest::open(options).map_err(|error| failed("a guest of the crowd", &error))
    };
    let mut guests = (1..=CROWD).map(join).collect::<Result<Vec<_>, _>>()?;
    let deadline = Instant::now() + LIMIT;
    while !guests.iter().all(Guest::is_attached) {
        breathe(&mut guests);
        if Instant::now() > deadline {
            return Err(failed("the crowd", &"it does not attach"));
        }
    }
    let mut rest = |length: Duration| {
        let end = Instant::now() + length;
        while Instant::now() < end {
            thread::sleep(BREATH);
            breathe(&mut guests);
        }
    };
    let begun = Instant::now();
    rest(SILENCE);
    let before = Counted::of(&daemon.process, begun)?;
    rest(COUNTED);
    let after = Counted::of(&daemon.process, begun)?;
    Ok(Crowd { guests: CROWD, daemon_percent: after.percent_since(before) })
}

/// How much longer than `length` a sleep takes, in microseconds: usually, and the longest of many.
pub(crate) fn oversleep(length: Duration) -> [f64; 2] {
    let mut late: Vec<f64> = (0..SLEEPS)
        .map(|_| {
            let begun = Instant::now();
            thread::sleep(length);
            begun.elapsed().saturating_sub(length).as_secs_f64() * 1e6
        })
        .collect();
    let usual = median(&mut late).unwrap_or(f64::NAN);
    [usual, late.last().copied().unwrap_or(f64::NAN)]
}

/// The same of the guest's sleeps.
fn oversleep_in(guest: &mut ivring_lab::Guest, length: Duration) -> Result<[f64; 2], Failure> {
    let us = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
    let task =
        serde_json::to_string(&Task::Oversleep { us }).map_err(|error| failed("its orders", &error))?;
    let said = run(guest, &format!("ivring-compare-guest '{task}'"))?;
    serde_json::from_str(&said).map_err(|error| failed("sleeps in the guest", &error))
}

/// What it costs in the guest only to sleep for the profile's cap, again and again: percent of its processor, and how often
/// in a second.
fn sleeper_in(guest: &mut ivring_lab::Guest, profile: Profile) -> Result<[f64; 2], Failure> {
    let us = u64::try_from(profile.cap().as_micros()).unwrap_or(u64::MAX);
    let task = serde_json::to_string(&Task::Sleep { us }).map_err(|error| failed("its orders", &error))?;
    let program = Program::start(guest, &format!("ivring-compare-guest '{task}'"), "sleeper")?;
    thread::sleep(SILENCE);
    let before = program.counted(guest)?;
    thread::sleep(COUNTED);
    let after = program.counted(guest)?;
    program.end(guest)?;
    Ok([after.percent_since(before), after.turns_since(before)])
}

/// Lets all of them do what their sessions need.
fn breathe(guests: &mut [Guest]) {
    for guest in guests {
        while guest.poll().is_some() {}
    }
}

/// Processor time of a process at one moment.
#[derive(Clone, Copy, Debug)]
struct Counted {
    busy: Busy,
    at: Duration,
}

impl Counted {
    /// A process of the host.
    fn of(process: &Process, begun: Instant) -> Result<Self, Failure> {
        Ok(Self { busy: busy(process.id())?, at: begun.elapsed() })
    }

    /// Percent of a processor that it has used since then.
    fn percent_since(self, before: Self) -> f64 {
        100.0 * (self.busy.time.saturating_sub(before.busy.time)).as_secs_f64() / self.passed_since(before)
    }

    /// How often it came to a processor in a second since then.
    fn turns_since(self, before: Self) -> f64 {
        let turns = u32::try_from(self.busy.turns.saturating_sub(before.busy.turns));
        turns.map_or(f64::INFINITY, f64::from) / self.passed_since(before)
    }

    fn passed_since(self, before: Self) -> f64 {
        self.at.saturating_sub(before.at).as_secs_f64()
    }
}

/// A program that runs in the guest.
struct Program(String);

impl Program {
    fn start(guest: &mut ivring_lab::Guest, command: &str, log: &str) -> Result<Self, Failure> {
        let script = format!("{command} >/run/{log}.log 2>&1 &\necho $!");
        Ok(Self(run(guest, &script)?.trim().to_owned()))
    }

    /// Its processor time, by the guest's clock.
    fn counted(&self, guest: &mut ivring_lab::Guest) -> Result<Counted, Failure> {
        let said = run(guest, &format!("cat /proc/{}/task/*/schedstat; echo; cat /proc/uptime", self.0))?;
        let seconds = |uptime: &str| uptime.split(' ').next()?.parse::<f64>().ok();
        let moment = said.split_once("\n\n").and_then(|(stats, uptime)| {
            let at = Duration::try_from_secs_f64(seconds(uptime)?).ok()?;
            Some(Counted { busy: counted(stats), at })
        });
        moment.ok_or_else(|| failed("processor time in the guest", &said))
    }

    fn end(self, guest: &mut ivring_lab::Guest) -> Result<(), Failure> {
        run(guest, &format!("kill {0}; while [ -d /proc/{0} ]; do sleep 0.02; done", self.0)).map(drop)
    }
}

/// A daemon with a control socket of its own.
struct Daemon {
    process: Process,
    client: RefCell<Client>,
}

impl Daemon {
    /// Starts it, and waits until it answers.
    fn start(lab: &Lab, mut command: Command) -> Result<Self, Failure> {
        let socket = lab.folder().join("ivringd.sock");
        // This machine's own configuration is none of the comparison's.
        command.args(["--config", "/dev/null", "--socket"]).arg(&socket);
        let mut process = lab.spawn("ivringd", command)?;
        let deadline = Instant::now() + LIMIT;
        loop {
            // Its socket is there before its region; it answers when both are.
            let answered = Client::connect(Service::Daemon, &socket)
                .and_then(|mut client| client.call(&Request::List, &[]).map(|_| client));
            match answered {
                Ok(client) => return Ok(Self { process, client: RefCell::new(client) }),
                Err(error) if process.status()?.is_some() || Instant::now() > deadline => {
                    return Err(failed("ivringd", &error));
                }
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// The time until the guest's answer is back, on the daemon's clock.
    fn ping(&self, uuid: &str) -> Result<Duration, Failure> {
        let target = Target { guest: Some(uuid.to_owned()), region: None };
        let request = Request::Ping { target, bytes: 56, timeout_ms: 1000 };
        let (response, _) =
            self.client.borrow_mut().call(&request, &[]).map_err(|error| failed("a ping", &error))?;
        let pong: Pong = response.payload().map_err(|error| failed("a ping", &error))?;
        Ok(Duration::from_nanos(pong.round_trip_ns))
    }

    fn ping_when_attached(&self, uuid: &str) -> Result<(), Failure> {
        let deadline = Instant::now() + LIMIT;
        while let Err(error) = self.ping(uuid) {
            if Instant::now() > deadline {
                return Err(error);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

fn failed(what: &str, why: &dyn Display) -> Failure {
    Failure::Lab(Error::Failed(format!("{what}: {why}")))
}
