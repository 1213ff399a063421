//! The regions that are served: those named, and those that a pattern finds as they appear.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ivring_proto::session::Uuid;

use super::error::DaemonError;
use super::options::Options;
use crate::desk::{Hosts, RegionId};
use crate::region_file::RegionLost;
use crate::region_glob::{FoundRegion, RegionGlob};
use crate::region_name::region_path;
use crate::{Host, OpenError};

/// One region.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) id: RegionId,
    pub(super) host: Host,
    /// True when a pattern found it.
    found: bool,
}

/// All regions.
#[derive(Debug)]
pub(super) struct Regions {
    served: Vec<Served>,
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
        let mut regions =
            Regions { served: Vec::new(), globs: Vec::new(), failing: BTreeMap::new(), template, last_id: 0 };
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
        self.served.push(Served { id: RegionId(self.last_id), host, found });
        Ok(())
    }

    /// Opens regions that have appeared. One that cannot be opened is told once for each reason, and tried again at the
    /// next call. Meant to be called each second.
    pub(super) fn look_for_new(&mut self) {
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

    fn forget(&mut self, path: &Path) {
        for glob in &mut self.globs {
            glob.forget(path);
        }
    }

    /// Closes a region whose file was taken away.
    ///
    /// # Errors
    ///
    /// When it was the last of those named.
    pub(super) fn close(&mut self, id: RegionId, lost: &RegionLost) -> Result<(), DaemonError> {
        let Some(index) = self.served.iter().position(|served| served.id == id) else { return Ok(()) };
        let served = self.served.remove(index);
        tracing::error!("{lost}");
        self.forget(served.host.path());
        if !served.found && self.served.iter().all(|served| served.found) {
            return Err(DaemonError::NothingLeft);
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
    fn all(&self) -> impl Iterator<Item = (RegionId, &Host)> {
        self.served.iter().map(|served| (served.id, &served.host))
    }

    fn host(&mut self, region: RegionId) -> Option<&mut Host> {
        self.served.iter_mut().find(|served| served.id == region).map(|served| &mut served.host)
    }
}
