//! A daemon and two agents, killed and started again; what is said through their control sockets.
//!
//! A message that was accepted is in the ring, and goes from there to those who listen on the other side, at most once. So
//! it is heard, in order, unless the program on that side is killed before.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use ivring_proto::control::{Client, ClientError, Event, Listener, Request, Service, Target};

use super::{LIMIT, POLL, Stop};
use crate::witness::Disproof;
use crate::{Artifacts, Error, Lab, Process};

/// The topic of all that is said.
const TOPIC: &str = "chaos";
/// How many agents there are.
const AGENTS: usize = 2;
/// The daemon among the stations; the agents are those behind it.
const DAEMON: usize = 0;
/// At most so many messages each way are under way when somebody is killed.
const BEFORE: u64 = 20;
/// And so many follow when all are back.
const AFTER: u64 = 5;

/// A daemon or an agent.
struct Station<'a> {
    lab: &'a Lab,
    name: String,
    service: Service,
    program: PathBuf,
    arguments: Vec<String>,
    socket: PathBuf,
    process: Option<Process>,
    client: Option<Client>,
    listener: Option<Listener>,
}

/// One agent's messages in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Way {
    agent: usize,
    /// Where they are heard.
    heard_at: usize,
}

/// What was said and heard.
#[derive(Debug, Default)]
struct Said {
    next: u64,
    /// The first that must be heard, as nobody who could hear it was killed since.
    due: u64,
    heard: u64,
}

/// The daemon and its agents.
pub(super) struct Services<'a> {
    stations: Vec<Station<'a>>,
    uuids: Vec<String>,
    ways: HashMap<Way, Said>,
    /// How many messages were heard.
    pub(super) heard: usize,
    /// How many were heard again, marked.
    pub(super) repeats: usize,
}

impl<'a> Services<'a> {
    /// Starts them on the region at `path`.
    pub(super) fn start(lab: &'a Lab, programs: &Artifacts, path: &str) -> Result<Self, Error> {
        let daemon = ["--region", path, "--size", "8M", "--config", "/dev/null"];
        let mut stations = vec![Station::new(lab, "ivringd", Service::Daemon, &programs.ivringd, &daemon)];
        let mut uuids = Vec::new();
        for name in ["agent-1", "agent-2"] {
            let uuid = lab.plan(name, None).uuid;
            let agent = ["run", "--region", path, "--id", &uuid, "--name", name];
            stations.push(Station::new(lab, name, Service::Agent, &programs.agent, &agent));
            uuids.push(uuid);
        }
        let ways = (0..AGENTS).flat_map(|agent| {
            [DAEMON, 1 + agent].map(|heard_at| (Way { agent, heard_at }, Said { next: 1, due: 1, heard: 0 }))
        });
        let mut services = Self { stations, uuids, ways: ways.collect(), heard: 0, repeats: 0 };
        for station in 0..services.stations.len() {
            services.stations[station].start()?;
        }
        Ok(services)
    }

    /// Some is said, one of them is killed and started again, and more is said, all of which must be heard.
    pub(super) fn round(&mut self, dice: &mut Rng) -> Result<String, Stop> {
        for _ in 0..dice.u64(0..BEFORE) {
            self.say_to_all()?;
        }
        let victim = dice.usize(0..self.stations.len());
        self.stations[victim].kill()?;
        for (way, said) in &mut self.ways {
            if way.heard_at == victim {
                said.due = said.next;
            }
        }
        self.stations[victim].start()?;
        for _ in 0..AFTER {
            self.say_to_all()?;
        }
        self.hear()?;
        Ok(format!("{} killed", self.stations[victim].name))
    }

    fn say_to_all(&mut self) -> Result<(), Error> {
        for agent in 0..AGENTS {
            for heard_at in [DAEMON, 1 + agent] {
                self.say(Way { agent, heard_at })?;
            }
        }
        Ok(())
    }

    /// Says the next message of a way, as soon as there is a session.
    fn say(&mut self, way: Way) -> Result<(), Error> {
        let Some(said) = self.ways.get_mut(&way) else { return Ok(()) };
        let (speaker, guest) = if way.heard_at == DAEMON {
            (1 + way.agent, None)
        } else {
            (DAEMON, Some(self.uuids[way.agent].clone()))
        };
        let target = Target { guest, region: None };
        let request = Request::Send { target, topic: TOPIC.to_owned(), wait_ms: 5_000 };
        let text = format!("{} {}", way.agent, said.next);
        let station = &mut self.stations[speaker];
        let deadline = Instant::now() + LIMIT;
        loop {
            let client =
                station.client.as_mut().ok_or_else(|| Error::Failed(format!("{} is gone", station.name)))?;
            match client.call(&request, text.as_bytes()) {
                Ok(_) => break,
                // It joins, or is joined, in a moment.
                Err(ClientError::Refused { .. }) if Instant::now() < deadline => thread::sleep(POLL),
                Err(error) => return Err(Error::Failed(format!("{} does not send: {error}", station.name))),
            }
        }
        said.next += 1;
        Ok(())
    }

