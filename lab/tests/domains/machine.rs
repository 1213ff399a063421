//! A libvirt of a test's own, with `ivring-vm-config`, and domains for it.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::OnceLock;

use ivring_lab::{Embedded, build_vm_config, libvirt_or_skip};

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

    /// Runs `ivring-vm-config`.
    pub fn run(&self, arguments: &[&str], input: &str) -> Ran {
        Ran::of(self.libvirt.run(&self.program, arguments, input).expect("it starts"))
    }

    /// Runs virsh, whatever comes of it.
    pub fn virsh(&self, arguments: &[&str], input: &str) -> Ran {
        Ran::of(self.libvirt.run(Path::new("virsh"), arguments, input).expect("it starts"))
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

/// A domain without disks that boots to where the firmware finds nothing.
pub fn domain(name: &str, machine: &str, devices: &str) -> String {
    format!(
        "<domain type='qemu'>\n  <name>{name}</name>\n  <memory unit='MiB'>64</memory>\n  <os>\n    \
         <type arch='x86_64' machine='{machine}'>hvm</type>\n  </os>\n  <features>\n    <acpi/>\n  </features>\n  \
         <devices>\n{devices}  </devices>\n</domain>\n"
    )
}
