//! `ivring-agent install` and `uninstall`.

use ivring_proto::console::{Failure, Output};
use ivring_proto::control::Code;
use serde::Serialize;

use super::{Install, Place, Uninstall};
use crate::install::{self, InstallError, Machine, Plan};

impl From<InstallError> for Failure {
    fn from(error: InstallError) -> Self {
        Failure::new(error.exit_code().into(), error.to_string())
    }
}

impl Place {
    fn machine(&self) -> Machine {
        self.root.clone().map_or(Machine::This, Machine::Mounted)
    }
}

/// What was done, as `--json` shows it.
#[derive(Serialize)]
struct Report {
    dry_run: bool,
    changes: Vec<String>,
    left: Vec<String>,
}

/// Puts the running program into service.
pub(super) fn install(options: Install) -> Result<(), Failure> {
    let Install { prefix, no_start, place } = options;
    let machine = place.machine();
    let starts = !no_start && matches!(machine, Machine::This);
    let plan = install::install(&machine, &prefix, !no_start)?;
    carry_out(&plan, &place)?;
    if starts && !place.dry_run && !install::comes_up() {
        let text = "it is installed, but no agent answers yet; its log says why: `journalctl -u ivring-agent`, \
            or without systemd `dmesg`";
        return Err(Failure::new(Code::Pending, text));
    }
    Ok(())
}

/// Removes what was installed.
pub(super) fn uninstall(options: Uninstall) -> Result<(), Failure> {
    carry_out(&install::uninstall(&options.place.machine())?, &options.place)
}

/// Makes the changes unless they are only asked for, and tells them.
fn carry_out(plan: &Plan, place: &Place) -> Result<(), Failure> {
    for path in &plan.left {
        tracing::warn!("left {} alone: it was not put there by `ivring-agent install`", path.display());
    }
    if !place.dry_run {
        plan.carry_out()?;
    }
    let out = &mut Output::new(place.json);
    let changes: Vec<String> = plan.changes.iter().map(ToString::to_string).collect();
    if out.json {
        let left = plan.left.iter().map(|path| path.display().to_string()).collect();
        return out.json_indented(&Report { dry_run: place.dry_run, changes, left });
    }
    if changes.is_empty() {
        return out.line("already so");
    }
    changes.iter().try_for_each(|change| out.line(change))
}
