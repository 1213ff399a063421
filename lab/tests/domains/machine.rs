//! A libvirt of a test's own, with `ivring-vm-config`, and domains for it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::OnceLock;

use ivring_lab::{Embedded, build_vm_config, libvirt_or_skip};
use ivring_vm_config::Domain;
use serde_json::Value;

/// A libvirt with the program under test.
pub struct Place {
    pub libvirt: Embedded,
    program: PathBuf,
}

/// What a run of the program came to.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    /// `None`, and a loud word, where there is no libvirt.
    pub fn new(test: &str) -> Option<Self> {
        static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
        libvirt_or_skip(test)?;
        let libvirt = Embedded::new(test).expect("a libvirt can be set up");
        let built = PROGRAM.get_or_init(|| build_vm_config().expect("the program compiles"));
        let program = libvirt.bring(built).expect("it can be copied");
        Some(Self { libvirt, program })
    }

    /// A second libvirt beside this one, for as long as this one.
    pub fn another(&self) -> Self {
        let libvirt = Embedded::new("another").expect("a libvirt can be set up");
        Self { libvirt, program: self.program.clone() }
    }

    /// The name of a region that is gone with this libvirt.
    pub fn region(&self) -> String {
        let region = self.libvirt.region("1M".parse().expect("a size"));
        region.expect("there is a keeper").name().to_owned()
    }

    /// A QEMU that has no ivshmem, as some distributions build it.
    pub fn qemu_without_ivshmem(&self) -> PathBuf {
        let qemu = Path::new("/usr/bin/qemu-system-x86_64");
        let mut bytes = fs::read(qemu).expect("QEMU is installed");
        let name = b"ivshmem-plain";
        let places: Vec<usize> =
            (0..bytes.len() - name.len()).filter(|&at| bytes[at..].starts_with(name)).collect();
        for at in places {
            bytes[at + name.len() - 1] = b'N';
        }
        // It finds its firmware beside its own place.
        let folder = self.libvirt.folder().join("usr");
        fs::create_dir_all(folder.join("bin")).expect("a folder can be made");
        for shared in ["lib", "share"] {
            symlink(Path::new("/usr").join(shared), folder.join(shared)).expect("a link can be made");
        }
        self.libvirt.executable("usr/bin/qemu-without", &bytes).expect("it can be written")
    }

    /// Runs `ivring-vm-config`.
    pub fn run(&self, arguments: &[&str], input: &str) -> Ran {
        Ran::of(self.libvirt.run(&self.program, arguments, input).expect("it starts"))
    }

    /// Runs `ivring-vm-config`, which must exit with `code`.
    #[track_caller]
    pub fn exits(&self, code: i32, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments, "");
        assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
        ran
    }

    /// As [`Place::exits`] with `--json`, which tells of domains.
    #[track_caller]
    pub fn rows(&self, code: i32, arguments: &[&str]) -> Rows {
        let (command, rest) = arguments.split_first().expect("there is a command");
        let ran = self.exits(code, &[&[*command, "--json"], rest].concat());
        Rows(serde_json::from_str(&ran.stdout).expect("it is JSON"))
    }

    /// Defines the domains.
    pub fn define(&self, domains: &[String]) {
        for xml in domains {
            self.libvirt.define(xml).expect("libvirt takes it");
        }
    }

    /// Starts domains, by one libvirt that sees all of them running.
    pub fn start(&self, domains: &[&str]) {
        let commands: Vec<String> = domains.iter().map(|domain| format!("start {domain}")).collect();
        self.libvirt.virsh(&[&commands.join("; ")], "").expect("they start");
    }

    /// Ends domains without a word, and waits until libvirt has seen it.
    pub fn destroy(&self, domain: &str) {
        // It may complain that the domain does not run, as it has just seen it end.
        self.virsh(&["destroy", domain], "");
        let state = self.libvirt.virsh(&["domstate", domain], "").expect("it is there");
        assert_eq!(state.trim(), "shut off");
    }

    /// Where the configuration of `domain` has the one device of `region`.
    pub fn configured(&self, domain: &str, region: &str) -> String {
        address(&self.libvirt.config(domain).expect("it is there"), region)
    }

    /// Where the running `domain` has it.
    pub fn running(&self, domain: &str, region: &str) -> String {
        address(&self.libvirt.live(domain).expect("it runs"), region)
    }

    /// Every file of libvirt's configuration, byte by byte.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.libvirt.folder().join("etc")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("it can be read") {
                let path = entry.expect("it can be read").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.insert(path.clone(), fs::read(path).expect("it can be read"));
                }
            }
        }
        found
    }

    /// The files in which configurations from before are kept, where nothing else is said.
    pub fn backups(&self) -> Vec<PathBuf> {
        let runs = fs::read_dir(self.libvirt.folder().join("home/.local/state/ivring/backups"));
        let runs = runs.into_iter().flatten().map(|run| run.expect("it can be read").path());
        let files = runs.flat_map(|run| fs::read_dir(run).expect("it can be read"));
        files.map(|file| file.expect("it can be read").path()).collect()
    }

    /// Runs virsh, whatever comes of it.
    pub fn virsh(&self, arguments: &[&str], input: &str) -> Ran {
        let virsh = self.libvirt.folder().join("bin/virsh");
        Ran::of(self.libvirt.run(&virsh, arguments, input).expect("it starts"))
    }
}

impl Ran {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().expect("it ends by itself"),
            stdout: String::from_utf8(output.stdout).expect("it is text"),
            stderr: String::from_utf8(output.stderr).expect("it is text"),
        }
    }
}

/// What the program tells of domains.
#[derive(Debug)]
pub struct Rows(pub Vec<Value>);

impl Rows {
    /// What it tells of `domain`.
    pub fn of(&self, domain: &str) -> &Value {
        let row = self.0.iter().find(|row| row["domain"] == domain);
        row.unwrap_or_else(|| panic!("nothing is told of {domain}: {self:?}"))
    }

    /// A member of every row that is a text, in their order.
    pub fn texts(&self, member: &str) -> Vec<&str> {
        self.0.iter().map(|row| row[member].as_str().unwrap_or("-")).collect()
    }
}

/// The address of the one device of `region`; `none` if there is no such device.
pub fn address(xml: &str, region: &str) -> String {
    let domain = Domain::read(xml.as_bytes()).expect("libvirt writes a domain");
    let devices: Vec<_> = domain.existing().iter().filter(|shmem| shmem.name() == region).collect();
    match devices[..] {
        [] => "none".to_owned(),
        [device] => device.address().expect("libvirt gives it an address").to_string(),
        _ => panic!("not one device: {xml}"),
    }
}

/// A domain without disks that boots to where the firmware finds nothing.
pub fn domain(name: &str, machine: &str, devices: &str) -> String {
    format!(
        "<domain type='qemu'>\n  <name>{name}</name>\n  <memory unit='MiB'>64</memory>\n  <os>\n    \
         <type arch='x86_64' machine='{machine}'>hvm</type>\n  </os>\n  <features>\n    <acpi/>\n  </features>\n  \
         <devices>\n{devices}  </devices>\n</domain>\n"
    )
}
