//! The witnesses of one region: a host, two guests, and a third guest that has a double now and then.

use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use ivring_vm_config::Shmem;
use nix::sys::signal::Signal;

use super::machine::Machine;
use super::member::Member;
use super::{LIMIT, POLL, Stop};
use crate::witness::{Disproof, check, check_order, check_outcomes};
use crate::{Error, Lab};

/// More than anybody sends in a life.
pub(super) const WITHOUT_END: &str = "1000000000";
/// What everybody sends in the last life, all of which is awaited.
pub(super) const LAST: u64 = 50;
/// The port of a witness.
pub(super) const PORT: &str = "witness";

/// Who is who among the members.
pub(super) const HOST: usize = 0;
/// The guests whose journals must prove everything.
pub(super) const GUESTS: [usize; 2] = [1, 2];
/// The guest with doubles. Nothing is promised of its own messages then.
pub(super) const TWIN: usize = 3;

/// What went over between the journals' beginning and their end.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Proof {
    /// Different messages of one record.
    pub(super) messages: usize,
    /// How often one came again, marked.
    pub(super) repeats: usize,
    /// Messages in fragments that were told to be delivered.
    pub(super) large: usize,
}

/// A host and its guests.
pub(super) struct Troupe<'a> {
    members: Vec<Member<'a>>,
    /// What all of them do alike in this act.
    manner: Vec<String>,
    /// A guest in a machine of its own, where there are any.
    machine: Option<Machine<'a>>,
}

impl<'a> Troupe<'a> {
    /// Witnesses for the region at `path`, yet to be started.
    pub(super) fn new(lab: &'a Lab, path: &str) -> Self {
        let mut members =
            vec![Member::new(lab, "host", "host", &["host", "--region", path, "--channels", "31"])];
        for name in ["guest-1", "guest-2", "twin"] {
            let uuid = lab.plan(name, None).uuid;
            let arguments = ["guest", "--region", path, "--id", &uuid, "--port", PORT];
            members.push(Member::new(lab, name, &format!("{uuid}:{PORT}"), &arguments));
        }
        Self { members, manner: Vec::new(), machine: None }
    }

    /// Boots a guest in a machine of its own. The region must be there.
    pub(super) fn boot(&mut self, lab: &'a Lab, region: &Shmem) -> Result<(), Error> {
        self.machine = Some(Machine::boot(lab, region)?);
        Ok(())
    }

