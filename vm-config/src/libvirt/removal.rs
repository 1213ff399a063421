//! Taking the device from a domain through libvirt.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::change::discard_unused;
use super::{Backups, ChangeError, Connection, Judgement, LibvirtError, Listed, Scope, Standing, Wish};
use crate::{Action, Domain, Existing, Plan, Request, added_controllers, edits_since};

/// How often a running domain is looked at while its guest is to let go of the device.
const POLL: Duration = Duration::from_millis(250);

/// Takes the device from domains of one libvirt, one after the other.
#[derive(Debug)]
pub struct Removal<'a> {
    connection: &'a Connection,
    request: &'a Request,
    backups: &'a mut Backups,
    patience: Duration,
}

/// What became of a domain.
#[derive(Debug)]
pub struct Removed {
    /// Whether its guest was asked to let go of the device and has not.
    pub held: bool,
    /// What became of the PCI controllers that libvirt had added for the device.
    pub controllers: Controllers,
    /// Where its configuration from before is, if that was changed.
    pub backup: Option<PathBuf>,
    /// How it stands now.
    pub now: Judgement,
}

/// The PCI controllers that libvirt added to a configuration for the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controllers {
    /// There are so many, which go with it.
    Known(usize),
    /// There may be some, which stay: there is no backup of the domain from before it got the device.
    NoBackup,
    /// They stay: somebody else changed the domain at the same time, and may use them.
    InDoubt,
}

/// What is to go, and what it was found in.
struct Doomed {
    /// The configuration, if something of it is to go.
    config: Option<Config>,
    /// The elements of the devices in the running domain.
    live: Vec<String>,
}

struct Config {
    text: String,
    /// The name of the region.
    region: String,
    /// The text without the devices.
    without: String,
    /// The elements of the devices.
    devices: Vec<String>,
    /// The elements of the controllers that came with them; `None` if that cannot be known.
    controllers: Option<Vec<String>>,
}

impl Doomed {
    fn controllers(&self) -> Controllers {
        match &self.config {
            None => Controllers::Known(0),
            Some(config) => config
                .controllers
                .as_ref()
                .map_or(Controllers::NoBackup, |controllers| Controllers::Known(controllers.len())),
        }
    }
}

impl<'a> Removal<'a> {
    /// Removal of the device of `request` at `connection`. The configuration of each domain goes to `backups` before, and
    /// what is there from earlier tells which controllers have come with the device. A guest gets the time `patience` to
    /// let go of it.
    #[must_use]
    pub fn new(
        connection: &'a Connection,
        request: &'a Request,
        backups: &'a mut Backups,
        patience: Duration,
    ) -> Self {
        Self { connection, request, backups, patience }
    }

    /// Says which controllers [`remove`](Self::remove) would take out too, or what it would refuse. Nothing is changed.
    ///
    /// # Errors
    ///
    /// [`ChangeError`].
    pub fn check(&self, domain: &Listed, live: bool) -> Result<Controllers, ChangeError> {
        self.doomed(domain, live).map(|doomed| doomed.controllers())
    }

    /// Takes the device from the configuration of `domain`, with the PCI controllers that libvirt had added for it, and
    /// with `live` from what runs. Blocks until the guest has let go of it, at most as long as libvirt itself waits
    /// (5 seconds) and then the patience lasts.
    ///
    /// The running domain is asked first, as it may be unable to; then each device and each controller goes in one step. If
    /// one of these fails the configuration is put back as it was, if that can be done.
    ///
    /// # Errors
    ///
    /// [`ChangeError`]; unless it is [`ChangeError::Stopped`] or [`ChangeError::NotTaken`], nothing has changed as far as virsh
    /// could tell. The backup is there wherever something has.
    pub fn remove(&mut self, domain: &Listed, live: bool) -> Result<Removed, ChangeError> {
        let doomed = self.doomed(domain, live)?;
        let mut backup = None;
        if let Some(config) = &doomed.config {
            backup = Some(self.backups.keep(&domain.uuid, &config.text)?);
        }
        let mut done = Vec::new();
        let (held, controllers, now) = match self.take(domain, &doomed, &mut done) {
            Ok(taken) => taken,
            Err(error) if done.is_empty() => {
                let before = doomed.config.as_ref().map_or("", |config| &config.text);
                discard_unused(self.connection, self.backups, domain, before, &error);
                return Err(error);
            }
            Err(error) => {
                return Err(ChangeError::Stopped { done: done.join(", "), backup, source: Box::new(error) });
            }
        };
        if doomed.config.is_some() && !matches!(now.standing, Standing::AsWanted | Standing::Waiting(_)) {
            return Err(ChangeError::NotTaken(backup));
        }
        Ok(Removed { held, controllers, backup, now })
    }

