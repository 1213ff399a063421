//! Giving a domain the device through libvirt.

use std::path::PathBuf;

use thiserror::Error;

use super::{
    BackupError, Backups, Connection, Judgement, LibvirtError, Listed, Probe, Scope, Standing, Wish,
};
use crate::{Action, Domain, Layout, PciAddress, Plan, Refused, Request, Slot, Unreadable, hot_plug};

/// Changes domains of one libvirt, one after the other.
#[derive(Debug)]
pub struct Changes<'a> {
    connection: &'a Connection,
    request: &'a Request,
    backups: &'a mut Backups,
    probe: Probe<'a>,
}

/// What became of a domain.
#[derive(Debug)]
pub struct Changed {
    /// What was done to its configuration.
    pub config: Action,
    /// What was done to it as it runs.
    pub live: Action,
    /// Where its configuration from before is, if that was changed.
    pub backup: Option<PathBuf>,
    /// How it stands now.
    pub now: Judgement,
}

/// Why a domain is not changed.
#[derive(Debug, Error)]
pub enum ChangeError {
    /// It cannot be as wanted.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Its XML is not understood.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Its QEMU has no such device.
    #[error("the QEMU of this domain has no ivshmem ({0}): give it an <emulator> that has, or leave it out")]
    NoDevice(String),
    /// It has no configuration to change.
    #[error("the domain is transient: there is no configuration to change, only what runs; use --live")]
    Transient,
    /// Another device for the region is in the running domain.
    #[error(
        "the running domain has another device for the region: shut it down, then apply with --on-conflict replace"
    )]
    DiffersLive,
    /// It is not there to be rolled back.
    #[error(
        "the domain is not defined any more: virsh define {0:?} brings it back, on the connection that had it"
    )]
    NotDefined(PathBuf),
    /// Somebody has edited it since.
    #[error("the domain was edited since, in {}: --discard-edits takes that back, too", .0.join(", "))]
    Edited(Vec<String>),
    /// Somebody else changes it all the time.
    #[error("changed by another while it was being worked on, twice: nothing was done, run it again")]
    ChangedMeanwhile,
    /// libvirt said that it was done, and it is not.
    #[error("libvirt took the change and does not show it: look at virsh dumpxml; {}", backup_note(.0.as_ref()))]
    NotTaken(Option<PathBuf>),
    /// Some steps were done, and the next one failed.
    #[error("{source}; before that, {done}; {}", way_back(.backup.as_ref()))]
    Stopped {
        /// What was done.
        done: String,
        /// Where the configuration from before is, if it was to be changed.
        backup: Option<PathBuf>,
        /// Why it stopped.
        source: Box<ChangeError>,
    },
    /// There is no backup.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// libvirt refused, or failed.
    #[error(transparent)]
    Libvirt(#[from] LibvirtError),
}

fn backup_note(backup: Option<&PathBuf>) -> String {
    backup.map_or("nothing else was touched".to_owned(), |path| {
        format!("ivring-vm-config rollback --from {path:?} takes it back")
    })
}

/// What to do about a domain that is between two states, which is more than the device that differs.
fn way_back(backup: Option<&PathBuf>) -> String {
    backup.map_or("run it again".to_owned(), |path| {
        format!("ivring-vm-config rollback --from {path:?} --discard-edits takes that back")
    })
}

impl ChangeError {
    /// What it is in one word, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refused) => refused.reason.code(),
            Self::Unreadable(unreadable) => unreadable.code(),
            Self::NoDevice(_) => "no-device",
            Self::Transient => "transient",
            Self::DiffersLive => "differs-live",
            Self::NotDefined(_) => "not-defined",
            Self::Edited(_) => "edited",
            Self::ChangedMeanwhile => "changed-meanwhile",
            Self::NotTaken(_) => "not-taken",
            Self::Stopped { source, .. } => source.code(),
            Self::Backup(_) => "backup",
            Self::Libvirt(error) => error.code(),
        }
    }

    /// Whether it is a refusal, as against a failure.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Refused(_)
                | Self::NoDevice(_)
                | Self::Transient
                | Self::DiffersLive
                | Self::NotDefined(_)
                | Self::Edited(_)
        )
    }
}

/// What is to be done with a domain, decided and not done.
struct Steps {
    config: Action,
    live: Action,
    address: Option<PciAddress>,
    plan: Plan,
}

impl<'a> Changes<'a> {
    /// Changes at `connection` that fulfil `request`. The configuration of each domain goes to `backups` before.
    #[must_use]
    pub fn new(connection: &'a Connection, request: &'a Request, backups: &'a mut Backups) -> Self {
        Self { connection, request, backups, probe: Probe::new(connection) }
    }

    /// At which address [`install`](Self::install) would put the device, unless libvirt chooses it, or what it would refuse.
    /// Nothing is changed.
    ///
    /// # Errors
    ///
    /// [`ChangeError`].
    pub fn check(&mut self, domain: &Listed, live: bool) -> Result<Option<PciAddress>, ChangeError> {
        let (config, running) = self.documents(domain, live)?;
        self.steps(config.as_deref(), running.as_deref(), live).map(|steps| steps.address)
    }

