//! The command `qmp`.

mod report;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use ivring_vm_config::Shmem;
use ivring_vm_config::qmp::{
    Attachment, Detached, Detachment, Monitor, Place, QmpError, Survey, Wanted, attach_words, check_socket,
    detach_words,
};

use crate::options::{NameOption, RegionOptions};
use crate::{Failure, exit, print};
use report::Report;

const EXAMPLES: &str = "\
Examples:
  qemu-system-x86_64 ... -qmp unix:/run/web1.qmp,server=on,wait=off     how QEMU gets a socket for this
  ivring-vm-config qmp attach --socket /run/web1.qmp --dry-run          where the device would go
  ivring-vm-config qmp attach --socket /run/web1.qmp                    plug it in; ivring-agent in the guest joins by itself
  ivring-vm-config qmp status --socket /run/web1.qmp
  ivring-vm-config qmp detach --socket /run/web1.qmp                    when the guest has let go of it
  ivring-vm-config qmp commands | socat - UNIX-CONNECT:/run/web1.hmp    by the monitor for people, on a pc

The device stays until QEMU ends: give it to the command line as well, see qemu-args. The sockets of libvirt are refused:
for its domains take apply --live and remove --live.

Exit codes: 0 done or already so, 1 status or --dry-run: the device is not there, 2 usage, 3 refused: no place, another
device, a file of another size, libvirt's QEMU, 4 a name or size that cannot be used, 5 the monitor failed, 6 done, and the
guest has not let go of the device yet, or has no room for it";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct QmpOptions {
    #[command(subcommand)]
    command: QmpCommand,
}

#[derive(Debug, Subcommand)]
enum QmpCommand {
    /// Plugs the device in; if a step fails, takes back all of it
    Attach(AttachOptions),
    /// Asks the guest to let go of the device, then removes it and its memory
    Detach(DetachOptions),
    /// Says whether the machine has the device
    Status(StatusOptions),
    /// Prints the same as commands of QEMU's monitor for people, one a line
    Commands(CommandsOptions),
}

/// Which monitor it is.
#[derive(Debug, Args)]
struct MonitorOptions {
    /// Socket of QEMU's machine monitor (-qmp unix:PATH,server=on,wait=off)
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// How long QEMU may take for one answer, and the guest to let go of the device
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Where the device goes.
#[derive(Debug, Args)]
struct PlaceOptions {
    /// PCI bus as QEMU calls it, such as pci.0 or the id of a root port; auto chooses one that takes devices
    #[arg(long, default_value = "auto")]
    bus: String,
    /// Slot on that bus, such as 0x1f [default: the last that is free; 0 of a port]
    #[arg(long, value_name = "SLOT", value_parser = slot)]
    addr: Option<u8>,
}

#[derive(Debug, Args)]
struct AttachOptions {
    #[command(flatten)]
    monitor: MonitorOptions,
    #[command(flatten)]
    place: PlaceOptions,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    region: RegionOptions,
}

#[derive(Debug, Args)]
struct DetachOptions {
    #[command(flatten)]
    monitor: MonitorOptions,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    name: NameOption,
}

#[derive(Debug, Args)]
struct StatusOptions {
    #[command(flatten)]
    monitor: MonitorOptions,
    #[command(flatten)]
    region: RegionOptions,
}

#[derive(Debug, Args)]
struct CommandsOptions {
    /// Ask this machine monitor for the place; else it is bus pci.0 of a pc, unless --bus says another
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    #[command(flatten)]
    place: PlaceOptions,
    /// Those that take the device out
    #[arg(long)]
    detach: bool,
    #[command(flatten)]
    region: RegionOptions,
}

/// A slot, in decimal or with 0x; 0 is that of a port.
fn slot(text: &str) -> Result<u8, String> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u8::from_str_radix(digits, 16),
        None => text.parse(),
    };
    let slot = number.ok().filter(|&slot| slot <= 0x1f && !text.contains('+'));
    slot.ok_or_else(|| "a slot is 0 to 31 (0x0 to 0x1f)".to_owned())
}

impl PlaceOptions {
    fn wanted(&self) -> Wanted {
        Wanted { bus: Some(self.bus.clone()).filter(|bus| bus != "auto"), slot: self.addr }
    }
}

impl QmpOptions {
    pub fn run(&self) -> Result<u8, Failure> {
        match &self.command {
            QmpCommand::Attach(options) => options.run(),
            QmpCommand::Detach(options) => options.run(),
            QmpCommand::Status(options) => options.run(),
            QmpCommand::Commands(options) => options.run(),
        }
    }
}

/// A machine behind its monitor, the region that is meant, and what is said of them.
struct Machine<'a> {
    region: &'a Shmem,
    monitor: &'a mut Monitor,
    survey: &'a Survey,
    report: &'a mut Report,
}

