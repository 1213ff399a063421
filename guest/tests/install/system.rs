//! A system of plain files, removed when dropped, and the agent that is installed into it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

pub const PROGRAM: &str = "usr/local/bin/ivring-agent";
pub const UNIT: &str = "etc/systemd/system/ivring-agent.service";
pub const WANTED: &str = "etc/systemd/system/multi-user.target.wants/ivring-agent.service";
pub const INITTAB: &str = "etc/inittab";

pub struct System {
    root: TempDir,
}

impl System {
    /// A system with nothing on it.
    pub fn new() -> Self {
        let root = TempDir::new().unwrap();
        // Others may look into it, too: a test may be another user.
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self { root }
    }

    pub fn with_systemd() -> Self {
        let system = Self::new();
        system.write("usr/lib/systemd/systemd", "");
        system
    }

    /// A system whose init is busybox.
    pub fn with_busybox(inittab: &str) -> Self {
        let system = Self::new();
        system.write("bin/busybox", "");
        system.link("/bin/busybox", "sbin/init");
        system.write(INITTAB, inittab);
        system
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.root.path().join(file)
    }

    pub fn write(&self, file: &str, text: &str) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn link(&self, target: &str, file: &str) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    pub fn text(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }

    pub fn mode(&self, file: &str) -> u32 {
        fs::symlink_metadata(self.path(file)).unwrap().permissions().mode() & 0o7777
    }

    /// All files and links, with what is in them.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.root.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let (path, kind) = (entry.path(), entry.file_type().unwrap());
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_symlink() {
                    let target = fs::read_link(&path).unwrap();
                    files.insert(path, target.into_os_string().into_encoded_bytes());
                } else {
                    let contents = fs::read(&path).unwrap();
                    files.insert(path, contents);
                }
            }
        }
        files
    }

    /// Runs the agent with these words and `--root` for this system.
    pub fn agent(&self, words: &[&str]) -> Outcome {
        Outcome::of(Command::new(AGENT).args(words).arg("--root").arg(self.root.path()))
    }

    /// As [`System::agent`], which must succeed.
    pub fn done(&self, words: &[&str]) -> Outcome {
        let outcome = self.agent(words);
        assert_eq!(outcome.code, 0, "{words:?}: {}", outcome.stderr);
        outcome
    }

    /// Whether the program there is the one under test.
    pub fn has_program_at(&self, file: &str) -> bool {
        fs::read(self.path(file)).unwrap() == fs::read(AGENT).unwrap() && self.mode(file) == 0o755
    }
}

pub const AGENT: &str = env!("CARGO_BIN_EXE_ivring-agent");

/// A message of the program, with paths as they are in the system.
pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    pub fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: status.code().unwrap(), stdout: text(stdout), stderr: text(stderr) }
    }
}

/// Whether the entry is there, also as a link that leads nowhere.
pub fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}
