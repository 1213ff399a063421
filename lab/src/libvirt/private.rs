//! A libvirtd in namespaces of its own.
//!
//! It is the real one with the real driver, run by root, but nothing that it does is seen outside: its mount namespace has
//! empty folders where libvirt, QEMU and ivring keep files (`/dev/shm` among them), its network namespace has no network,
//! and its process namespace ends with the lab, however that ends: the first process in there reads a pipe whose other
//! end the lab holds, and when a first process ends, the kernel kills all others. A libvirtd of the machine is neither
//! needed nor touched.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Error;

/// The connection to it, from inside.
const URI: &str = "qemu:///system";
/// How long libvirtd may take until it answers. It takes a fraction of a second on an idle machine.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long a command inside may take, in seconds: many times what any takes, on a machine that is busy, too.
const COMMAND_LIMIT: &str = "300";
/// Where the programs are that were brought in; in front of the search path of every command.
const PROGRAMS: &str = "/run/programs";
/// How often it is asked whether it answers.
const POLL: Duration = Duration::from_millis(50);

/// A running libvirtd that only commands of [`PrivateLibvirtd::run`] see. Dropping it ends it, its domains and everything
/// else that was started in there.
#[derive(Debug)]
pub struct PrivateLibvirtd {
    first: Child,
    /// Its end is the order to end.
    pipe: Option<ChildStdin>,
    /// The process that made the namespaces.
    maker: String,
}

impl PrivateLibvirtd {
    /// Starts it and waits until it answers. Needs root, or a sudo that asks for no password.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] where there can be none: without root, or where root may not make namespaces, as in many
    /// containers. [`Error::Failed`] if libvirtd does not answer; the text has its messages.
    pub fn start() -> Result<Self, Error> {
        let mut shell = as_root("sh");
        shell
            .args([
                "-c",
                r#"echo $$; exec unshare --mount --pid --net --fork --kill-child --mount-proc sh -c "$0""#,
            ])
            .arg(include_str!("private.sh"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C on the terminal is for the lab.
            .process_group(0);
        let refused = |reason: &str| {
            Error::Refused(format!(
                "there can be no libvirtd of its own without root (sudo) and the right to mount: {reason}"
            ))
        };
        let mut first = shell.spawn().map_err(|error| refused(&error.to_string()))?;
        let pipe = first.stdin.take();
        let mut lines =
            BufReader::new(first.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
        let (maker, ready) = (lines.next(), lines.next());
        let mut it = Self { first, pipe, maker: maker.unwrap_or_default() };
        if ready.as_deref() != Some("ready") {
            it.pipe = None;
            let mut said = String::new();
            let _ = it.first.stderr.take().expect("it is piped").read_to_string(&mut said);
            return Err(refused(said.trim()));
        }
        let deadline = Instant::now() + START_LIMIT;
        while !it.run("virsh", &["-c", URI, "list"], b"")?.status.success() {
            if Instant::now() >= deadline {
                let log = it.read("/var/log/libvirt/libvirtd.log")?;
                return Err(Error::Failed(format!("libvirtd does not answer within {START_LIMIT:?}: {log}")));
            }
            thread::sleep(POLL);
        }
        Ok(it)
    }

    /// A command that runs inside, as root, and is killed after five minutes. Its working directory is `/`.
    fn command(&self, program: &str) -> Command {
        let of_maker = |kind: &str| format!("/proc/{}/ns/{kind}", self.maker);
        let mut command = as_root("nsenter");
        command
            .arg(format!("--mount={}", of_maker("mnt")))
            .arg(format!("--net={}", of_maker("net")))
            .arg(format!("--pid={}", of_maker("pid_for_children")))
            .args(["env", "-u", "LIBVIRT_DEFAULT_URI", "-u", "XDG_RUNTIME_DIR", "HOME=/run"])
            .arg(format!("PATH={PROGRAMS}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"))
            .args(["timeout", "--kill-after=1", COMMAND_LIMIT, program]);
        command
    }

    /// Runs a program inside, with `input` as its standard input, and waits for its end.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot be started.
    pub fn run(&self, program: &str, arguments: &[&str], input: &[u8]) -> Result<Output, Error> {
        let error = || Error::io(format!("cannot run {program}"));
        let mut command = self.command(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(error())?;
        let mut pipe = child.stdin.take().expect("it is piped");
        thread::scope(|scope| {
            // Beside the reading, or both sides could wait for each other. A program may end without having read all.
            scope.spawn(move || drop(pipe.write_all(input)));
            child.wait_with_output()
        })
        .map_err(error())
    }

    /// Runs virsh inside, which must succeed; what it prints.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] with its messages if it does not.
    pub fn virsh(&self, arguments: &[&str], input: &[u8]) -> Result<String, Error> {
        let output = self.run("virsh", &[&["-q", "-c", URI], arguments].concat(), input)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(Error::Failed(format!("virsh {}: {}", arguments.join(" "), said.trim())))
    }

    /// Makes the file `path` inside, readable by all.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if it cannot be written.
    pub fn write(&self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        let output = self.run("sh", &["-c", r#"cat >"$0" && chmod 0755 "$0""#, path], bytes)?;
        if output.status.success() {
            return Ok(());
        }
        Err(Error::Failed(format!("cannot write {path}: {}", String::from_utf8_lossy(&output.stderr).trim())))
    }

    /// Copies a file of the machine to `path` inside, readable by all.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot be read, else as [`PrivateLibvirtd::write`].
    pub fn copy(&self, file: &Path, path: &str) -> Result<(), Error> {
        self.write(path, &fs::read(file).map_err(Error::io(format!("cannot read {}", file.display())))?)
    }

    /// Brings a program in, where every command finds it by its own name.
    ///
    /// # Errors
    ///
    /// As [`PrivateLibvirtd::copy`].
    pub fn bring(&self, program: &Path) -> Result<(), Error> {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        self.copy(program, &format!("{PROGRAMS}/{name}"))
    }

    /// The text of a file inside; nothing if there is none.
    ///
    /// # Errors
    ///
    /// As [`PrivateLibvirtd::run`].
    pub fn read(&self, path: &str) -> Result<String, Error> {
        Ok(String::from_utf8_lossy(&self.run("cat", &[path], b"")?.stdout).into_owned())
    }
}

impl Drop for PrivateLibvirtd {
    fn drop(&mut self) {
        self.pipe = None;
        if let Err(error) = self.first.wait() {
            eprintln!("ivring-lab: cannot wait for the end of a private libvirtd: {error}");
        }
    }
}

/// A command that runs as root, by sudo where needed, which fails rather than asking for a password.
fn as_root(program: &str) -> Command {
    if nix::unistd::geteuid().is_root() {
        return Command::new(program);
    }
    let mut sudo = Command::new("sudo");
    sudo.args(["--non-interactive", program]);
    sudo
}
