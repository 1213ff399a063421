//! The guest with all devices, and the host's ends of them.

use std::{
    net::{Ipv4Addr, TcpListener},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use ivring_host::Host;
use ivring_lab::{
    Accelerator, Artifacts, BOOT_LIMIT, Consent, Error, Guest, Lab, Process, Tools, load_virtio,
};
use ivring_vm_config::{QemuArgs, Shmem};
use rustix::{
    process::Pid,
    thread::{CpuSet, sched_setaffinity},
};

use super::{
    area::{Area, SIZE, SLOT},
    guest_side::VSOCK_PORT,
    host_side::HostSide,
    report::Surroundings,
};
use crate::failure::Failure;

/// How long a script may take that sets something up in the guest.
const LIMIT: Duration = Duration::from_secs(20);
/// How long a program of the host may take to open its socket.
const START: Duration = Duration::from_secs(5);
/// The guest's address in vsock's numbers: the least that is nobody's.
const CID: u32 = 3;

/// A guest that has booted, and what belongs to it. All of it ends with this.
#[derive(Debug)]
pub(crate) struct Machine {
    /// The host's ends.
    pub(crate) side: HostSide,
    /// The guest.
    pub(crate) guest: Guest,
    /// Its UUID.
    pub(crate) uuid: String,
    /// Port of the host where a connection of TCP is taken.
    pub(crate) tcp_port: u16,
    /// The region of the sessions.
    pub(crate) region: Shmem,
    /// The project's own programs.
    pub(crate) artifacts: Artifacts,
    vsock: Option<Process>,
    vcpu: u32,
    /// Last: it ends what is left.
    pub(crate) lab: Lab,
}

impl Machine {
    /// Builds what goes into the guest and boots it, with vsock if its program is given; its processor is `processor`.
    pub(crate) fn boot(vsock: Option<&Path>, processor: usize) -> Result<Self, Failure> {
        let tools = ivring_lab::prepare(None, Consent::new(false))?;
        let artifacts = Artifacts::build()?;
        let program = ivring_lab::build_compare_guest(!cfg!(debug_assertions))?;
        Self::boot_with(&tools, artifacts, &program, vsock, processor)
    }

    fn boot_with(
        tools: &Tools,
        artifacts: Artifacts,
        program: &Path,
        vsock: Option<&Path>,
        processor: usize,
    ) -> Result<Self, Failure> {
        let lab = Lab::with_virtio("compare", tools, &[&artifacts.agent, program])?;
        let region = lab.region("8M".parse().expect("a power of two"))?;
        let area = lab.region(format!("{}M", SIZE >> 20).parse().expect("a power of two"))?;
        let mut options = ivring_host::Options::new(region.name());
        options.size = Some(region.size().bytes());
        let host = Host::open(options).map_err(|error| failed(format!("the region: {error}")))?;
        let sockets = Sockets::below(lab.folder());
        let listen = |path: &Path| UnixListener::bind(path).map_err(Failure::io("a socket of the guest"));
        let serial = listen(&sockets.serial)?;
        let tcp =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Failure::io("a socket of the guest"))?;
        tcp.set_nonblocking(true).map_err(Failure::io("a socket of the guest"))?;
        let tcp_port = tcp.local_addr().map_err(Failure::io("a socket of the guest"))?.port();

        let mut plan = lab.plan("compare", Some(&region));
        plan.hardware = hardware(&area, &sockets, vsock.is_some())?;
        let area = Area::new(Path::new(&area.path()))?;
        let (vsock, listener) = match vsock {
            Some(program) => {
                let device = start_vsock(&lab, program, &sockets)?;
                let listener = listen(&sockets.connections)?;
                listener.set_nonblocking(true).map_err(Failure::io("a socket of the guest"))?;
                (Some(device), Some(listener))
            }
            None => (None, None),
        };
        let uuid = plan.uuid.clone();
        let mut guest = lab.start(&plan)?.wait(BOOT_LIMIT)?;
        // QEMU has connected before the guest booted.
        let (serial, _) = serial.accept().map_err(Failure::io("a socket of the guest"))?;
        let vcpu = match guest.processors()?[..] {
            [one] => one,
            ref several => return Err(failed(format!("it has {} processors", several.len()))),
        };
        pin(vcpu, processor)?;
        run(&mut guest, &format!("{}{SET_UP}", load_virtio()))?;
        let side = HostSide { area, host, serial, vsock: listener, tcp };
        Ok(Self { side, guest, uuid, tcp_port, region, artifacts, vsock, vcpu, lab })
    }

    /// The processes beside this one that carry messages.
    pub(crate) fn companions(&self) -> Vec<u32> {
        let vsock = self.vsock.as_ref().map(Process::id);
        [self.guest.process_id()].into_iter().chain(vsock).collect()
    }

    /// Nanoseconds that the guest's processor has waited for a processor of the host.
    pub(crate) fn held_up_ns(&self) -> u64 {
        crate::held_up::thread_ns(self.guest.process_id(), self.vcpu)
    }

    /// What a reader must know of it.
    pub(crate) fn surroundings(&mut self) -> Result<Surroundings, Failure> {
        let qemu = Command::new("qemu-system-x86_64").arg("--version").output();
        let qemu = qemu.map_err(Failure::io("the version of QEMU"))?.stdout;
        let said = run(
            &mut self.guest,
            "uname -r; cat /sys/devices/system/clocksource/clocksource0/current_clocksource",
        )?;
        let mut lines = said.lines().map(str::to_owned);
        Ok(Surroundings {
            accelerator: self.lab.accelerator().map_or("none", Accelerator::name).to_owned(),
            qemu: String::from_utf8_lossy(&qemu).lines().next().unwrap_or_default().to_owned(),
            kernel: lines.next().unwrap_or_default(),
            clock: lines.next().unwrap_or_default(),
        })
    }
}