    /// Gives `domain` the device: its configuration, and with `live` also what runs, both or neither. It has one step, on the
    /// side of libvirt, so that nothing of it can be half done.
    ///
    /// # Errors
    ///
    /// [`ChangeError`]; unless it is [`ChangeError::Stopped`] or [`ChangeError::NotTaken`], nothing has changed as far as virsh
    /// could tell. The backup is there wherever something has.
    pub fn install(&mut self, domain: &Listed, live: bool) -> Result<Changed, ChangeError> {
        for _ in 0..2 {
            let (config, running) = self.documents(domain, live)?;
            let steps = self.steps(config.as_deref(), running.as_deref(), live)?;
            let mut backup = None;
            if let Some(config) = config.as_deref().filter(|_| steps.config != Action::Nothing) {
                backup = Some(self.backups.keep(&domain.uuid, config)?);
            }
            match self.carry_out(domain, config.as_deref(), &steps) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error) => {
                    let before = config.as_deref().unwrap_or_default();
                    discard_unused(self.connection, self.backups, domain, before, &error);
                    return Err(error);
                }
            }
            let now = self.judge(domain).map_err(|source| ChangeError::Stopped {
                done: "libvirt took the change".to_owned(),
                backup: backup.clone(),
                source: Box::new(source),
            })?;
            let live_done = steps.live == Action::Nothing
                || now.live.as_ref().is_some_and(|live| live.action() == Action::Nothing);
            if !live_done || !matches!(now.standing, Standing::AsWanted | Standing::Waiting(_)) {
                return Err(ChangeError::NotTaken(backup));
            }
            return Ok(Changed { config: steps.config, live: steps.live, backup, now });
        }
        self.backups.discard(&domain.uuid);
        Err(ChangeError::ChangedMeanwhile)
    }

    /// Does what `steps` say with `domain`, whose configuration was `config`; `false` if it is another by now and has to be
    /// looked at again.
    fn carry_out(&self, domain: &Listed, config: Option<&str>, steps: &Steps) -> Result<bool, ChangeError> {
        if steps.config == Action::Replace {
            let before = config.unwrap_or_default();
            // libvirt takes whole domains without asking what they were: look once more, as late as possible.
            if self.connection.secure_config(&domain.uuid)? != before {
                return Ok(false);
            }
            self.connection.define(&steps.plan.carry_out(&Domain::read(before.as_bytes())?))?;
        } else if let Some(scope) = scope(steps.config, steps.live) {
            let element = steps.plan.device().libvirt_xml(steps.address, &Layout::default());
            self.connection.attach(&domain.uuid, &element, scope)?;
        }
        Ok(true)
    }

    /// How `domain` stands now.
    fn judge(&self, domain: &Listed) -> Result<Judgement, ChangeError> {
        let documents = self.connection.documents_of(domain)?;
        Ok(Judgement::new(domain, &documents, self.request, Wish::Present))
    }

    /// The configuration with its secrets, and with `live` how the domain runs.
    fn documents(
        &self,
        domain: &Listed,
        live: bool,
    ) -> Result<(Option<String>, Option<String>), ChangeError> {
        if !domain.persistent && !live {
            return Err(ChangeError::Transient);
        }
        let config = domain.persistent.then(|| self.connection.secure_config(&domain.uuid)).transpose()?;
        let running = (domain.running && live).then(|| self.connection.live(&domain.uuid)).transpose()?;
        Ok((config, running))
    }

    fn steps(
        &mut self,
        config: Option<&str>,
        running: Option<&str>,
        live: bool,
    ) -> Result<Steps, ChangeError> {
        let config = config.map(|text| Domain::read(text.as_bytes())).transpose()?;
        let running = running.map(|text| Domain::read(text.as_bytes())).transpose()?;
        let domain = config.as_ref().or(running.as_ref()).ok_or(ChangeError::Transient)?;
        if let Err(message) = self.probe.has(domain, self.request.device_for(domain)?.model)? {
            return Err(ChangeError::NoDevice(message));
        }
        let plan = Plan::install(domain, self.request)?;
        let action = config.as_ref().map_or(Action::Nothing, |_| plan.action());
        let mut steps = Steps { config: action, live: Action::Nothing, address: plan.address(), plan };
        let Some(running) = running.filter(|_| live) else {
            return Ok(steps);
        };
        // The address it has in the configuration is no difference: it may be another in what runs.
        let anywhere = self.request.clone().with_slot(Slot::Auto);
        steps.live = match Plan::install(&running, &anywhere)?.action() {
            Action::Insert if steps.config == Action::Replace => return Err(ChangeError::DiffersLive),
            Action::Replace | Action::Remove => return Err(ChangeError::DiffersLive),
            action => action,
        };
        if steps.live == Action::Nothing {
            return Ok(steps);
        }
        steps.address = Some(hot_plug(&running, config.as_ref(), self.request)?);
        Ok(steps)
    }
}

/// Takes back the backup of `domain` after a change that failed with `error`, unless something of it may have been done: a
/// virsh that is killed or loses its connection may fail when libvirt has made the change. `before` is the configuration from
/// before.
pub(super) fn discard_unused(
    connection: &Connection,
    backups: &mut Backups,
    domain: &Listed,
    before: &str,
    error: &ChangeError,
) {
    let never_asked =
        matches!(error, ChangeError::Libvirt(LibvirtError::Connect { .. } | LibvirtError::NoVirsh));
    if never_asked || connection.secure_config(&domain.uuid).is_ok_and(|now| now == before) {
        backups.discard(&domain.uuid);
    }
}

fn scope(config: Action, live: Action) -> Option<Scope> {
    match (config, live) {
        (Action::Nothing, Action::Nothing) => None,
        (Action::Nothing, _) => Some(Scope::Live),
        (_, Action::Nothing) => Some(Scope::Config),
        _ => Some(Scope::Both),
    }
}
