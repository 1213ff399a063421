//! A lab: guests, regions and processes that live together and are gone together.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ivring_vm_config::{Shmem, Size};

use crate::accelerator::Accelerator;
use crate::channel::Doorway;
use crate::guest::{BOOT_LIMIT, Booting, Doorways, Guest, SHELL};
use crate::initramfs::GuestFile;
use crate::keeper::Keeper;
use crate::logs::fresh_logs;
use crate::packages::Tools;
use crate::process::Process;
use crate::qemu::Machine;
use crate::{Error, initramfs, modules};

/// A guest as it is asked for.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The host name, unique in its lab: letters, digits and `-`.
    pub name: String,
    /// The SMBIOS UUID, by which the host knows the guest.
    pub uuid: String,
    /// The region it sees as BAR 2 of an ivshmem device; without one it has no such device.
    pub shmem: Option<Shmem>,
    /// The arguments of its agent, such as `run`; without any the agent is not started.
    pub agent: Option<String>,
    /// Its first process is busybox' init, which reads `/etc/inittab`.
    pub inittab: bool,
    /// More arguments for QEMU, behind all others.
    pub hardware: Vec<String>,
}

/// Keeps everything that was started in it: regions, guests, host processes. Dropping it, and with it the last guest and
/// process, removes all but the logs; so does any other end of the program.
#[derive(Debug)]
pub struct Lab {
    /// `None`: for processes of the host only.
    machines: Option<Machines>,
    name: String,
    /// Sockets and the initramfs; in the system's temporary folder, as the path of a socket must be short.
    folder: PathBuf,
    logs: PathBuf,
    regions: AtomicU32,
    guests: AtomicU32,
    keeper: Arc<Keeper>,
}

/// What guests are made of.
#[derive(Debug)]
struct Machines {
    tools: Tools,
    accelerator: Accelerator,
    initramfs: PathBuf,
}

impl Lab {
    /// Sets up a lab whose logs go to the folder `label` among the lab's logs; `programs`, the agent first of all, are put
    /// into every guest, in `/bin` by their own names.
    ///
    /// Blocks for some seconds the first time after the machine's start if there might be KVM.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if a file or folder cannot be written.
    pub fn new(label: &str, tools: &Tools, programs: &[&Path]) -> Result<Self, Error> {
        Self::with_files(label, tools, programs, &[])
    }

    /// As [`Lab::new`], for guests with virtio devices: [`load_virtio`](crate::load_virtio) loads their modules.
    ///
    /// # Errors
    ///
    /// As [`Lab::new`], and [`Error::Refused`] if the kernel is one without its modules.
    pub fn with_virtio(label: &str, tools: &Tools, programs: &[&Path]) -> Result<Self, Error> {
        Self::with_files(label, tools, programs, &modules::virtio(&tools.kernel)?)
    }

    fn with_files(
        label: &str,
        tools: &Tools,
        programs: &[&Path],
        files: &[GuestFile],
    ) -> Result<Self, Error> {
        let accelerator = Accelerator::choose(&tools.kernel, |limit| {
            Self::with(Accelerator::Kvm, "kvm-probe", tools, (&[], &[]))
                .is_ok_and(|probe| probe.boots_within(limit))
        });
        Self::with(accelerator, label, tools, (programs, files))
    }

    /// Sets up a lab for processes of the host, where no guest can be started; needs nothing installed.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if a folder cannot be made.
    pub fn without_guests(label: &str) -> Result<Self, Error> {
        static LABS: AtomicU32 = AtomicU32::new(0);
        let name = format!("ivring-lab-{}-{}", process::id(), LABS.fetch_add(1, Ordering::Relaxed));
        let keeper = Arc::new(Keeper::start()?);
        let folder = std::env::temp_dir().join(&name);
        fs::create_dir(&folder).map_err(Error::io(format!("cannot make the folder {}", folder.display())))?;
        keeper.remove(&folder)?;
        let logs = fresh_logs(label)?;
        let (regions, guests) = (AtomicU32::new(0), AtomicU32::new(0));
        Ok(Self { machines: None, name, folder, logs, regions, guests, keeper })
    }

    fn with(
        accelerator: Accelerator,
        label: &str,
        tools: &Tools,
        (programs, files): (&[&Path], &[GuestFile]),
    ) -> Result<Self, Error> {
        let mut lab = Self::without_guests(label)?;
        let initramfs = lab.folder.join("initramfs");
        fs::write(&initramfs, initramfs::build(&tools.busybox, programs, files)?)
            .map_err(Error::io(format!("cannot write {}", initramfs.display())))?;
        lab.machines = Some(Machines { tools: tools.clone(), accelerator, initramfs });
        Ok(lab)
    }

    fn boots_within(&self, limit: Duration) -> bool {
        let plan = self.plan("probe", None);
        self.start(&plan).and_then(|booting| booting.wait(limit)).is_ok()
    }