    /// Waits until all is heard that must be.
    fn hear(&mut self) -> Result<(), Stop> {
        let deadline = Instant::now() + LIMIT;
        let ways: Vec<_> = self.ways.keys().copied().collect();
        for way in ways {
            loop {
                let said = &self.ways[&way];
                if said.heard + 1 == said.next {
                    break;
                }
                let station = &mut self.stations[way.heard_at];
                let left = deadline.saturating_duration_since(Instant::now());
                let event = match &mut station.listener {
                    Some(listener) => listener.next_event(Some(left)),
                    None => return Err(Error::Failed(format!("nobody listens to {}", station.name)).into()),
                };
                match event.map_err(|error| Error::Failed(format!("listen to {}: {error}", station.name)))? {
                    Some((Event::Message { redelivered, .. }, body)) => {
                        self.note(way.heard_at, &body, redelivered)?;
                    }
                    Some(_) => {}
                    None => {
                        let wrong = format!("{way:?}: {said:?}, and no more is heard within {LIMIT:?}");
                        return Err(Disproof(wrong).into());
                    }
                }
            }
        }
        Ok(())
    }

    /// Checks a message that was heard.
    fn note(&mut self, heard_at: usize, body: &[u8], redelivered: bool) -> Result<(), Disproof> {
        let text = String::from_utf8_lossy(body);
        let wrong = |what: &str| Disproof(format!("{} heard {text:?}: {what}", self.stations[heard_at].name));
        let (agent, number) = text.split_once(' ').ok_or_else(|| wrong("nobody said that"))?;
        let parsed = agent.parse().ok().zip(number.parse::<u64>().ok());
        let (agent, number) = parsed.ok_or_else(|| wrong("nobody said that"))?;
        let way = Way { agent, heard_at };
        let said = self.ways.get(&way).ok_or_else(|| wrong("nobody said that there"))?;
        if number >= said.next {
            return Err(wrong("it was not said yet"));
        }
        if number <= said.heard {
            if !redelivered {
                return Err(wrong("it comes again, and is not marked"));
            }
            self.repeats += 1;
            return Ok(());
        }
        // What came before may have been handed over to listeners of a program that was killed; from `due` on it was not.
        if number > said.heard + 1 && number > said.due {
            return Err(wrong(&format!("after {}, and what is between was not heard", said.heard)));
        }
        if let Some(said) = self.ways.get_mut(&way) {
            said.heard = number;
        }
        self.heard += 1;
        Ok(())
    }
}

impl<'a> Station<'a> {
    fn new(lab: &'a Lab, name: &str, service: Service, program: &Path, arguments: &[&str]) -> Self {
        Self {
            lab,
            name: name.to_owned(),
            service,
            program: program.to_owned(),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            socket: lab.folder().join(format!("{name}.sock")),
            process: None,
            client: None,
            listener: None,
        }
    }

    /// Starts it, and waits until it can be listened to.
    fn start(&mut self) -> Result<(), Error> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg("--socket").arg(&self.socket);
        let mut process = self.lab.spawn(&self.name, command)?;
        let deadline = Instant::now() + LIMIT;
        let connect = || -> Result<_, ClientError> {
            let listener = Client::connect(self.service, &self.socket)?;
            let listener = listener.listen(Target::default(), Some(TOPIC.to_owned()))?;
            Ok((Client::connect(self.service, &self.socket)?, listener))
        };
        loop {
            match connect() {
                Ok((client, listener)) => {
                    (self.client, self.listener) = (Some(client), Some(listener));
                    break;
                }
                Err(error) if Instant::now() >= deadline || process.status()?.is_some() => {
                    let log = process.log().display();
                    return Err(Error::Failed(format!("{} does not answer: {error}; see {log}", self.name)));
                }
                Err(_) => thread::sleep(Duration::from_millis(2)),
            }
        }
        self.process = Some(process);
        Ok(())
    }

    fn kill(&mut self) -> Result<(), Error> {
        (self.client, self.listener) = (None, None);
        self.process.take().map_or(Ok(()), |mut process| process.kill())
    }
}
