//! Plugs the device in: memory first, then the device; all of it, or nothing.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::detach::{let_go, release};
use super::elsewhere::is_elsewhere;
use super::seen::{InGuest, Seen, find};
use super::survey::{BACKEND, DEVICE};
use super::{Backend, Ids, Monitor, MonitorError, Place, Present, QmpError, Survey, Wanted, file};
use crate::{Shmem, Size};

/// How long a running guest is watched taking the device. It takes a fraction of a second on an idle machine.
const GUEST_TAKES: Duration = Duration::from_secs(5);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(100);

/// What there is to do so that a machine has the device.
#[derive(Debug, Clone)]
pub struct Attachment<'a> {
    region: &'a Shmem,
    ids: Ids,
    /// Where it goes, or is.
    place: Place,
    to_do: ToDo,
}

/// What is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ToDo {
    /// All of it is there.
    Nothing,
    /// Its memory is there, as a detach leaves it that was not waited for.
    Device,
    /// Both; and whether the region's file is there.
    MemoryAndDevice { has_file: bool },
}

/// The device as QEMU has it.
#[derive(Debug, Clone)]
pub struct Attached {
    /// Its bus and slot.
    pub place: Place,
    /// The device, and its address where the guest has numbered its buses.
    pub seen: Seen,
    /// Its memory.
    pub backend: Backend,
}

impl<'a> Attachment<'a> {
    /// What there is to do in the machine of `survey` for `region`. Nothing is changed, not even the region's file.
    ///
    /// # Errors
    ///
    /// [`QmpError`], above all [`QmpError::Differs`] if there is another device for the region.
    pub fn plan(survey: &Survey, region: &'a Shmem, wanted: &Wanted) -> Result<Self, QmpError> {
        let (ids, path) = (Ids::of(region), region.path());
        let mut showing = survey.showing(&path);
        if let Some((device, backend)) = showing.next() {
            if showing.next().is_some() {
                return Err(differs(format!("several devices of the machine show {path}")));
            }
            check_backend(backend, region.size())?;
            check_place(device, wanted)?;
            let place = Place { bus: device.bus.clone(), slot: device.slot };
            return Ok(Self { region, ids, place, to_do: ToDo::Nothing });
        }
        let has_file = file::check(region)?;
        let left_over = survey.backends.iter().find(|backend| backend.id == ids.backend);
        if let Some(backend) = left_over {
            if backend.path != path {
                return Err(differs(format!("{} is memory from {} already", backend.id, backend.path)));
            }
            check_backend(backend, region.size())?;
        }
        if let Some(device) = survey.present.iter().find(|device| device.id == ids.device) {
            return Err(differs(format!("{} shows another memory", device.id)));
        }
        let place = survey.place(wanted)?;
        let to_do = match left_over {
            Some(_) => ToDo::Device,
            None => ToDo::MemoryAndDevice { has_file },
        };
        Ok(Self { region, ids, place, to_do })
    }

    /// Whether the machine has the device already.
    #[must_use]
    pub fn is_present(&self) -> bool {
        self.to_do == ToDo::Nothing
    }

    /// Where the device goes, or is.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Does what there is to do, and tells each step to `tell`. If one fails, everything before it is taken back. Afterwards
    /// a guest that runs is watched for some seconds, until it has found room for the device.
    ///
    /// The region's file, if QEMU has made it, stays in any case: somebody else may use it by then.
    ///
    /// # Errors
    ///
    /// [`QmpError`]; [`QmpError::Left`] if something could not be taken back.
    pub fn carry_out(
        &self,
        monitor: &mut Monitor,
        tell: &mut dyn FnMut(String),
    ) -> Result<Attached, QmpError> {
        if !self.is_present() {
            self.plug_in(monitor, tell)?;
        }
        let attached = self.verify(monitor)?;
        self.watch(monitor, attached)
    }

    fn plug_in(&self, monitor: &mut Monitor, tell: &mut dyn FnMut(String)) -> Result<(), QmpError> {
        let Ids { device, backend } = &self.ids;
        let (path, size, Place { bus, slot }) = (self.region.path(), self.region.size(), &self.place);
        if let ToDo::MemoryAndDevice { has_file } = self.to_do {
            let object = json!({ "qom-type": BACKEND, "id": backend, "mem-path": path, "size": size.bytes(), "share": true });
            if let Err(error) = monitor.execute("object-add", &object) {
                let done = Done { memory: may_be_done(&error), device: false };
                return Err(self.take_back(monitor, error.into(), done, tell));
            }
            let made = if has_file { "" } else { ", made by QEMU" };
            tell(format!("object-add {backend}: {path}, {size}, shared{made}"));
        } else {
            tell(format!("{backend} is there already: {path}, {size}, shared"));
        }
        let memory = self.to_do != ToDo::Device;
        if let Err(error) = self.check_file(monitor) {
            return Err(self.take_back(monitor, error, Done { memory, device: false }, tell));
        }
        let added = json!({ "driver": DEVICE, "id": device, "memdev": backend, "bus": bus, "addr": format!("{slot:#x}") });
        if let Err(error) = monitor.execute("device_add", &added) {
            let done = Done { memory, device: may_be_done(&error) };
            return Err(self.take_back(monitor, error.into(), done, tell));
        }
        tell(format!("device_add {device}: {DEVICE} on {bus}, slot {slot:#x}"));
        if let Err(error) = self.verify(monitor) {
            let done = Done { memory, device: true };
            return Err(self.take_back(monitor, error, done, tell));
        }
        Ok(())
    }