    fn doomed(&self, domain: &Listed, live: bool) -> Result<Doomed, ChangeError> {
        if !domain.persistent && !live {
            return Err(ChangeError::Transient);
        }
        let config = domain.persistent.then(|| self.connection.secure_config(&domain.uuid)).transpose()?;
        let config = config.map(|text| self.config(&domain.uuid, text)).transpose()?.flatten();
        let running = (domain.running && live).then(|| self.connection.live(&domain.uuid)).transpose()?;
        let live = match &running {
            Some(text) => {
                let domain = Domain::read(text.as_bytes())?;
                elements(&domain, &self.own(&domain)?)
            }
            None => Vec::new(),
        };
        Ok(Doomed { config, live })
    }

    /// What is to go from the configuration `text` of the domain `uuid`; `None` if nothing is.
    fn config(&self, uuid: &str, text: String) -> Result<Option<Config>, ChangeError> {
        let domain = Domain::read(text.as_bytes())?;
        let plan = Plan::remove(&domain, self.request)?;
        let own = own(&plan, &domain);
        if own.is_empty() {
            return Ok(None);
        }
        let region = plan.device().region.name().to_owned();
        let controllers = if own.iter().all(|shmem| shmem.address().is_none_or(|it| it.bus() == 0)) {
            // For a device on bus 0 libvirt adds none.
            Some(Vec::new())
        } else {
            self.before(uuid).map(|before| controllers(&before, &domain, &region))
        };
        let (without, devices) = (plan.carry_out(&domain), elements(&domain, &own));
        Ok(Some(Config { region, without, devices, controllers, text }))
    }

    /// The devices of `domain` that are to go.
    fn own<'d>(&self, domain: &'d Domain<'_>) -> Result<Vec<&'d Existing>, ChangeError> {
        Ok(own(&Plan::remove(domain, self.request)?, domain))
    }

    /// The newest backup of the domain `uuid` without the device.
    fn before(&self, uuid: &str) -> Option<String> {
        self.backups.of(uuid).find(|text| {
            Domain::read(text.as_bytes()).is_ok_and(|domain| {
                Plan::remove(&domain, self.request).is_ok_and(|plan| plan.action() == Action::Nothing)
            })
        })
    }

    /// Takes it all away; what of it has succeeded goes to `done`.
    fn take(
        &self,
        domain: &Listed,
        doomed: &Doomed,
        done: &mut Vec<String>,
    ) -> Result<(bool, Controllers, Judgement), ChangeError> {
        let uuid = &domain.uuid;
        for element in &doomed.live {
            match self.connection.detach(uuid, element, Scope::Live) {
                Err(error) if !is_under_way(&error) => return Err(error.into()),
                _ => done.push("the guest was asked to let go of the device".to_owned()),
            }
        }
        let mut controllers = doomed.controllers();
        if let Some(config) = &doomed.config {
            let before = done.len();
            match self.take_from_config(uuid, config, done) {
                Ok(true) => {}
                Ok(false) => controllers = Controllers::InDoubt,
                Err(error) => {
                    // Whoever removes it again would find no device, and would not look for what had come with it.
                    let steps = done.len() - before;
                    if steps > 0 && self.put_back(uuid, config, steps).unwrap_or(false) {
                        done.truncate(before);
                    }
                    return Err(error);
                }
            }
        }
        let held = !doomed.live.is_empty() && self.is_held(uuid)?;
        Ok((held, controllers, self.judge(domain)?))
    }

