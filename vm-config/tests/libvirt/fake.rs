//! A libvirt that is a folder, with a virsh that is a script.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The password in the configuration of every domain.
pub const SECRET: &str = "hunter2";

/// The element of the device as `apply` writes it, indented as libvirt does.
pub const DEVICE: &str = "    <shmem name='fg_i3'>
      <model type='ivshmem-plain'/>
      <size unit='M'>8</size>
      <alias name='ua-fg_i3'/>
      <address type='pci' domain='0x0000' bus='0x00' slot='0x1f' function='0x0'/>
    </shmem>
";

/// What virsh says when its user may not speak with libvirt.
pub const DENIED: &str = "echo 'error: failed to connect to the hypervisor' >&2
echo \"error: Failed to connect socket to '/var/run/libvirt/libvirt-sock': Permission denied\" >&2
exit 1
";

/// A libvirt that is a folder; see `virsh.sh`. It is gone when it is dropped.
pub struct Fake {
    folder: TempDir,
}

/// What became of a command.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Done {
    /// The rows of a table, without its heading, each as its words.
    pub fn rows(&self) -> Vec<Vec<&str>> {
        self.out.lines().skip(1).map(|line| line.split_whitespace().collect()).collect()
    }

    /// Everything that was said.
    pub fn said(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    /// The list that `--json` prints.
    pub fn json(&self) -> Vec<Value> {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    #[track_caller]
    pub fn is(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}

impl Fake {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let programs = folder.path().join("programs");
        fs::create_dir_all(&programs).unwrap();
        fs::create_dir(folder.path().join("domains")).unwrap();
        let virsh = programs.join("virsh");
        fs::write(&virsh, include_str!("virsh.sh")).unwrap();
        fs::set_permissions(&virsh, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn uri(&self) -> String {
        format!("fake:{}", self.folder.path().display())
    }

    /// The UUID of the domain with the number `number`.
    pub fn uuid(number: usize) -> String {
        format!("0f0e0d0c-0000-4000-8000-{number:012}")
    }

    /// The XML of the domain with the number `number`, a `pc` with a password and `devices`.
    pub fn xml(number: usize, name: &str, devices: &str) -> String {
        let name = name.replace('&', "&amp;").replace('<', "&lt;");
        format!(
            "<domain type='kvm'>
  <name>{name}</name>
  <uuid>{}</uuid>
  <memory unit='KiB'>65536</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <graphics type='vnc' port='-1' passwd='{SECRET}'/>
{devices}  </devices>
</domain>
",
            Self::uuid(number)
        )
    }

    /// Defines a domain that is off.
    pub fn define(&self, number: usize, name: &str, devices: &str) {
        self.write(number, "name", name);
        self.write(number, "config.xml", &Self::xml(number, name, devices));
    }

    /// Writes a file of a domain: `name`, `config.xml`, `live.xml` or `saved.xml`.
    pub fn write(&self, number: usize, file: &str, text: &str) {
        let folder = self.path("domains").join(Self::uuid(number));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(file), text).unwrap();
    }

    pub fn read(&self, number: usize, file: &str) -> String {
        fs::read_to_string(self.path("domains").join(Self::uuid(number)).join(file)).unwrap()
    }

    /// The configuration of a domain as it is now.
    pub fn config(&self, number: usize) -> String {
        self.read(number, "config.xml")
    }

    /// Has `script` run before each command of virsh; `$*` are its words, `$count` the number of commands until now that
    /// have the word `counted`, this one among them.
    pub fn hook(&self, counted: &str, script: &str) {
        let counting = format!(
            "case \" $* \" in *' {counted} '*) echo >>\"$folder/counted\" ;; esac
count=$(cat \"$folder/counted\" 2>/dev/null | wc -l)
"
        );
        fs::write(self.path("hook"), counting + script).unwrap();
    }

    /// Lets a file of the folder be there: `ignores` or `holds`.
    pub fn set(&self, name: &str) {
        fs::write(self.path(name), "").unwrap();
    }

    /// What virsh was called with.
    pub fn calls(&self) -> Vec<String> {
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    /// How many calls were changes.
    pub fn changes(&self) -> usize {
        let changes = ["attach-device", "detach-device", "define"];
        self.calls().iter().filter(|call| changes.iter().any(|it| call.starts_with(it))).count()
    }

    /// The folders of the runs that kept something.
    pub fn runs(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("backups")).into_iter().flatten();
        let mut runs: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        runs.sort();
        runs
    }

    /// `ivring-vm-config COMMAND ARGUMENTS` at this libvirt, with what it keeps in its folder.
    pub fn run(&self, command: &str, arguments: &[&str]) -> Done {
        Done::of(&mut self.command(command, arguments))
    }

    /// The command for [`run`](Self::run).
    pub fn command(&self, command: &str, arguments: &[&str]) -> Command {
        let backups = self.path("backups").display().to_string();
        let state = self.path("state/watch.json").display().to_string();
        let mut all = vec![command, "-c"];
        let uri = self.uri();
        all.push(&uri);
        if command != "status" && !arguments.contains(&"--backup-dir") {
            all.extend(["--backup-dir", &backups]);
        }
        if !arguments.contains(&"--state-file") {
            all.extend(["--state-file", &state]);
        }
        all.extend(arguments);
        self.program(&self.path("programs"), &all)
    }

    /// `ivring-vm-config ARGUMENTS` with `programs` first in its search path.
    pub fn run_with(&self, programs: &Path, arguments: &[&str]) -> Done {
        Done::of(&mut self.program(programs, arguments))
    }

    fn program(&self, programs: &Path, arguments: &[&str]) -> Command {
        let mut it = Command::new(env!("CARGO_BIN_EXE_ivring-vm-config"));
        it.args(arguments)
            .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", programs.display()))
            .env("HOME", self.folder.path())
            .env_remove("LIBVIRT_DEFAULT_URI")
            .stdin(Stdio::null());
        it
    }
}