    /// Takes back what was done before `error`: the device first, or its memory cannot go.
    fn take_back(
        &self,
        monitor: &mut Monitor,
        error: QmpError,
        done: Done,
        tell: &mut dyn FnMut(String),
    ) -> QmpError {
        let Ids { device, backend } = &self.ids;
        let mut undo = || -> Result<(), String> {
            if done.device {
                match let_go(monitor, &format!("/machine/peripheral/{device}")) {
                    Ok(None) => tell(format!("taken back: device_del {device}")),
                    Ok(Some(held)) => return Err(format!("{device}: {held}")),
                    Err(error) if is_not_there(&error) => {}
                    Err(error) => return Err(format!("{device}: {error}")),
                }
            }
            if done.memory {
                match release(monitor, backend) {
                    Ok(()) => tell(format!("taken back: object-del {backend}")),
                    Err(error) if is_not_there(&error) => {}
                    Err(error) => return Err(format!("{backend}: {error}")),
                }
            }
            Ok(())
        };
        match undo() {
            Ok(()) => error,
            Err(left) => QmpError::Left { error: Box::new(error), left },
        }
    }

    /// Whether QEMU has what was asked for.
    fn verify(&self, monitor: &mut Monitor) -> Result<Attached, QmpError> {
        let wrong = |what: String| Err(QmpError::NotAsAsked { what });
        let survey = Survey::of(monitor)?;
        let path = self.region.path();
        let Some((device, backend)) = survey.showing(&path).next() else {
            return wrong(format!("it has no device that shows {path}"));
        };
        if (&device.bus, device.slot) != (&self.place.bus, self.place.slot) {
            return wrong(format!("put it on {}, slot {:#x}", device.bus, device.slot));
        }
        if check_backend(backend, self.region.size()).is_err() || !memory_is_so(monitor, backend)? {
            return wrong(format!("its memory {} is not {}, shared", backend.id, self.region.size()));
        }
        self.check_file(monitor)?;
        let seen = find(&monitor.execute("query-pci", &json!({}))?, device, backend.size);
        let Some(seen) = seen else {
            return wrong(format!("query-pci has no 1af4:1110 at slot {:#x} of {}", device.slot, device.bus));
        };
        Ok(Attached { place: self.place.clone(), seen, backend: backend.clone() })
    }

    /// Whether the file that QEMU has is the one that is here.
    fn check_file(&self, monitor: &Monitor) -> Result<(), QmpError> {
        let path = self.region.path();
        if is_elsewhere(monitor.stream(), &path) {
            return Err(QmpError::Elsewhere { path });
        }
        Ok(())
    }

    /// Watches a guest that runs taking the device.
    fn watch(&self, monitor: &mut Monitor, mut attached: Attached) -> Result<Attached, QmpError> {
        let status = monitor.execute("query-status", &json!({}))?;
        let deadline = Instant::now() + GUEST_TAKES.min(monitor.patience());
        while !self.is_present()
            && status["running"] == true
            && !matches!(attached.seen.in_guest, InGuest::At(_))
            && Instant::now() < deadline
        {
            thread::sleep(LOOK);
            attached = self.verify(monitor)?;
        }
        Ok(attached)
    }
}

/// What was done, as far as it is known: to be taken back.
#[derive(Debug, Clone, Copy)]
struct Done {
    memory: bool,
    device: bool,
}

/// What QEMU refuses it has not done; of what it does not answer nobody knows.
fn may_be_done(error: &MonitorError) -> bool {
    !matches!(error, MonitorError::Refused { .. })
}

fn is_not_there(error: &MonitorError) -> bool {
    matches!(error, MonitorError::Refused { reason, .. } if reason.contains("not found"))
}

fn differs(what: String) -> QmpError {
    QmpError::Differs { what }
}

fn check_backend(backend: &Backend, size: Size) -> Result<(), QmpError> {
    let Backend { id, path, size: found, share } = backend;
    if *found != size.bytes() {
        return Err(differs(format!("the machine has {path} with {found} bytes ({id}), not {size}")));
    }
    if !share {
        return Err(differs(format!("the machine has a private copy of {path} ({id} without share=on)")));
    }
    Ok(())
}

fn check_place(device: &Present, wanted: &Wanted) -> Result<(), QmpError> {
    let elsewhere = wanted.bus.as_ref().is_some_and(|bus| *bus != device.bus)
        || wanted.slot.is_some_and(|slot| slot != device.slot);
    if elsewhere {
        return Err(differs(format!("the device is on {}, slot {:#x}", device.bus, device.slot)));
    }
    Ok(())
}

/// What query-memdev says of the memory, which counts what is really mapped.
fn memory_is_so(monitor: &mut Monitor, backend: &Backend) -> Result<bool, MonitorError> {
    let all = monitor.execute("query-memdev", &json!({}))?;
    let is_it = |memory: &Value| {
        memory["id"] == backend.id.as_str() && memory["size"] == backend.size && memory["share"] == true
    };
    Ok(all.as_array().is_some_and(|all| all.iter().any(is_it)))
}