    /// What runs the guests, in a lab that can have any.
    #[must_use]
    pub fn accelerator(&self) -> Option<Accelerator> {
        self.machines.as_ref().map(|machines| machines.accelerator)
    }

    /// The folder of the logs, which is kept.
    #[must_use]
    pub fn logs(&self) -> &Path {
        &self.logs
    }

    /// A folder for sockets and other files that are gone with the lab.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The name of a region that nobody else uses. Its file is made by whoever opens it first, and removed with the lab.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the cleaning process has ended.
    pub fn region(&self, size: Size) -> Result<Shmem, Error> {
        let number = self.regions.fetch_add(1, Ordering::Relaxed);
        self.named(&format!("{}-{number}", self.name), size)
    }

    /// As [`Lab::region`], for the guest with this UUID alone. The names of these match `LAB-own-*`, where a region of
    /// [`Lab::region`] is named `LAB-NUMBER`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the cleaning process has ended.
    ///
    /// # Panics
    ///
    /// If `uuid` is none.
    pub fn region_of(&self, uuid: &str, size: Size) -> Result<Shmem, Error> {
        self.named(&format!("{}-own-{uuid}", self.name), size)
    }

    /// What cleans up after this lab.
    pub(crate) fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    fn named(&self, name: &str, size: Size) -> Result<Shmem, Error> {
        let shmem = Shmem::new(name, size).expect("the name holds letters, digits and '-' only");
        self.keeper.remove(Path::new(&shmem.path()))?;
        Ok(shmem)
    }

    /// A plan for a guest with an identity of its own, and no agent running.
    #[must_use]
    pub fn plan(&self, name: &str, shmem: Option<&Shmem>) -> Plan {
        let number = self.guests.fetch_add(1, Ordering::Relaxed);
        // Version 4, variant 1, as far as the form goes; unique by process, lab and guest.
        let lab =
            self.name.rsplit('-').next().and_then(|number| number.parse::<u32>().ok()).unwrap_or_default();
        let uuid = format!("{:08x}-0000-4000-8000-{:04x}{number:08x}", process::id(), lab & 0xffff);
        Plan {
            name: name.to_owned(),
            uuid,
            shmem: shmem.cloned(),
            agent: None,
            inittab: false,
            hardware: Vec::new(),
        }
    }

    /// Starts a guest and returns at once.
    ///
    /// A guest may be started again by the same plan after it has ended: then it is the same machine, rebooted.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if QEMU cannot be started, [`Error::Refused`] in a lab without guests.
    pub fn start(&self, plan: &Plan) -> Result<Booting, Error> {
        let Some(Machines { tools, accelerator, initramfs }) = &self.machines else {
            return Err(Error::Refused(format!("guest {}: this lab was set up without guests", plan.name)));
        };
        let log = |kind: &str| self.logs.join(format!("{}.{kind}.log", plan.name));
        let socket = |kind: &str| self.folder.join(format!("{}.{kind}", plan.name));
        let (console, shell, monitor) = (log("console"), socket("shell"), socket("monitor"));
        for left in [&shell, &monitor] {
            // There when a guest of this name was started before; a second one at once fails to bind below.
            let _ = fs::remove_file(left);
        }
        let mut append = format!("guest_name={}", plan.name);
        if let Some(agent) = &plan.agent {
            append.push_str(&format!(" guest_agent=\"{agent}\""));
        }
        if plan.inittab {
            append.push_str(" guest_init=busybox");
        }
        let machine = Machine {
            accelerator: *accelerator,
            kernel: &tools.kernel,
            initramfs,
            append: &append,
            uuid: &plan.uuid,
            shmem: plan.shmem.as_ref(),
            console: &console,
            shell: &shell,
            monitor: &monitor,
            hardware: &plan.hardware,
        };
        let doorways = Doorways {
            shell: Doorway::open(SHELL, &shell)?,
            monitor: Doorway::open("QEMU monitor", &monitor)?,
        };
        let process = Process::start(
            &format!("guest {}", plan.name),
            &machine.command(&tools.qemu),
            &log("qemu"),
            &self.keeper,
        )?;
        Ok(Booting::new(&plan.name, process, console, doorways))
    }

    /// Boots guests side by side and waits until all of them take commands.
    ///
    /// # Errors
    ///
    /// As [`Lab::start`] and [`Booting::wait`].
    pub fn boot(&self, plans: &[Plan]) -> Result<Vec<Guest>, Error> {
        let booting = plans.iter().map(|plan| self.start(plan)).collect::<Result<Vec<_>, _>>()?;
        booting.into_iter().map(|guest| guest.wait(BOOT_LIMIT)).collect()
    }

    /// Starts a program on the host that ends with the lab; its output goes to `NAME.log` among the logs.
    ///
    /// # Errors
    ///
    /// As [`Process::start`].
    pub fn spawn(&self, name: &str, command: Command) -> Result<Process, Error> {
        Process::start(name, &command, &self.logs.join(format!("{name}.log")), &self.keeper)
    }
}
