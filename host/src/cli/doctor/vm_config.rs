//! What `ivring-vm-config` says: the program is run, for it alone knows libvirt.

use std::env;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ivring_proto::check::Line;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::Deserialize;

const NAME: &str = "ivring-vm-config";
/// A libvirt that hangs is not to keep everything else from being told.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(10);
/// Its exit codes for a wrong command line, for a name that it does not know, and for a libvirt that failed.
const USAGE: i32 = 2;
const NO_SUCH_DOMAIN: i32 = 4;
const FAILED: i32 = 5;
const INSTALL: &str = "install -m 0755 target/release/ivring-vm-config /usr/local/bin/";

/// The regions that are meant: one for all domains, or one for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kind {
    /// Name of the region, or what stands before the UUID.
    pub(super) name: String,
    pub(super) per_domain: bool,
    /// Size in bytes, where it is known.
    pub(super) size: Option<u64>,
}

impl Kind {
    fn options(&self) -> Vec<String> {
        let size = self.size.map(|size| format!("--size={size}"));
        let per_domain = self.per_domain.then(|| "--per-domain".to_owned());
        [Some(format!("--name={}", self.name)), per_domain, size].into_iter().flatten().collect()
    }

    /// The same for a command that somebody is to type.
    pub(super) fn typed(&self) -> String {
        let mut options = String::new();
        if self.name != super::USUAL_REGION {
            options += &format!(" --name {}", self.name);
        }
        if let Some(size) = self.size.filter(|size| *size != crate::region_file::DEFAULT_SIZE) {
            options += &format!(" --size {}M", size >> 20);
        }
        options + if self.per_domain { " --per-domain" } else { "" }
    }
}

/// How one domain stands, as `ivring-vm-config status --json` says.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Row {
    pub(super) domain: String,
    pub(super) uuid: String,
    /// `ok`, `missing`, `pending`, `differs`, `refused` or `failed`.
    pub(super) state: String,
    /// `cold-start` or `saved-state`.
    pub(super) waiting: Option<String>,
    error: Option<Message>,
}

#[derive(Debug, Clone, Deserialize)]
struct Message {
    message: String,
}

impl Row {
    /// Why it is so, where it says.
    pub(super) fn reason(&self) -> &str {
        self.error.as_ref().map_or("", |error| &error.message)
    }
}

/// Why it says nothing.
#[derive(Debug)]
pub(super) enum Silence {
    /// The program is not there.
    Missing,
    /// It did not take the command line.
    Older,
    /// It failed, with these words.
    Failed(String),
}

impl Silence {
    /// The line of the check that it keeps from being looked at.
    pub(super) fn line(&self, check: &'static str) -> Line {
        match self {
            Silence::Missing => Line::unknown(
                check,
                format!("{NAME} is neither beside this program nor in PATH, so libvirt was not asked"),
                INSTALL,
            ),
            Silence::Older => {
                Line::unknown(check, format!("this {NAME} is older and does not know that"), INSTALL)
            }
            Silence::Failed(text) => Line::unknown(check, text.clone(), "virsh list --all"),
        }
    }
}

/// What it says of the host: a line a check.
pub(super) fn host_check(kind: &Kind) -> Vec<Line> {
    let arguments =
        [vec!["host".to_owned(), "check".to_owned(), "--json".to_owned()], kind.options()].concat();
    let said = run(&arguments).and_then(|said| {
        said.json::<Line>().map_err(|error| Silence::Failed(format!("{NAME} host check: {error}")))
    });
    said.unwrap_or_else(|silence| vec![silence.line("host")])
}

/// How domains stand: `domain` by name or UUID, or all. No row where there is no such domain.
pub(super) fn status(kind: &Kind, domain: Option<&str>) -> Result<Vec<Row>, Silence> {
    let mut arguments = [vec!["status".to_owned(), "--json".to_owned()], kind.options()].concat();
    arguments.extend(domain.into_iter().flat_map(|domain| ["--".to_owned(), domain.to_owned()]));
    let said = run(&arguments)?;
    if said.code == Some(NO_SUCH_DOMAIN) {
        return Ok(Vec::new());
    }
    let rows = said.json().map_err(Silence::Failed)?;
    // A libvirt that does not answer has no domains.
    if rows.is_empty() && said.code == Some(FAILED) { Err(Silence::Failed(said.errors())) } else { Ok(rows) }
}

/// What the program said, and how it ended.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: Vec<u8>,
    errors: Vec<u8>,
}

impl Said {
    /// The list that it printed; without one what it says is wrong.
    fn json<T: for<'de> Deserialize<'de>>(&self) -> Result<Vec<T>, String> {
        serde_json::from_slice(&self.out).map_err(|error| {
            let text = self.errors();
            if text.is_empty() { format!("{NAME} printed no list: {error}") } else { text }
        })
    }

    /// What it said on standard error.
    fn errors(&self) -> String {
        String::from_utf8_lossy(&self.errors).trim().to_owned()
    }
}

/// Runs it to its end.
fn run(arguments: &[String]) -> Result<Said, Silence> {
    let mut command = Command::new(beside().unwrap_or_else(|| NAME.into()));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Silence::Missing,
        _ => Silence::Failed(format!("cannot run {NAME}: {error}")),
    })?;
    let said = wait(child).map_err(|error| Silence::Failed(format!("{NAME}: {error}")))?;
    if said.code == Some(USAGE) { Err(Silence::Older) } else { Ok(said) }
}

/// The program that was installed together with this one.
fn beside() -> Option<PathBuf> {
    Some(env::current_exe().ok()?.with_file_name(NAME)).filter(|path| path.is_file())
}

/// Reads what it says until it ends; with its children it is killed when it does not.
fn wait(mut child: Child) -> io::Result<Said> {
    let read = |stream: Option<Box<dyn Read + Send>>| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = stream.map_or(Ok(0), |mut stream| stream.read_to_end(&mut bytes));
            read.map(|_| bytes)
        })
    };
    let out = read(child.stdout.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>));
    let errors = read(child.stderr.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>));
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() >= deadline {
            if let Ok(group) = i32::try_from(child.id()) {
                // It was started as the first of a group of its own, and has not been waited for: the group is its own.
                let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
            }
            child.wait()?;
            let text = format!("no end within {} s: does libvirt hang?", PATIENCE.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        thread::sleep(LOOK);
    };
    let joined = |reader: thread::JoinHandle<io::Result<Vec<u8>>>| {
        reader.join().unwrap_or_else(|_| Err(io::Error::other("its output could not be read")))
    };
    Ok(Said { code: status.code(), out: joined(out)?, errors: joined(errors)? })
}
