//! A witness in a real guest, which is killed as a program, and with its whole machine.

use std::time::{Duration, Instant};

use fastrand::Rng;
use ivring_vm_config::Shmem;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::LIMIT;
use super::member::Member;
use super::troupe::{LAST, PORT, WITHOUT_END};
use crate::{BOOT_LIMIT, Error, Guest, Lab, Plan};

/// How long QEMU is stopped, at most.
const STOPPED: Duration = Duration::from_millis(300);

/// The machine, and the witness in it. That writes its journal to the console, which outlives the machine.
pub(super) struct Machine<'a> {
    lab: &'a Lab,
    plan: Plan,
    guest: Option<Guest>,
    /// The witness' process in the guest.
    process: String,
    pub(super) member: Member<'a>,
}

impl<'a> Machine<'a> {
    /// Boots it on `region`. Nobody speaks yet.
    pub(super) fn boot(lab: &'a Lab, region: &Shmem) -> Result<Self, Error> {
        let plan = lab.plan("machine", Some(region));
        let guest = lab.start(&plan)?.wait(BOOT_LIMIT)?;
        let mut member = Member::new(lab, "machine", &format!("{}:{PORT}", plan.uuid), &[]);
        member.writes_to(guest.console());
        Ok(Self { lab, plan, guest: Some(guest), process: String::new(), member })
    }

    /// Starts the witness, with messages without end.
    pub(super) fn start(&mut self) -> Result<(), Error> {
        self.start_with(&["--send", WITHOUT_END, "--longest", "1000", "--pace", "1000"])
    }

    /// Starts it with few messages, all of which are awaited.
    pub(super) fn start_last(&mut self) -> Result<(), Error> {
        self.start_with(&["--send", &LAST.to_string(), "--longest", "1000"])
    }

    fn start_with(&mut self, work: &[&str]) -> Result<(), Error> {
        self.member.start_elsewhere()?;
        let work = work.join(" ");
        // Whoever was killed before it may have been in the midst of a line.
        self.process = self.run(&format!(
            "echo >/dev/console; ivring-witness guest --port {PORT} --journal /dev/console {work} >/dev/console 2>&1 & echo $!"
        ))?;
        Ok(())
    }

    /// Kills the witness, or the whole machine, or stops that for a while.
    pub(super) fn suffer(&mut self, dice: &mut Rng) -> Result<&'static str, Error> {
        Ok(match dice.u64(0..10) {
            0..4 => {
                self.kill_witness()?;
                self.start()?;
                "program killed in the machine"
            }
            4..8 => {
                self.guest.take().map_or(Ok(()), Guest::kill)?;
                self.member.read()?;
                self.guest = Some(self.lab.start(&self.plan)?.wait(BOOT_LIMIT)?);
                self.start()?;
                "QEMU killed"
            }
            _ => {
                self.signal(Signal::SIGSTOP)?;
                std::thread::sleep(Duration::from_millis(
                    dice.u64(0..u64::try_from(STOPPED.as_millis()).unwrap_or(1)),
                ));
                self.signal(Signal::SIGCONT)?;
                "QEMU stopped"
            }
        })
    }

    /// Kills the witness: what it has written to the console is on its way and comes.
    pub(super) fn kill_witness(&mut self) -> Result<(), Error> {
        // The shell that started it has ended, so init reaps it, or it stays a zombie.
        let process = &self.process;
        let gone = format!("[ -z \"$(tr -d '\\0' </proc/{process}/cmdline 2>/dev/null)\" ]");
        self.run(&format!("kill -9 {process}; until {gone}; do sleep 0.02; done")).map(drop)
    }

    /// Asks the witness to end, and waits until it has noted that.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        self.run(&format!("kill {}", self.process))?;
        let deadline = Instant::now() + LIMIT;
        while !self.member.has_ended() {
            if Instant::now() >= deadline {
                return Err(Error::Failed("the witness in the machine does not end".to_owned()));
            }
            std::thread::sleep(super::POLL);
            self.member.read()?;
        }
        Ok(())
    }

    fn signal(&mut self, signal: Signal) -> Result<(), Error> {
        let Some(guest) = &self.guest else { return Ok(()) };
        let process = Pid::from_raw(i32::try_from(guest.process_id()).unwrap_or(i32::MAX));
        kill(process, signal).map_err(|error| Error::Failed(format!("cannot send {signal} to QEMU: {error}")))
    }

    fn run(&mut self, script: &str) -> Result<String, Error> {
        let Some(guest) = &mut self.guest else { return Err(Error::Failed("no machine".to_owned())) };
        let answer = guest.run(script, LIMIT)?;
        if answer.status == 0 {
            return Ok(answer.output.trim().to_owned());
        }
        Err(Error::Failed(format!("{script}: {}", answer.output)))
    }
}