    /// Takes the devices and the controllers out of the configuration; `false` if the controllers stay.
    fn take_from_config(
        &self,
        uuid: &str,
        config: &Config,
        done: &mut Vec<String>,
    ) -> Result<bool, ChangeError> {
        for element in &config.devices {
            self.connection.detach(uuid, element, Scope::Config)?;
            done.push("the device was taken from the configuration".to_owned());
        }
        self.take_controllers(uuid, config, done)
    }

    /// Defines `config` as it was before so many steps of [`Self::take_from_config`]; not, and `false`, if anything is not as
    /// these have left it.
    fn put_back(&self, uuid: &str, config: &Config, steps: usize) -> Result<bool, ChangeError> {
        let mut expected = config.without.clone();
        let gone = steps.saturating_sub(config.devices.len());
        for element in config.controllers.iter().flatten().take(gone) {
            expected = expected.replacen(element, "", 1);
        }
        let now = self.connection.secure_config(uuid)?;
        let (expected, now) = (Domain::read(expected.as_bytes())?, Domain::read(now.as_bytes())?);
        if !edits_since(&expected, &now, &config.region).is_empty() {
            return Ok(false);
        }
        self.connection.define(&config.text)?;
        Ok(true)
    }

    /// Takes the controllers out that came with the devices, which are gone; not, and `false`, if anything else is not as it
    /// was in `config`.
    fn take_controllers(
        &self,
        uuid: &str,
        config: &Config,
        done: &mut Vec<String>,
    ) -> Result<bool, ChangeError> {
        let controllers = config.controllers.as_deref().unwrap_or_default();
        if controllers.is_empty() {
            return Ok(true);
        }
        // libvirt takes a controller from a configuration without asking who sits on it.
        let now = self.connection.secure_config(uuid)?;
        let (expected, now) = (Domain::read(config.without.as_bytes())?, Domain::read(now.as_bytes())?);
        if !edits_since(&expected, &now, &config.region).is_empty() {
            return Ok(false);
        }
        for element in controllers {
            self.connection.detach(uuid, element, Scope::Config)?;
            done.push("a PCI controller that had come with it was taken out".to_owned());
        }
        Ok(true)
    }

    /// Whether the running domain `uuid` still has the device when the time is over.
    fn is_held(&self, uuid: &str) -> Result<bool, ChangeError> {
        let deadline = Instant::now() + self.patience;
        loop {
            let text = self.connection.live(uuid)?;
            let held = !self.own(&Domain::read(text.as_bytes())?)?.is_empty();
            if !held || Instant::now() >= deadline {
                return Ok(held);
            }
            thread::sleep(POLL);
        }
    }

    fn judge(&self, domain: &Listed) -> Result<Judgement, ChangeError> {
        let documents = self.connection.documents_of(domain)?;
        Ok(Judgement::new(domain, &documents, self.request, Wish::Absent))
    }
}

/// The devices of `domain` that `plan` takes out.
fn own<'d>(plan: &Plan, domain: &'d Domain<'_>) -> Vec<&'d Existing> {
    let name = plan.device().region.name();
    let doomed = plan.action() == Action::Remove;
    domain.existing().iter().filter(|shmem| doomed && shmem.name() == name).collect()
}

fn elements(domain: &Domain<'_>, own: &[&Existing]) -> Vec<String> {
    own.iter().filter_map(|shmem| domain.text().get(shmem.range())).map(str::to_owned).collect()
}

/// The elements of the controllers of `now` that libvirt had added for the device of the region `name`.
fn controllers(before: &str, now: &Domain<'_>, name: &str) -> Vec<String> {
    let ranges = Domain::read(before.as_bytes()).map(|before| added_controllers(&before, now, name));
    let texts = ranges.unwrap_or_default().into_iter().filter_map(|range| now.text().get(range));
    texts.map(str::to_owned).collect()
}

/// Whether QEMU refuses because an earlier request is still under way, or libvirt because that has ended by now.
fn is_under_way(error: &LibvirtError) -> bool {
    let LibvirtError::Failed { message, .. } = error else {
        return false;
    };
    message.contains("in the process of unplug") || message.contains("device not found")
}
