//! The programs that a guest needs, found or installed: QEMU, a static busybox and a kernel; and libvirt and others for tests.

use std::env;
use std::fs;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cargo::folder;
use crate::{Error, elf};

/// The name that always depends on the newest kernel for virtual machines.
const KERNEL: &str = "linux-image-cloud-amd64";
const QEMU_PACKAGE: &str = "qemu-system-x86";
const BUSYBOX_PACKAGE: &str = "busybox-static";
/// What makes images of disks.
const DISK_PACKAGE: &str = "qemu-utils";
const VIRSH_PACKAGE: &str = "libvirt-clients";
/// Of all packages of libvirt's daemon the one that holds the program and no unit: nothing starts when it is installed.
const LIBVIRTD_PACKAGE: &str = "libvirt-daemon";
/// Ansible without the collections that the role does without.
const ANSIBLE_PACKAGE: &str = "ansible-core";
/// What has `systemd-sysusers` and `systemd-tmpfiles`; nothing starts when it is installed.
const SYSTEMD_PACKAGE: &str = "systemd";

/// What lets the host run programs in a guest, for guests.
const GUEST_AGENT_PACKAGE: &str = "qemu-guest-agent";

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Tools {
    /// `qemu-system-x86_64`.
    pub qemu: PathBuf,
    /// A statically linked busybox.
    pub busybox: PathBuf,
    /// The kernel's image.
    pub kernel: PathBuf,
}

/// Whether packages may be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// Yes, without a question.
    Given,
    /// Ask on the terminal.
    Ask,
    /// No: there is nobody to ask.
    Missing,
}

impl Consent {
    /// Given by `--yes` or `CI=true`, else asked for on a terminal.
    #[must_use]
    pub fn new(yes: bool) -> Self {
        if yes || env::var_os("CI").is_some_and(|value| value == "true") {
            Self::Given
        } else if io::stdin().is_terminal() && io::stderr().is_terminal() {
            Self::Ask
        } else {
            Self::Missing
        }
    }

    /// The same for a program that must not stop at a question, such as a test.
    #[must_use]
    pub fn without_asking(self) -> Self {
        if self == Self::Ask { Self::Missing } else { self }
    }
}

/// Finds the programs, and installs those that are missing.
///
/// QEMU and busybox are installed as packages. The kernel's package is only unpacked, into the target directory: the
/// machine never gets another kernel to boot. `kernel` replaces it.
///
/// # Errors
///
/// [`Error::Input`] if `kernel` is no file; [`Error::Refused`] if something is missing that may not or cannot be
/// installed, with the commands to do it by hand; [`Error::Failed`] if the installation fails.
pub fn prepare(kernel: Option<&Path>, consent: Consent) -> Result<Tools, Error> {
    if !cfg!(target_arch = "x86_64") {
        return Err(Error::Refused("the lab's guests are x86-64 and need an x86-64 host".to_owned()));
    }
    if let Some(kernel) = kernel.filter(|kernel| !kernel.is_file()) {
        return Err(Error::Input(format!("--kernel: {} is no file", kernel.display())));
    }
    let find_kernel = || kernel.map(Path::to_owned).or_else(unpacked_kernel);
    let mut packages = Vec::new();
    if find_qemu().is_none() {
        packages.push(QEMU_PACKAGE);
    }
    if find_busybox().is_none() {
        packages.push(BUSYBOX_PACKAGE);
    }
    let kernel_missing = find_kernel().is_none();
    if kernel_missing || !packages.is_empty() {
        install(&packages, kernel_missing, consent)?;
    }
    let installed = |tool: Option<PathBuf>, what: &str| {
        tool.ok_or_else(|| {
            Error::Failed(format!("{what} is still not there after its package was installed"))
        })
    };
    Ok(Tools {
        qemu: installed(find_qemu(), "qemu-system-x86_64")?,
        busybox: installed(find_busybox(), "a static busybox")?,
        kernel: installed(find_kernel(), "a kernel")?,
    })
}

/// Finds or installs python3, which runs the client that the documentation shows.
///
/// # Errors
///
/// As [`prepare`].
pub(crate) fn prepare_python(consent: Consent) -> Result<(), Error> {
    if in_path("python3").is_none() {
        install(&["python3"], false, consent)?;
    }
    Ok(())
}

/// Finds or installs ansible-playbook, and what a host with systemd makes accounts and files with, for the test of the role.
///
/// # Errors
///
/// As [`prepare`].
pub fn prepare_ansible(consent: Consent) -> Result<(), Error> {
    let mut packages = Vec::new();
    if in_path("ansible-playbook").is_none() {
        packages.push(ANSIBLE_PACKAGE);
    }
    if in_path("systemd-sysusers").is_none() || in_path("systemd-tmpfiles").is_none() {
        packages.push(SYSTEMD_PACKAGE);
    }
    if packages.is_empty() { Ok(()) } else { install(&packages, false, consent) }
}

