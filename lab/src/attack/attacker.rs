//! A scribbler, and an honest agent on the same region.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ivring_vm_config::Shmem;

use crate::{Artifacts, Error, Guest, Lab, Plan, Process, Scribbled};

/// How much longer than asked a scribbler may take.
const GRACE: Duration = Duration::from_secs(60);
/// How long a command in the guest may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Where an attack comes from.
pub(super) struct Attacker {
    name: String,
    uuid: String,
    region: String,
    place: Place,
    span: Duration,
}

enum Place {
    /// A virtual machine, its agent in it.
    Machine(Box<Guest>),
    /// Processes of the host: the agent, and the scribbler while there is one.
    Processes { _agent: Process, scribbler: Option<Process> },
}

impl Attacker {
    /// Starts the machine or the process, and an agent that joins `region`.
    pub(super) fn start(
        lab: &Lab,
        programs: &Artifacts,
        plan: &Plan,
        region: &Shmem,
        as_process: bool,
    ) -> Result<Self, Error> {
        let place = if as_process {
            let mut agent = Command::new(&programs.agent);
            agent.args(["run", "--region", &region.path(), "--id", &plan.uuid, "--name", &plan.name]);
            agent.arg("--socket").arg(lab.folder().join(format!("{}.sock", plan.name)));
            Place::Processes { _agent: lab.spawn(&plan.name, agent)?, scribbler: None }
        } else {
            let plan = Plan { shmem: Some(region.clone()), agent: Some("run".to_owned()), ..plan.clone() };
            let mut guests = lab.boot(&[plan])?;
            Place::Machine(Box::new(guests.remove(0)))
        };
        let (name, uuid, region) = (plan.name.clone(), plan.uuid.clone(), region.path());
        Ok(Self { name, uuid, region, place, span: Duration::ZERO })
    }

    pub(super) fn uuid(&self) -> &str {
        &self.uuid
    }

    /// Begins to scribble.
    pub(super) fn scribble(
        &mut self,
        lab: &Lab,
        program: &Path,
        seed: u64,
        span: Duration,
    ) -> Result<(), Error> {
        self.span = span;
        let seconds = span.as_secs();
        match &mut self.place {
            Place::Machine(guest) => guest
                .run(
                    &format!("ivring-scribbler --seed {seed} --seconds {seconds} >/run/scribbled 2>&1 &"),
                    LIMIT,
                )
                .map(drop),
            Place::Processes { scribbler, .. } => {
                let mut command = Command::new(program);
                command.args(["--region", &self.region, "--seed", &seed.to_string()]);
                command.args(["--seconds", &seconds.to_string()]);
                *scribbler = Some(lab.spawn(&format!("{}-scribbler", self.name), command)?);
                Ok(())
            }
        }
    }

    /// Waits until the scribbler has ended; returns what it wrote.
    pub(super) fn finish(&mut self) -> Result<Scribbled, Error> {
        let said = match &mut self.place {
            Place::Machine(guest) => {
                let script =
                    "while pidof ivring-scribbler >/dev/null; do sleep 0.1; done; cat /run/scribbled";
                guest.run(script, self.span + GRACE)?.output
            }
            Place::Processes { scribbler: Some(scribbler), .. } => {
                scribbler.wait(self.span + GRACE)?;
                std::fs::read_to_string(scribbler.log())
                    .map_err(Error::io(format!("cannot read {}", scribbler.log().display())))?
            }
            Place::Processes { scribbler: None, .. } => return Ok(Scribbled::default()),
        };
        serde_json::from_str(&said)
            .map_err(|error| Error::Failed(format!("scribbler {} said {said:?}: {error}", self.name)))
    }
}
