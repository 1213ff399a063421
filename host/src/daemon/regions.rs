//! The regions that are served: those named, and those that a pattern finds as they appear. One that is lost is looked for
//! again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ivring_proto::session::Uuid;

use super::error::DaemonError;
use super::options::Options;
use crate::desk::{Hosts, RegionId};
use crate::listing::NotServed;
use crate::reformat::reformat;
use crate::region_file::RegionLost;
use crate::region_glob::{FoundRegion, RegionGlob, has_content};
use crate::region_name::region_path;
use crate::{Host, OpenError};

/// One region.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) id: RegionId,
    pub(super) host: Host,
    /// What the command line calls it; `None` when a pattern found it.
    named: Option<String>,
}

/// A region that the command line names and that was lost.
#[derive(Debug)]
struct Lost {
    named: String,
    path: PathBuf,
    why: String,
    /// Why the file that is there now is not taken.
    not_taken: Option<String>,
}

impl Lost {
    fn reason(&self) -> String {
        match &self.not_taken {
            None => self.why.clone(),
            Some(not_taken) => format!("{}; it cannot be opened again: {not_taken}", self.why),
        }
    }
}

/// All regions.
#[derive(Debug)]
pub(super) struct Regions {
    served: Vec<Served>,
    lost: Vec<Lost>,
    globs: Vec<RegionGlob>,
    /// Files that a pattern found and that could not be opened, with the reason told.
    failing: BTreeMap<PathBuf, String>,
    template: crate::Options,
    last_id: u64,
}

impl Regions {
    /// Opens what the command line names, and what its patterns find now.
    pub(super) fn open(options: &Options, state_folder: Option<&Path>) -> Result<Self, DaemonError> {
        let template = crate::Options {
            size: options.size,
            channels: options.channels,
            profile: options.profile,
            max_message: options.max_message,
            max_reassembly: usize::try_from(options.max_reassembly).unwrap_or(usize::MAX),
            repeat_window: options.repeat_window,
            state_folder: state_folder.map(Path::to_owned),
            ..crate::Options::new("")
        };
        let mut regions = Regions {
            served: Vec::new(),
            lost: Vec::new(),
            globs: Vec::new(),
            failing: BTreeMap::new(),
            template,
            last_id: 0,
        };
        let mut named = Vec::new();
        // All of them are read before the first is made.
        for region in &options.region {
            if RegionGlob::is_pattern(region) {
                regions.globs.push(RegionGlob::new(region)?);
            } else {
                named.push((region, region_path(region).map_err(OpenError::from)?));
            }
        }
        for (region, path) in named {
            if !regions.is_served(&path) {
                if options.reformat {
                    reformat(&crate::Options { region: region.clone(), ..regions.template.clone() })?;
                }
                regions.add(region, None)?;
            }
        }
        regions.look_for_new();
        Ok(regions)
    }

    fn is_served(&self, path: &Path) -> bool {
        self.served.iter().any(|served| served.host.path() == path)
    }

    fn add(&mut self, region: &str, owner: Option<Uuid>) -> Result<(), OpenError> {
        let found = owner.is_some();
        // What a pattern found keeps the size it has.
        let size = self.template.size.filter(|_| !found);
        let host =
            Host::open(crate::Options { region: region.to_owned(), owner, size, ..self.template.clone() })?;
        let path = host.path();
        let geometry = host.geometry();
        tracing::info!("{}: {} channels in {} bytes", path.display(), geometry.channels(), geometry.size());
        let sessions = host.guests().len();
        if sessions > 0 {
            tracing::info!("{}: {sessions} sessions of an earlier ivringd go on", path.display());
        }
        self.last_id += 1;
        let named = (!found).then(|| region.to_owned());
        self.served.push(Served { id: RegionId(self.last_id), host, named });
        Ok(())
    }

    /// Opens regions that have appeared, and named ones that were lost and have a file again. One that cannot be opened is
    /// told once for each reason, and tried again at the next call. Meant to be called each second.
    pub(super) fn look_for_new(&mut self) {
        self.look_for_lost();
        let found: Vec<FoundRegion> = self.globs.iter_mut().flat_map(RegionGlob::appeared).collect();
        let mut failing = BTreeMap::new();
        for FoundRegion { path, owner } in found {
            if self.is_served(&path) {
                continue;
            }
            // A pattern is text, and so is what it was joined to; other names it cannot match.
            let Some(region) = path.to_str() else { continue };
            if let Err(error) = self.add(region, Some(owner)) {
                let text = error.to_string();
                if self.failing.get(&path) != Some(&text) {
                    tracing::error!("{text}");
                }
                self.forget(&path);
                failing.insert(path, text);
            }
        }
        self.failing = failing;
    }

    fn look_for_lost(&mut self) {
        for mut lost in std::mem::take(&mut self.lost) {
            // None is made: a VM that starts makes it, and one that still runs has the old memory whatever is made here. One
            // that is empty is left to whoever is making it.
            if !has_content(&lost.path) {
                lost.not_taken = None;
                self.lost.push(lost);
            } else if let Err(error) = self.add(&lost.named, None) {
                let text = error.to_string();
                if lost.not_taken.as_ref() != Some(&text) {
                    tracing::error!("{text}");
                }
                lost.not_taken = Some(text);
                self.lost.push(lost);
            }
        }
    }

    fn forget(&mut self, path: &Path) {
        for glob in &mut self.globs {
            glob.forget(path);
        }
    }

    /// Closes a region whose file was taken away. It is looked for again, and others go on.
    ///
    /// # Errors
    ///
    /// When it was named and there is no other.
    pub(super) fn close(&mut self, id: RegionId, lost: &RegionLost) -> Result<(), DaemonError> {
        let Some(index) = self.served.iter().position(|served| served.id == id) else { return Ok(()) };
        let served = self.served.remove(index);
        tracing::error!("{lost}");
        let path = served.host.path().to_owned();
        // Before it is opened anew: this one has the file's lock.
        drop(served.host);
        match served.named {
            None => self.forget(&path),
            Some(_) if self.served.is_empty() => return Err(DaemonError::NothingLeft),
            Some(named) => {
                tracing::info!("{}: looked for again each second", path.display());
                self.lost.push(Lost { named, path, why: lost.to_string(), not_taken: None });
            }
        }
        Ok(())
    }

    pub(super) fn all(&self) -> &[Served] {
        &self.served
    }

    pub(super) fn all_mut(&mut self) -> &mut [Served] {
        &mut self.served
    }

    /// Gives the regions up, to leave them.
    pub(super) fn take(&mut self) -> Vec<Served> {
        std::mem::take(&mut self.served)
    }
}

impl Hosts for Regions {
    fn not_served(&self) -> Vec<NotServed> {
        let lost = self.lost.iter().map(|lost| NotServed::new(&lost.path, lost.reason()));
        let failing = self.failing.iter().map(|(path, why)| NotServed::new(path, why.clone()));
        lost.chain(failing).collect()
    }

    fn all(&self) -> impl Iterator<Item = (RegionId, &Host)> {
        self.served.iter().map(|served| (served.id, &served.host))
    }

    fn host(&mut self, region: RegionId) -> Option<&mut Host> {
        self.served.iter_mut().find(|served| served.id == region).map(|served| &mut served.host)
    }
}
