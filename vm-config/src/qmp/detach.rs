//! Takes the device out: the guest lets go of it first, then its memory goes.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Backend, Ids, Monitor, MonitorError, Present, QmpError, Survey};
use crate::Shmem;

/// How long QEMU may hold on to the memory of a device that is gone: other threads may be about to look at it.
const RELEASE: Duration = Duration::from_secs(2);
/// How often that is tried.
const TRY: Duration = Duration::from_millis(20);

/// What there is to take out of a machine.
#[derive(Debug, Clone)]
pub struct Detachment {
    devices: Vec<(Present, Backend)>,
    /// Memory of ours without a device.
    left_over: Option<Backend>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detached {
    /// All of it is out.
    Gone,
    /// The guest has not let go of a device: why, if that is known.
    Held {
        /// The device.
        device: String,
        /// Why.
        why: String,
    },
}

impl Detachment {
    /// Every device of the machine for `region`, whatever its size, and memory that an earlier detach has left.
    #[must_use]
    pub fn plan(survey: &Survey, region: &Shmem) -> Self {
        let path = region.path();
        let devices: Vec<_> =
            survey.showing(&path).map(|(device, backend)| (device.clone(), backend.clone())).collect();
        let own = Ids::of(region).backend;
        let used = |backend: &Backend| devices.iter().any(|(_, used)| used.id == backend.id);
        let left_over =
            survey.backends.iter().find(|it| it.id == own && it.path == path && !used(it)).cloned();
        Self { devices, left_over }
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty() && self.left_over.is_none()
    }

    /// Takes it out, and tells each step to `tell`. Waits for the guest as long as the monitor's patience lasts.
    ///
    /// # Errors
    ///
    /// [`QmpError::Monitor`].
    pub fn carry_out(
        &self,
        monitor: &mut Monitor,
        tell: &mut dyn FnMut(String),
    ) -> Result<Detached, QmpError> {
        for (device, backend) in &self.devices {
            let name = if device.id.is_empty() { &device.path } else { &device.id };
            tell(format!("device_del {name}: on {}, slot {:#x}", device.bus, device.slot));
            if let Some(why) = let_go(monitor, &device.path)? {
                return Ok(Detached::Held { device: name.clone(), why });
            }
            tell(format!("the guest has let go of {name}"));
            release(monitor, &backend.id)?;
            tell(format!("object-del {}: {}", backend.id, backend.path));
        }
        if let Some(backend) = &self.left_over {
            release(monitor, &backend.id)?;
            tell(format!("object-del {}: {}, left by an earlier detach", backend.id, backend.path));
        }
        Ok(Detached::Gone)
    }
}

/// Asks the guest to let go of the device at `path`, and waits until it has. `Some` says why it has not.
pub(super) fn let_go(monitor: &mut Monitor, path: &str) -> Result<Option<String>, MonitorError> {
    let deadline = Instant::now() + monitor.patience();
    match monitor.execute("device_del", &json!({ "id": path })) {
        // Somebody has asked before, and the guest may still answer.
        Err(MonitorError::Refused { reason, .. }) if reason.contains("in the process of unplug") => {}
        asked => drop(asked?),
    }
    let of_it = |event: &Value| event["data"]["path"] == path;
    match monitor.wait_for(of_it, deadline)? {
        Some(event) if event["event"] == "DEVICE_DELETED" => Ok(None),
        Some(_) => Ok(Some("its kernel refuses: something uses the device".to_owned())),
        None => Ok(Some(format!(
            "not within {} s: it is paused, still booting, or has no PCI hot-plug",
            monitor.patience().as_secs_f64()
        ))),
    }
}

/// Removes the memory of a device that is gone.
pub(super) fn release(monitor: &mut Monitor, backend: &str) -> Result<(), MonitorError> {
    let deadline = Instant::now() + RELEASE;
    loop {
        match monitor.execute("object-del", &json!({ "id": backend })) {
            Err(MonitorError::Refused { reason, .. })
                if reason.contains("in use") && Instant::now() < deadline =>
            {
                thread::sleep(TRY);
            }
            released => return released.map(drop),
        }
    }
}