/// Finds or installs `qemu-img`, for guests with a disk in which QEMU keeps snapshots.
///
/// # Errors
///
/// As [`prepare`].
pub fn prepare_disks(consent: Consent) -> Result<PathBuf, Error> {
    const PROGRAM: &str = "qemu-img";
    if in_path(PROGRAM).is_none() {
        install(&[DISK_PACKAGE], false, consent)?;
    }
    in_path(PROGRAM)
        .ok_or_else(|| Error::Failed(format!("{PROGRAM} is still not there after its package was installed")))
}

/// Finds or installs a C++ compiler, which builds the fuzzer's engine.
///
/// # Errors
///
/// As [`prepare`].
pub(crate) fn prepare_compiler(consent: Consent) -> Result<(), Error> {
    if in_path("c++").is_none() {
        install(&["g++"], false, consent)?;
    }
    Ok(())
}

/// Finds or installs virsh, libvirtd with its QEMU driver, and QEMU, for tests that run a libvirt of their own.
///
/// No daemon is started by that. A machine that has one is left as it is, as installing could start that daemon anew.
///
/// # Errors
///
/// As [`prepare`].
pub fn prepare_libvirt(consent: Consent) -> Result<(), Error> {
    let mut packages = Vec::new();
    if in_path("virsh").is_none() {
        packages.push(VIRSH_PACKAGE);
    }
    if !has_daemon("libvirtd") {
        packages.push(LIBVIRTD_PACKAGE);
    }
    if !packages.is_empty() && (has_daemon("libvirtd") || has_daemon("virtqemud")) {
        return Err(Error::Refused(format!(
            "missing: {} (names of Debian's packages); as this machine has a libvirt daemon, which installing could \
             restart, install them when that does no harm",
            packages.join(", ")
        )));
    }
    if find_qemu().is_none() {
        packages.push(QEMU_PACKAGE);
    }
    if packages.is_empty() { Ok(()) } else { install(&packages, false, consent) }
}

/// Finds QEMU's guest agent, or unpacks its package; it is for guests and is never installed here.
///
/// # Errors
///
/// As [`prepare`].
pub(crate) fn prepare_guest_agent(consent: Consent) -> Result<PathBuf, Error> {
    let folder = folder("qemu-ga");
    let program = folder.join("usr/sbin/qemu-ga");
    if program.is_file() {
        return Ok(program);
    }
    if in_path("apt-get").is_none() || in_path("dpkg").is_none() || consent != Consent::Given {
        return Err(Error::Refused(format!(
            "missing: {GUEST_AGENT_PACKAGE}, of which {} would be made; cargo verify --yes does that where there is \
             apt-get, without installing it",
            program.display()
        )));
    }
    if !has_candidates(&[GUEST_AGENT_PACKAGE], false) {
        as_root(&["update"])?;
    }
    unpack(GUEST_AGENT_PACKAGE, &folder)?;
    Ok(program)
}

/// The folder of modules of the kernel that was unpacked, if `kernel` is that one.
pub(crate) fn modules_of(kernel: &Path) -> Option<PathBuf> {
    let version = kernel.file_name()?.to_str()?.strip_prefix("vmlinuz-")?;
    Some(kernel.parent()?.parent()?.join("lib/modules").join(version).join("kernel"))
        .filter(|path| path.is_dir())
}

/// Whether a daemon is installed; the search path of others than root often lacks the folder where daemons are.
fn has_daemon(program: &str) -> bool {
    in_path(program).is_some() || Path::new("/usr/sbin").join(program).is_file()
}

fn find_qemu() -> Option<PathBuf> {
    in_path("qemu-system-x86_64")
}

fn find_busybox() -> Option<PathBuf> {
    in_path("busybox").filter(|path| elf::inspect(path).is_ok_and(|program| program.is_static))
}

fn in_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|entry| entry.join(program)).find(|path| path.is_file())
}

fn kernel_folder() -> PathBuf {
    folder("kernel")
}

fn unpacked_kernel() -> Option<PathBuf> {
    let files = fs::read_dir(kernel_folder().join("boot")).ok()?;
    let images = files.filter_map(Result::ok).map(|file| file.path());
    images
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-")))
        .max()
}