/// Connects to a monitor that is none of libvirt's.
fn connect(socket: &Path, patience: Duration) -> Result<Monitor, QmpError> {
    check_socket(socket)?;
    Ok(Monitor::connect(socket, patience)?)
}

fn named(region: Result<Shmem, String>) -> Result<Shmem, Failure> {
    region.map_err(|message| Failure { code: exit::BAD_INPUT, message })
}

impl MonitorOptions {
    /// Looks at the machine behind the monitor, does `work` with it, and says what became of that.
    fn with_machine(
        &self,
        region: &Shmem,
        work: impl FnOnce(Machine<'_>) -> Result<(), QmpError>,
    ) -> Result<u8, Failure> {
        let mut report = Report::new(&self.socket, region, self.json);
        let result = connect(&self.socket, self.timeout).and_then(|mut monitor| {
            let survey = Survey::of(&mut monitor)?;
            report.of_machine(&monitor, &survey);
            work(Machine { region, monitor: &mut monitor, survey: &survey, report: &mut report })
        });
        report.end(result)
    }
}

impl AttachOptions {
    fn run(&self) -> Result<u8, Failure> {
        let region = named(self.region.region())?;
        self.monitor.with_machine(&region, |machine| self.go(machine))
    }

    fn go(&self, machine: Machine<'_>) -> Result<(), QmpError> {
        let Machine { region, monitor, survey, report } = machine;
        let plan = Attachment::plan(survey, region, &self.place.wanted())?;
        if self.dry_run && !plan.is_present() {
            report.would_attach(plan.place());
            return Ok(());
        }
        let attached = plan.carry_out(monitor, &mut |step| report.step(step))?;
        report.attached(&attached, !plan.is_present());
        Ok(())
    }
}

impl DetachOptions {
    fn run(&self) -> Result<u8, Failure> {
        let region = named(self.name.any_size())?;
        self.monitor.with_machine(&region, |machine| self.go(machine))
    }

    fn go(&self, machine: Machine<'_>) -> Result<(), QmpError> {
        let Machine { region, monitor, survey, report } = machine;
        let plan = Detachment::plan(survey, region);
        match (plan.is_empty(), self.dry_run) {
            (true, _) => report.absent(),
            (false, true) => report.would_detach(),
            (false, false) => match plan.carry_out(monitor, &mut |step| report.step(step))? {
                Detached::Gone => report.detached(),
                Detached::Held { device, why } => report.held(&device, &why),
            },
        }
        Ok(())
    }
}

impl StatusOptions {
    fn run(&self) -> Result<u8, Failure> {
        let region = named(self.region.region())?;
        self.monitor.with_machine(&region, |machine| self.go(machine))
    }

    fn go(&self, machine: Machine<'_>) -> Result<(), QmpError> {
        let Machine { region, monitor, survey, report } = machine;
        if survey.showing(&region.path()).next().is_none() {
            report.missing();
            return Ok(());
        }
        let plan = Attachment::plan(survey, region, &Wanted::default())?;
        // It is there: nothing is changed by this.
        let attached = plan.carry_out(monitor, &mut |_| {})?;
        report.attached(&attached, false);
        Ok(())
    }
}

impl CommandsOptions {
    fn run(&self) -> Result<u8, Failure> {
        let region = named(self.region.region())?;
        let lines = if self.detach {
            detach_words(&region)
        } else {
            let place = self.place(&region).map_err(|error| report::failure(&error))?;
            attach_words(&region, &place)
        };
        print(&(lines.join("\n") + "\n"))
    }

    fn place(&self, region: &Shmem) -> Result<Place, QmpError> {
        let wanted = self.place.wanted();
        if let Some(socket) = &self.socket {
            let mut monitor = connect(socket, Duration::from_secs(30))?;
            let survey = Survey::of(&mut monitor)?;
            return Ok(Attachment::plan(&survey, region, &wanted)?.place().clone());
        }
        let bus = wanted.bus.unwrap_or_else(|| "pci.0".to_owned());
        // Any other bus that somebody names is most likely a root port, as q35 needs.
        let slot = wanted.slot.unwrap_or(if bus == "pci.0" { ivring_vm_config::DEFAULT_SLOT } else { 0 });
        Ok(Place { bus, slot })
    }
}

#[cfg(test)]
mod tests {
    use super::slot;

    #[test]
    fn a_slot_is_a_number_to_31() {
        assert_eq!(["0", "0x0", "31", "0x1f", "0x1F"].map(slot), [Ok(0), Ok(0), Ok(31), Ok(31), Ok(31)]);
        for text in ["", "32", "0x20", "-1", "+1", "0x+1", "1f"] {
            slot(text).unwrap_err();
        }
    }
}