    /// Something happens to the machine.
    pub(super) fn shake_the_machine(&mut self, dice: &mut Rng) -> Result<&'static str, Stop> {
        let Some(machine) = &mut self.machine else { return Ok("no machine") };
        let what = machine.suffer(dice)?;
        self.until_it_flows()?;
        Ok(what)
    }

    /// Whether there is a machine.
    pub(super) fn has_machine(&self) -> bool {
        self.machine.is_some()
    }

    /// Begins an act: everybody is started, and messages flow.
    pub(super) fn begin(&mut self, act: u64, dice: &mut Rng) -> Result<(), Stop> {
        // Every second act is received in batches, half of these with no more than the batch to come again.
        self.manner = match act % 4 {
            1 => vec!["--batch", "40"],
            3 => vec!["--batch", "40", "--window", "0"],
            _ => vec![],
        }
        .into_iter()
        .map(str::to_owned)
        .collect();
        self.start(HOST, dice)?;
        // Without a region a guest ends at once.
        self.until("the host opens the region", |host, _| host.has_noted("open"))?;
        for who in GUESTS.into_iter().chain([TWIN]) {
            self.start(who, dice)?;
        }
        if let Some(machine) = &mut self.machine {
            machine.start()?;
        }
        self.until_it_flows()
    }

    /// Starts somebody, with messages without end.
    pub(super) fn start(&mut self, who: usize, dice: &mut Rng) -> Result<(), Error> {
        // Sometimes as many as go: then the rings are full. Mostly few, and the processors are left to those who start.
        let pace = ["0", "300", "300", "1000", "1000", "3000"][dice.usize(0..6)];
        let longest = ["200", "1000", "20000"][dice.usize(0..3)];
        let mut work = vec!["--send", WITHOUT_END, "--longest", longest, "--pace", pace];
        if dice.u64(0..4) == 0 {
            work.extend(["--large", "2", "--length", "300000"]);
        }
        self.start_with(who, &work)
    }

    fn start_with(&mut self, who: usize, work: &[&str]) -> Result<(), Error> {
        let work: Vec<_> =
            work.iter().map(|&word| word.to_owned()).chain(self.manner.iter().cloned()).collect();
        self.members[who].start(&work)
    }

    pub(super) fn kill(&mut self, who: usize) -> Result<(), Error> {
        self.members[who].kill()
    }

    pub(super) fn signal(&mut self, who: usize, signal: Signal) -> Result<(), Error> {
        self.members[who].signal(signal)
    }

    /// The twin's process is stopped, and another does its part; then the first goes on, and must find that out and end.
    pub(super) fn double(&mut self, dice: &mut Rng) -> Result<(), Stop> {
        self.signal(TWIN, Signal::SIGSTOP)?;
        let zombie = self.members[TWIN].give_up()?;
        self.start(TWIN, dice)?;
        self.until_it_flows()?;
        let Some(mut zombie) = zombie else { return Ok(()) };
        zombie.signal(Signal::SIGCONT)?;
        // That it does not end in time, or not as it should, is what nobody may see.
        let ended = zombie.wait(LIMIT).map(|status| status.success());
        if matches!(ended, Ok(true)) {
            return Ok(());
        }
        let log = zombie.log().display();
        Err(Disproof(format!("the twin that was superseded does not end as it should: {ended:?}, see {log}"))
            .into())
    }

    /// Waits until messages flow between the host and each guest, both ways, from now on.
    pub(super) fn until_it_flows(&mut self) -> Result<(), Stop> {
        for member in self.everybody() {
            member.read()?;
            member.look_from_here();
        }
        self.until("messages flow again", |host, guest| host.hears(guest) && guest.hears(host))
    }

    fn everybody(&mut self) -> impl Iterator<Item = &mut Member<'a>> {
        self.members.iter_mut().chain(self.machine.as_mut().map(|machine| &mut machine.member))
    }

    /// Waits until something is so of the host and each guest.
    fn until(&mut self, what: &str, so: impl Fn(&Member<'_>, &Member<'_>) -> bool) -> Result<(), Stop> {
        let deadline = Instant::now() + LIMIT;
        loop {
            for member in self.everybody() {
                member.read()?;
            }
            let (host, guests) = self.members.split_at(GUESTS[0]);
            let mut guests = guests.iter().chain(self.machine.as_ref().map(|machine| &machine.member));
            let not_yet = guests.find(|guest| !so(&host[HOST], guest));
            let Some(waiting_for) = not_yet else { return Ok(()) };
            if Instant::now() >= deadline {
                let name = waiting_for.name();
                let wrong = format!("host and {name}: not within {LIMIT:?} that {what}");
                return Err(Disproof(wrong).into());
            }
            for member in &mut self.members {
                member.check()?;
            }
            thread::sleep(POLL);
        }
    }

    /// Ends an act: everybody has one more life, all that is sent in that is awaited, and all end as they should. Then the
    /// journals are checked, and forgotten.
    pub(super) fn end(&mut self) -> Result<Proof, Stop> {
        for who in 0..self.members.len() {
            self.kill(who)?;
            self.start_with(who, &["--send", &LAST.to_string(), "--longest", "1000"])?;
        }
        if let Some(machine) = &mut self.machine {
            machine.kill_witness()?;
            machine.start_last()?;
        }
        self.until("the last message comes", |host, guest| {
            host.has_heard(guest, LAST - 1) && guest.has_heard(host, LAST - 1)
        })?;
        if let Some(machine) = &mut self.machine {
            machine.end()?;
        }
        for who in (0..self.members.len()).rev() {
            self.members[who].end()?;
        }
        let proof = self.judge()?;
        self.everybody().for_each(Member::forget);
        Ok(proof)
    }

    fn judge(&self) -> Result<Proof, Disproof> {
        let mut proof = Proof::default();
        let host = &self.members[HOST];
        for guest in GUESTS.map(|guest| &self.members[guest]) {
            for (sender, receiver) in [(guest, host), (host, guest)] {
                let wrong =
                    |wrong: Disproof| Disproof(format!("{} to {}: {wrong}", sender.name(), receiver.name()));
                let (from, to) = (sender.peer(), receiver.peer());
                let records = check(sender.lines(), to, receiver.lines(), from).map_err(wrong)?;
                let outcomes = check_outcomes(sender.lines(), to, receiver.lines(), from).map_err(wrong)?;
                proof.messages += records.messages;
                proof.repeats += records.repeats;
                proof.large += outcomes.delivered;
            }
        }
        if let Some(Machine { member, .. }) = &self.machine {
            let wrong = |wrong: Disproof| Disproof(format!("{} and {}: {wrong}", member.name(), host.name()));
            // The end of its journal is lost with its machine: what it had received last is not known. What it had noted as
            // sent before must have come.
            let records = check(member.lines(), host.peer(), host.lines(), member.peer()).map_err(wrong)?;
            proof.messages += records.messages;
            proof.messages += check_order(member.lines(), host.peer()).map_err(wrong)?;
            proof.repeats += records.repeats;
        }
        Ok(proof)
    }

    /// A moment in which they go on, of at most so long.
    pub(super) fn go_on(dice: &mut Rng, most: Duration) {
        let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
        thread::sleep(Duration::from_micros(dice.u64(0..micros)));
    }
}