fn install(packages: &[&str], kernel: bool, consent: Consent) -> Result<(), Error> {
    let mut missing = packages.to_vec();
    if kernel {
        missing.push(KERNEL);
    }
    let missing = missing.join(", ");
    if in_path("apt-get").is_none() || in_path("dpkg").is_none() {
        let kernel = if kernel { ", and name a kernel with --kernel FILE" } else { "" };
        return Err(Error::Refused(format!(
            "missing: {missing} (names of Debian's packages), and there is no apt-get to install them with; install \
             the programs that they hold with this system's tools{kernel}"
        )));
    }
    let mut by_hand = Vec::new();
    if !packages.is_empty() {
        by_hand.push(format!("run apt-get install --no-install-recommends {} as root", packages.join(" ")));
    }
    if kernel {
        by_hand.push("name a kernel with --kernel FILE".to_owned());
    }
    let by_hand = by_hand.join(" and ");
    match consent {
        Consent::Given => eprintln!("installing {missing}"),
        Consent::Ask if agrees(&missing)? => {}
        Consent::Ask => return Err(Error::Refused(format!("missing: {missing}; {by_hand}"))),
        Consent::Missing => {
            return Err(Error::Refused(format!("missing: {missing}; give --yes to install, or {by_hand}")));
        }
    }
    // Old lists name files that the mirror no longer has. Without root the kernel can still be had by the lists there are.
    if !packages.is_empty() || nix::unistd::geteuid().is_root() || !has_candidates(packages, kernel) {
        as_root(&["update"])?;
    }
    if !packages.is_empty() {
        as_root(&[&["install", "--yes", "--no-install-recommends"], packages].concat())?;
    }
    if kernel { unpack_kernel() } else { Ok(()) }
}

fn agrees(missing: &str) -> Result<bool, Error> {
    eprint!("missing: {missing}; install with apt-get? (a kernel is only unpacked, not installed) [Y/n] ");
    io::stderr().flush().map_err(Error::io("cannot ask"))?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(Error::io("cannot read the answer"))?;
    Ok(answer.ends_with('\n') && matches!(answer.trim().to_lowercase().as_str(), "" | "y" | "yes"))
}

/// Whether apt's lists know all packages; on a fresh machine there are no lists.
fn has_candidates(packages: &[&str], kernel: bool) -> bool {
    packages.iter().copied().chain(kernel.then_some(KERNEL)).all(|package| {
        let shown = Command::new("apt-cache")
            .args(["show", "--no-all-versions", package])
            .stderr(Stdio::null())
            .output();
        shown.is_ok_and(|output| output.status.success())
    })
}

/// Runs apt-get as root, by sudo where needed; its output goes to standard error.
fn as_root(arguments: &[&str]) -> Result<(), Error> {
    let by_hand = || format!("as root: apt-get {}", arguments.join(" "));
    let mut command = if nix::unistd::geteuid().is_root() {
        Command::new("apt-get")
    } else if in_path("sudo").is_some() {
        let mut sudo = Command::new("sudo");
        // Without a terminal sudo could only wait for a password that nobody types.
        if !io::stdin().is_terminal() {
            sudo.arg("--non-interactive");
        }
        sudo.arg("apt-get");
        sudo
    } else {
        return Err(Error::Refused(format!(
            "installing needs root, and there is no sudo; run {}",
            by_hand()
        )));
    };
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(io::stderr());
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Error::Failed(format!("apt-get did not succeed ({status}); run {}", by_hand()))),
        Err(error) => Err(Error::io("cannot start apt-get")(error)),
    }
}

/// Downloads the newest kernel's package and unpacks it; needs no root.
fn unpack_kernel() -> Result<(), Error> {
    let depends = Command::new("apt-cache").args(["depends", "--important", KERNEL]).output();
    let depends = depends.map_err(Error::io("cannot start apt-cache"))?.stdout;
    let depends = String::from_utf8_lossy(&depends);
    let package = depends
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|package| package.starts_with("linux-image-"))
        .ok_or_else(|| {
            Error::Refused(format!("apt knows no kernel by the name {KERNEL}: name one with --kernel FILE"))
        })?;
    unpack(package, &kernel_folder())
}

/// Downloads a package and unpacks it into `folder`; needs no root, and installs nothing.
fn unpack(package: &str, folder: &Path) -> Result<(), Error> {
    let folder_error = || Error::io(format!("cannot write to {}", folder.display()));
    fs::create_dir_all(folder).map_err(folder_error())?;
    let run = |command: &mut Command| match command.current_dir(folder).stdout(io::stderr()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Error::Failed(format!("{command:?} did not succeed ({status})"))),
        Err(error) => Err(Error::io(format!("cannot start {command:?}"))(error)),
    };
    // The download runs as the user who owns the folder, also for root, else apt warns about it.
    run(Command::new("apt-get").args(["-o", "APT::Sandbox::User=root", "download", package]))?;
    for file in fs::read_dir(folder).map_err(folder_error())?.filter_map(Result::ok) {
        let path = file.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            run(Command::new("dpkg").arg("-x").arg(&path).arg("."))?;
            fs::remove_file(&path).map_err(folder_error())?;
        }
    }
    Ok(())
}
