//! The whole system under attack: `ivring-lab attack`.
//!
//! One daemon serves four regions. In three of them scribblers write garbage: a virtual machine over a region of its own, a
//! process of the host over another, and a virtual machine over the region that several guests share. In the fourth, and in
//! the shared one, two honest programs talk by way of the daemon all the while.
//!
//! In the region that is nobody else's nothing may be lost. In the shared one everything may be lost, but the daemon goes on,
//! and when the scribbler stops everybody talks again.
//!
//! | module | what it is |
//! | --- | --- |
//! | `conversation` | two honest programs, and what reached them |
//! | `attacker` | a scribbler, and an honest agent beside it |
//! | `report` | what it came to |

mod attacker;
mod conversation;
mod report;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ivring_vm_config::Shmem;

use crate::daemon::Daemon;
use crate::{Artifacts, Consent, Error, Lab, build_scribbler, prepare};
use attacker::Attacker;
use conversation::Conversation;
pub use report::Report;

/// How long everybody may take to talk again.
const RECOVERY_LIMIT: Duration = Duration::from_secs(60);
/// How long a part may take to start.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How often it is said how far it has come.
const TICK: Duration = Duration::from_secs(10);
/// How often the daemon is looked after.
const POLL: Duration = Duration::from_millis(100);

/// How to attack.
#[derive(Debug)]
pub struct Attack {
    /// For how long.
    pub span: Duration,
    /// Where the scribblers' random numbers begin.
    pub seed: u64,
    /// Scribblers as processes of the host instead of virtual machines.
    pub no_vm: bool,
    /// Whether missing packages may be installed.
    pub consent: Consent,
}

/// Attacks and reports; progress goes to standard error.
///
/// # Errors
///
/// [`Error::Failed`] if something did not hold, with all that is known of it; [`Error::Refused`] if something is missing that may
/// not be installed.
pub fn attack(attack: &Attack) -> Result<Report, Error> {
    let programs = Artifacts::build()?;
    let scribbler = build_scribbler()?;
    let lab = if attack.no_vm {
        Lab::without_guests("attack")?
    } else {
        Lab::new("attack", &prepare(None, attack.consent)?, &[&programs.agent, &scribbler])?
    };
    let logs = lab.logs().to_owned();
    under(&lab, attack, &programs, &scribbler)
        .map_err(|error| Error::Failed(format!("{error}\nlogs: {}", logs.display())))
}

fn under(lab: &Lab, attack: &Attack, programs: &Artifacts, scribbler: &Path) -> Result<Report, Error> {
    let size = "1M".parse().expect("1M is a power of two");
    let shared = lab.region("8M".parse().expect("8M is a power of two"))?;
    let plans = ["hostile", "scribbled", "honest"].map(|name| lab.plan(name, None));
    let [hostile, scribbled, honest] = &plans;
    let own = |uuid: &str| lab.region_of(uuid, size);
    let regions = [own(&hostile.uuid)?, own(&scribbled.uuid)?, own(&honest.uuid)?];
    let all_own = regions[0].path().replace(&hostile.uuid, "*");
    // The daemon makes them in the sizes they are to have.
    for region in &regions {
        make(region)?;
    }
    make(&shared)?;
    let mut daemon = Daemon::start(lab, &programs.ivringd, &[shared.name(), &all_own], shared.size())?;

    let mut attackers = [
        Attacker::start(lab, programs, hostile, &regions[0], attack.no_vm)?,
        Attacker::start(lab, programs, scribbled, &regions[1], true)?,
        Attacker::start(lab, programs, &lab.plan("neighbour", None), &shared, attack.no_vm)?,
    ];
    for attacker in &attackers {
        daemon.wait_for(attacker.uuid(), START_LIMIT)?;
    }
    let mut apart = Conversation::start(&regions[2], &honest.uuid, daemon.socket())?;
    let mut beside = Conversation::start(&shared, &lab.plan("beside", None).uuid, daemon.socket())?;
    let process = daemon.id();
    let before = resident(process)?;

    for (attacker, seed) in attackers.iter_mut().zip(attack.seed..) {
        attacker.scribble(lab, scribbler, seed, attack.span)?;
    }
    talk(&mut apart, &mut beside, &mut daemon, attack.span)?;
    let mut scribbled = Vec::new();
    for attacker in &mut attackers {
        scribbled.push(attacker.finish()?);
    }

    let begun = Instant::now();
    let deadline = begun + RECOVERY_LIMIT;
    eprintln!("the scribblers have stopped");
    let apart = apart.finish(deadline)?;
    let beside = beside.begin_again(deadline)?;
    for attacker in &attackers {
        answers(&mut daemon, attacker.uuid(), deadline)?;
    }
    daemon.check()?;
    let log = fs::read_to_string(daemon.log()).map_err(Error::io("cannot read the daemon's log"))?;
    Ok(Report {
        span: attack.span,
        scribbled,
        apart,
        beside,
        recovery: begun.elapsed(),
        resident: [before, resident(process)?],
        log_lines: log.lines().count(),
    })
}

/// Has both conversations for `span`, and says how far they are.
fn talk(
    apart: &mut Conversation,
    beside: &mut Conversation,
    daemon: &mut Daemon,
    span: Duration,
) -> Result<(), Error> {
    let end = AtomicBool::new(false);
    let started = Instant::now();
    thread::scope(|scope| {
        let conversations = [(&mut *apart, true), (beside, false)].map(|(conversation, strict)| {
            let end = &end;
            scope.spawn(move || conversation.talk(end, strict))
        });
        let mut result = Ok(());
        let mut next = TICK;
        while result.is_ok() && started.elapsed() < span && !conversations[0].is_finished() {
            thread::sleep(POLL);
            result = daemon.check();
            if started.elapsed() >= next {
                next += TICK;
                eprintln!("{:4.0} s of {:.0}", started.elapsed().as_secs_f64(), span.as_secs_f64());
            }
        }
        end.store(true, Ordering::Relaxed);
        for conversation in conversations {
            let ended = conversation.join().expect("a conversation does not panic");
            result = result.and(ended);
        }
        result
    })
}

/// Waits until the agent of an attacker answers a request again.
fn answers(daemon: &mut Daemon, uuid: &str, deadline: Instant) -> Result<(), Error> {
    loop {
        let asked = daemon
            .wait_for(uuid, deadline.saturating_duration_since(Instant::now()))
            .and_then(|_| daemon.ask(uuid, "ivring.info"));
        match asked {
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => thread::sleep(POLL),
            Ok(_) => return Ok(()),
        }
    }
}

/// Makes the file of a region, empty, in its size.
fn make(region: &Shmem) -> Result<(), Error> {
    fs::File::create_new(region.path())
        .and_then(|file| file.set_len(region.size().bytes()))
        .map_err(Error::io(format!("cannot make {}", region.path())))
}

/// Memory of a process in KiB.
fn resident(process: u32) -> Result<u64, Error> {
    let path = format!("/proc/{process}/status");
    let status = fs::read_to_string(&path).map_err(Error::io(format!("cannot read {path}")))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| Error::Failed(format!("{path} does not tell how much memory is used")))
}
