//! libvirt's QEMU driver inside of virsh, which needs no daemon: all its files are in one folder.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown, fchown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;

use ivring_vm_config::{Shmem, Size};
use nix::unistd::{User, geteuid};

use crate::{Error, Lab};

/// How long a command may take, in seconds: libvirt asks a QEMU for its abilities once.
const COMMAND_LIMIT: &str = "120";
/// Below the folder: what libvirt learned of QEMU.
const CAPABILITIES: &str = "cache/qemu/capabilities";

/// What the driver learned of QEMU, which takes it seconds, for all that come after the first in this process.
static LEARNED: Mutex<Option<Learned>> = Mutex::new(None);

/// Files of libvirt's, by name.
type Learned = Vec<(OsString, Vec<u8>)>;

/// A libvirt of its own, with the real QEMU driver. Dropping it ends its domains and removes all its files; so does any
/// other end of the program.
///
/// Whichever command connects to [`Embedded::uri`] is this libvirt while it runs; the domains that it started go on
/// without it. One command at a time can be it.
///
/// It never runs as root, whose driver would need a user by the name `libvirt-qemu`; started by root it is nobody's.
#[derive(Debug)]
pub struct Embedded {
    /// Root's stand-in.
    nobody: Option<User>,
    root: PathBuf,
    lab: Lab,
}

impl Embedded {
    /// Sets one up. `label` is as for [`Lab::new`].
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if its folder cannot be made, [`Error::Failed`] if it does not come to life.
    pub fn new(label: &str) -> Result<Self, Error> {
        let lab = Lab::without_guests(label)?;
        let nobody = match geteuid().is_root() {
            true => User::from_name("nobody").ok().flatten(),
            false => None,
        };
        let root = lab.folder().join("libvirt");
        let it = Self { nobody, root, lab };
        it.lab.keeper().end_daemons(&it.root)?;
        for folder in ["", "bin", "home", "etc", "cache", "cache/qemu", CAPABILITIES] {
            it.made(&it.root.join(folder), |path| fs::create_dir(path))?;
        }
        // There is no virtlogd.
        it.write("etc/qemu.conf", b"stdio_handler = \"file\"\n")?;
        it.executable("bin/virsh", include_bytes!("virsh.sh"))?;
        let mut learned = LEARNED.lock().unwrap_or_else(PoisonError::into_inner);
        match learned.as_ref() {
            Some(files) => {
                for (name, bytes) in files {
                    it.write(Path::new(CAPABILITIES).join(name), bytes)?;
                }
            }
            None => {
                it.virsh(&["domcapabilities", "--virttype", "qemu"], "")?;
                *learned = Some(it.learned()?);
            }
        }
        drop(learned);
        Ok(it)
    }

    fn learned(&self) -> Result<Learned, Error> {
        let folder = self.root.join(CAPABILITIES);
        let error = || Error::io(format!("cannot read {}", folder.display()));
        let files = fs::read_dir(&folder).map_err(error())?.filter_map(Result::ok);
        files.map(|file| Ok((file.file_name(), fs::read(file.path()).map_err(error())?))).collect()
    }

    /// Writes a file of libvirt's, by its path below the folder.
    fn write(&self, path: impl AsRef<Path>, bytes: &[u8]) -> Result<(), Error> {
        self.made(&self.root.join(path), |path| fs::write(path, bytes))
    }

    /// Makes a file or folder and gives it to libvirt's user.
    fn made(&self, path: &Path, make: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), Error> {
        make(path)
            .and_then(|()| match &self.nobody {
                Some(user) => chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())),
                None => Ok(()),
            })
            .map_err(Error::io(format!("cannot make {}", path.display())))
    }

    /// The URI of this libvirt, which [`Embedded::run`] makes the usual one.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("qemu:///embed?root={}", self.root.display())
    }

    /// The folder of all its files: `etc` has the configurations, `home` is the home directory of all that is run.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.root
    }

    /// As [`Lab::region`].
    ///
    /// # Errors
    ///
    /// As [`Lab::region`].
    pub fn region(&self, size: Size) -> Result<Shmem, Error> {
        self.lab.region(size)
    }

    /// A copy of `program` that may be run by libvirt's user, wherever the builds are.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot be copied.
    pub fn bring(&self, program: &Path) -> Result<PathBuf, Error> {
        let bytes = fs::read(program).map_err(Error::io(format!("cannot read {}", program.display())))?;
        self.executable(Path::new("bin").join(program.file_name().unwrap_or_default()), &bytes)
    }

    /// Writes a program, by its path below the folder.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot be written.
    pub fn executable(&self, path: impl AsRef<Path>, bytes: &[u8]) -> Result<PathBuf, Error> {
        let path = self.root.join(path);
        fs::write(&path, bytes)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))
            .map_err(Error::io(format!("cannot write {}", path.display())))?;
        Ok(path)
    }

    /// Runs a program as this libvirt's user, with `input` as its standard input, and waits for its end.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot be started.
    pub fn run(&self, program: &Path, arguments: &[&str], input: &str) -> Result<Output, Error> {
        let error = || Error::io(format!("cannot run {}", program.display()));
        let (stdin, mut pipe) = io::pipe().map_err(error())?;
        if let Some(user) = &self.nobody {
            // By the name /dev/stdin a pipe is opened anew, which only its owner may.
            fchown(&stdin, Some(user.uid.as_raw()), None).map_err(error())?;
        }
        let mut command = Command::new("timeout");
        command
            .args(["--kill-after=1", COMMAND_LIMIT])
            .arg(program)
            .args(arguments)
            .current_dir(&self.root)
            .env_clear()
            .env(
                "PATH",
                format!("{}:{}", self.root.join("bin").display(), env::var("PATH").unwrap_or_default()),
            )
            .env("HOME", self.root.join("home"))
            .env("LIBVIRT_DEFAULT_URI", self.uri())
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(user) = &self.nobody {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        let child = command.spawn().map_err(error())?;
        // The reading end of the pipe that it holds is for the child alone.
        drop(command);
        let group = child.id();
        self.lab.keeper().end(group)?;
        let output = thread::scope(|scope| {
            // Beside the reading, or both sides could wait for each other. A program may end without having read all.
            scope.spawn(move || drop(pipe.write_all(input.as_bytes())));
            child.wait_with_output()
        });
        self.lab.keeper().ended(group)?;
        output.map_err(error())
    }

    /// Runs virsh, which must succeed; what it prints.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] with its messages if it does not.
    pub fn virsh(&self, arguments: &[&str], input: &str) -> Result<String, Error> {
        let output = self.run(&self.root.join("bin/virsh"), &[&["--quiet"], arguments].concat(), input)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
        Err(Error::Failed(format!("virsh {}: {}", arguments.join(" "), errors.join("; "))))
    }

    /// Defines a domain.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if libvirt refuses it.
    pub fn define(&self, xml: &str) -> Result<(), Error> {
        self.virsh(&["define", "/dev/stdin"], xml).map(drop)
    }

    /// The configuration of `domain`, with its secrets.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if there is no such domain.
    pub fn config(&self, domain: &str) -> Result<String, Error> {
        self.virsh(&["dumpxml", "--inactive", "--security-info", domain], "")
    }

    /// How `domain` runs.
    ///
    /// # Errors
    ///
    /// As [`Embedded::config`].
    pub fn live(&self, domain: &str) -> Result<String, Error> {
        self.virsh(&["dumpxml", domain], "")
    }
}