/// Gives the network card its address, and waits for the serial port.
const SET_UP: &str =
    "busybox ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up\nuntil ls /dev/vport*; do sleep 0.01; done";

/// Runs a script in the guest that must succeed.
pub(crate) fn run(guest: &mut Guest, script: &str) -> Result<String, Failure> {
    let answer = guest.run(script, LIMIT)?;
    if answer.status == 0 {
        return Ok(answer.output);
    }
    Err(Failure::Guest {
        job: script.to_owned(),
        status: answer.status,
        output: answer.output.trim().to_owned(),
    })
}

/// Where the sockets are.
struct Sockets {
    serial: PathBuf,
    vsock: PathBuf,
    base: PathBuf,
    /// What the device makes of `base` for a port.
    connections: PathBuf,
}

impl Sockets {
    fn below(folder: &Path) -> Self {
        let base = folder.join("connections");
        let connections = folder.join(format!("connections_{VSOCK_PORT}"));
        Self { serial: folder.join("serial"), vsock: folder.join("vsock"), base, connections }
    }
}

/// The devices, as QEMU's arguments.
fn hardware(area: &Shmem, sockets: &Sockets, vsock: bool) -> Result<Vec<String>, Failure> {
    let device = QemuArgs { slot: Some(SLOT), ..QemuArgs::default() };
    let mut arguments = device.render(area).map_err(|error| failed(error.to_string()))?;
    let escaped = |path: &Path| path.display().to_string().replace(',', ",,");
    let mut add = |option: &str, value: String| arguments.extend([option.to_owned(), value]);
    add("-device", "virtio-serial-pci".to_owned());
    add("-chardev", format!("socket,id=serial,path={}", escaped(&sockets.serial)));
    add("-device", "virtserialport,chardev=serial".to_owned());
    add("-netdev", "user,id=net,ipv6=off".to_owned());
    add("-device", "virtio-net-pci,netdev=net,romfile=".to_owned());
    if vsock {
        // Another process moves the bytes: it must see the guest's memory.
        add("-object", "memory-backend-memfd,id=ram,size=512M,share=on".to_owned());
        add("-machine", "memory-backend=ram".to_owned());
        add("-chardev", format!("socket,id=vsock,path={}", escaped(&sockets.vsock)));
        add("-device", "vhost-user-vsock-pci,chardev=vsock".to_owned());
    }
    Ok(arguments)
}

fn start_vsock(lab: &Lab, program: &Path, sockets: &Sockets) -> Result<Process, Failure> {
    let mut command = Command::new(program);
    command.arg(format!("--guest-cid={CID}")).arg("--socket").arg(&sockets.vsock);
    command.arg("--uds-path").arg(&sockets.base);
    let mut process = lab.spawn("vsock", command)?;
    let since = Instant::now();
    while !sockets.vsock.exists() {
        if process.status()?.is_some() || since.elapsed() > START {
            return Err(failed(format!(
                "the device of vsock does not start, see {}",
                process.log().display()
            )));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(process)
}

/// Keeps a thread, such as the guest's processor, on one of the host's.
pub(crate) fn pin(thread: u32, processor: usize) -> Result<(), Failure> {
    let thread = i32::try_from(thread).ok().and_then(Pid::from_raw);
    let mut only = CpuSet::new();
    only.set(processor);
    sched_setaffinity(thread, &only).map_err(|error| Failure::Io("pinning to a processor", error.into()))
}

fn failed(what: String) -> Failure {
    Failure::Lab(Error::Failed(what))
}
