//! Giving a domain back the configuration it had.

use std::path::PathBuf;

use super::change::discard_unused;
use super::{Backups, ChangeError, Connection, Listed, Saved, Waiting};
use crate::{Domain, Existing, Request, edits_since, unified};

/// Rolls domains of one libvirt back, one after the other.
#[derive(Debug)]
pub struct Rollback<'a> {
    connection: &'a Connection,
    request: &'a Request,
    discard_edits: bool,
}

/// What became of a domain.
#[derive(Debug)]
pub struct RolledBack {
    /// Where the configuration is that it had until now.
    pub backup: PathBuf,
    /// What has to happen before it runs as it is configured now.
    pub waiting: Option<Waiting>,
}

/// How a domain's configuration differs from the one that was kept.
struct Difference {
    now: String,
    /// Whether anything but the device of the request and its controllers differs.
    edited: bool,
}

impl<'a> Rollback<'a> {
    /// Rollback at `connection`. What differs beside the device of `request` and the controllers that came with it was
    /// edited by somebody since, and is lost only with `discard_edits`.
    #[must_use]
    pub fn new(connection: &'a Connection, request: &'a Request, discard_edits: bool) -> Self {
        Self { connection, request, discard_edits }
    }

    /// What [`roll_back`](Self::roll_back) would change, as a unified diff with secrets covered, or what it would refuse;
    /// `None` if there is nothing to do. Nothing is changed.
    ///
    /// # Errors
    ///
    /// [`ChangeError`].
    pub fn check(&self, domain: &Listed, saved: &Saved) -> Result<Option<String>, ChangeError> {
        let difference = self.difference(domain, saved)?;
        Ok(difference.map(|difference| unified(&domain.name, &difference.now, &saved.xml)))
    }

    /// The name of the region of the device, and whether it is in the configuration `saved`.
    ///
    /// # Errors
    ///
    /// [`ChangeError`] if that cannot be said of it.
    pub fn region(&self, saved: &Saved) -> Result<(String, bool), ChangeError> {
        let domain = Domain::read(saved.xml.as_bytes())?;
        let name = self.request.device_for(&domain)?.region.name().to_owned();
        let has_it = domain.existing().iter().any(|shmem| shmem.name() == name);
        Ok((name, has_it))
    }

    /// Gives `domain` the configuration `saved`; the one it has goes to `backups` before. `None` if it has it already.
    ///
    /// # Errors
    ///
    /// [`ChangeError`]; unless it is [`ChangeError::NotTaken`] or [`ChangeError::Stopped`], nothing has changed.
    pub fn roll_back(
        &self,
        domain: &Listed,
        saved: &Saved,
        backups: &mut Backups,
    ) -> Result<Option<RolledBack>, ChangeError> {
        for _ in 0..2 {
            let Some(difference) = self.difference(domain, saved)? else {
                return Ok(None);
            };
            let backup = backups.keep(&domain.uuid, &difference.now)?;
            match self.define(domain, saved, &difference) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error) => {
                    discard_unused(self.connection, backups, domain, &difference.now, &error);
                    return Err(error);
                }
            }
            return match self.finish(domain, saved, &difference) {
                Ok(Some(waiting)) => Ok(Some(RolledBack { backup, waiting })),
                Ok(None) => Err(ChangeError::NotTaken(Some(backup))),
                Err(error) => Err(ChangeError::Stopped {
                    done: "the configuration was set back".to_owned(),
                    backup: Some(backup),
                    source: Box::new(error),
                }),
            };
        }
        backups.discard(&domain.uuid);
        Err(ChangeError::ChangedMeanwhile)
    }

    /// Defines `saved`; not, and `false`, if the configuration is not what it was any more.
    fn define(&self, domain: &Listed, saved: &Saved, difference: &Difference) -> Result<bool, ChangeError> {
        // libvirt takes whole domains without asking what they were: look once more, as late as possible.
        if self.connection.secure_config(&domain.uuid)? != difference.now {
            return Ok(false);
        }
        self.connection.define(&saved.xml)?;
        Ok(true)
    }

    /// What has to happen before the domain runs so; outer `None` if libvirt shows another configuration than `saved`.
    fn finish(
        &self,
        domain: &Listed,
        saved: &Saved,
        difference: &Difference,
    ) -> Result<Option<Option<Waiting>>, ChangeError> {
        let now = self.connection.secure_config(&domain.uuid)?;
        let (before, now) = (Domain::read(saved.xml.as_bytes())?, Domain::read(now.as_bytes())?);
        if !self.edits(&before, &now)?.is_empty() || !self.has_same_device(&before, &now)? {
            return Ok(None);
        }
        self.waiting(domain, !self.devices(&before)?.is_empty(), difference.edited).map(Some)
    }

    /// How the configuration of `domain` differs from `saved`; `None` if it does not.
    fn difference(&self, domain: &Listed, saved: &Saved) -> Result<Option<Difference>, ChangeError> {
        if !domain.persistent {
            return Err(ChangeError::NotDefined(saved.path.clone()));
        }
        let text = self.connection.secure_config(&domain.uuid)?;
        if text == saved.xml {
            return Ok(None);
        }
        let (before, now) = (Domain::read(saved.xml.as_bytes())?, Domain::read(text.as_bytes())?);
        let edits = self.edits(&before, &now)?;
        if edits.is_empty() && self.has_same_device(&before, &now)? {
            return Ok(None);
        }
        if !edits.is_empty() && !self.discard_edits {
            return Err(ChangeError::Edited(edits));
        }
        let edited = !edits.is_empty();
        Ok(Some(Difference { now: text, edited }))
    }

    fn edits(&self, before: &Domain<'_>, now: &Domain<'_>) -> Result<Vec<String>, ChangeError> {
        let device = self.request.device_for(before)?;
        Ok(edits_since(before, now, device.region.name()))
    }

    /// Whether both have the same device, or both have none.
    fn has_same_device(&self, before: &Domain<'_>, now: &Domain<'_>) -> Result<bool, ChangeError> {
        let elements = |domain: &Domain<'_>| -> Result<Vec<String>, ChangeError> {
            let devices = self.devices(domain)?;
            let texts = devices.iter().filter_map(|shmem| domain.text().get(shmem.range()));
            Ok(texts.map(str::to_owned).collect())
        };
        Ok(elements(before)? == elements(now)?)
    }

    fn devices<'d>(&self, domain: &'d Domain<'_>) -> Result<Vec<&'d Existing>, ChangeError> {
        let device = self.request.device_for(domain)?;
        let name = device.region.name();
        Ok(domain.existing().iter().filter(|shmem| shmem.name() == name).collect())
    }

    /// What has to happen before `domain` runs as it is configured: with or without the device, and without what was
    /// `edited`.
    fn waiting(&self, domain: &Listed, present: bool, edited: bool) -> Result<Option<Waiting>, ChangeError> {
        let documents = self.connection.documents_of(domain)?;
        let is_so = |text: &str| -> Result<bool, ChangeError> {
            let domain = Domain::read(text.as_bytes())?;
            Ok(!edited && self.devices(&domain)?.is_empty() != present)
        };
        let waiting = match (documents.live, documents.saved) {
            (Some(live), _) => (!is_so(&live)?).then_some(Waiting::ColdStart),
            (None, Some(saved)) => (!is_so(&saved)?).then_some(Waiting::SavedState),
            (None, None) => domain.managed_save.then_some(Waiting::SavedState),
        };
        Ok(waiting)
    }
}
