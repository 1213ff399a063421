//! What machine it is, which devices of ours are in it, and its PCI buses.

use serde_json::{Value, json};

use super::monitor::unexpected;
use super::{Monitor, MonitorError, QmpError, owner};

/// Where QEMU keeps devices that it was asked for: those with an id, and those without.
const DEVICES: [&str; 2] = ["/machine/peripheral", "/machine/peripheral-anon"];
/// Where it keeps memory and other objects.
const OBJECTS: &str = "/objects";
/// The device.
pub(super) const DEVICE: &str = "ivshmem-plain";
/// The memory that it shows.
pub(super) const BACKEND: &str = "memory-backend-file";
/// The ports that take one device each.
const PORTS: [&str; 3] = ["pcie-root-port", "ioh3420", "xio3130-downstream"];

/// A running machine as its monitor describes it.
#[derive(Debug, Clone)]
pub struct Survey {
    /// The machine type, such as `pc-q35-7.2`.
    pub machine: String,
    /// Its PCI buses: those of the chipset first.
    pub buses: Vec<Bus>,
    /// Its `ivshmem-plain` devices.
    pub present: Vec<Present>,
    /// The files that it has as memory.
    pub backends: Vec<Backend>,
}

/// What a PCI bus belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BusKind {
    /// The chipset.
    Root,
    /// A conventional bridge: slots 1 to 31.
    Bridge,
    /// A PCI Express port: slot 0 alone.
    Port,
    /// Something that takes no devices of this kind.
    Other,
}

/// A PCI bus.
#[derive(Debug, Clone)]
pub struct Bus {
    /// Its name, which need not be the only one.
    pub name: String,
    /// What it belongs to.
    pub kind: BusKind,
    /// Whether QEMU takes devices there while the machine runs.
    pub plugs: bool,
    /// Whether the firmware's tables tell the guest of devices that come: every guest can then hot-plug there.
    pub acpi: bool,
    /// Whose each slot is that is taken.
    pub taken: Vec<(u8, String)>,
}

/// An `ivshmem-plain` device of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// Its path in QEMU, by which it can be named whether it has an id or not.
    pub path: String,
    /// Its id; empty without one.
    pub id: String,
    /// The name of its bus.
    pub bus: String,
    /// Its slot there.
    pub slot: u8,
    /// Its memory, if that is a file.
    pub backend: Option<Backend>,
}

/// Memory that is a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Its id.
    pub id: String,
    /// The file.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Whether others see what is written there.
    pub share: bool,
}

impl Survey {
    /// Asks the machine.
    ///
    /// # Errors
    ///
    /// [`QmpError::Libvirt`] if it is one of libvirt's, [`QmpError::NoIvshmem`] if it cannot have the device,
    /// [`QmpError::Monitor`].
    pub fn of(monitor: &mut Monitor) -> Result<Self, QmpError> {
        let mut asked = Asked { monitor };
        let objects = asked.raw_list(OBJECTS)?;
        owner::check_process(asked.monitor, &objects)?;
        let types = asked.monitor.execute("qom-list-types", &json!({ "implements": "pci-device" }))?;
        if !types.as_array().is_some_and(|types| types.iter().any(|it| it["name"] == DEVICE)) {
            return Err(QmpError::NoIvshmem { version: asked.monitor.version().to_owned() });
        }
        let machine = asked.text("/machine", "type")?;
        let machine = machine.strip_suffix("-machine").unwrap_or(&machine).to_owned();
        let backends = asked.backends(&objects)?;
        let mut buses = asked.root_buses()?;
        let mut present = Vec::new();
        for (path, id, kind) in asked.devices()? {
            if kind == DEVICE {
                present.push(asked.present(&path, id, &backends)?);
            } else {
                buses.extend(asked.buses_of(&path, &kind)?);
            }
        }
        Ok(Self { machine, buses, present, backends })
    }

    /// The devices that show the file `path`.
    pub fn showing(&self, path: &str) -> impl Iterator<Item = (&Present, &Backend)> {
        self.present.iter().filter_map(move |device| {
            let backend = device.backend.as_ref()?;
            (backend.path == path).then_some((device, backend))
        })
    }
}

/// The questions that a survey asks.
struct Asked<'a> {
    monitor: &'a mut Monitor,
}

impl Asked<'_> {
    fn raw_list(&mut self, path: &str) -> Result<Vec<Value>, MonitorError> {
        match self.monitor.execute("qom-list", &json!({ "path": path }))? {
            Value::Array(list) => Ok(list),
            other => Err(unexpected("qom-list", &other)),
        }
    }

    /// The properties of an object that are objects themselves, by name and kind.
    fn children(&mut self, path: &str) -> Result<Vec<(String, String)>, MonitorError> {
        Ok(self.raw_list(path)?.iter().filter_map(child).collect())
    }

    fn get(&mut self, path: &str, property: &str) -> Result<Value, MonitorError> {
        self.monitor.execute("qom-get", &json!({ "path": path, "property": property }))
    }

    fn text(&mut self, path: &str, property: &str) -> Result<String, MonitorError> {
        match self.get(path, property)? {
            Value::String(text) => Ok(text),
            other => Err(unexpected("qom-get", &other)),
        }
    }

    /// Every device that was asked for: its path, its id, its kind.
    fn devices(&mut self) -> Result<Vec<(String, String, String)>, MonitorError> {
        let mut all = Vec::new();
        for folder in DEVICES {
            for (name, kind) in self.children(folder)? {
                let id = if folder == DEVICES[0] { name.clone() } else { String::new() };
                all.push((format!("{folder}/{name}"), id, kind));
            }
        }
        Ok(all)
    }

    fn backends(&mut self, objects: &[Value]) -> Result<Vec<Backend>, MonitorError> {
        let files = objects.iter().filter_map(child).filter(|(_, kind)| kind == BACKEND);
        let mut all = Vec::new();
        for (id, _) in files {
            let path = format!("{OBJECTS}/{id}");
            let (size, share) = (self.get(&path, "size")?, self.get(&path, "share")?);
            let size = size.as_u64().ok_or_else(|| unexpected("qom-get", &size))?;
            let share = share.as_bool().ok_or_else(|| unexpected("qom-get", &share))?;
            all.push(Backend { id, path: self.text(&path, "mem-path")?, size, share });
        }
        Ok(all)
    }

    fn present(&mut self, path: &str, id: String, backends: &[Backend]) -> Result<Present, MonitorError> {
        let memory = self.text(path, "memdev")?;
        let backend = backends.iter().find(|backend| memory == format!("{OBJECTS}/{}", backend.id)).cloned();
        let bus = self.text(path, "parent_bus")?;
        let bus = bus.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(Present { path: path.to_owned(), id, bus, slot: self.slot(path)?, backend })
    }

    /// The slot of a PCI device: QEMU's property has its function in the lowest three bits.
    fn slot(&mut self, path: &str) -> Result<u8, MonitorError> {
        let addr = self.get(path, "addr")?;
        let slot = addr.as_u64().and_then(|addr| u8::try_from(addr >> 3).ok());
        slot.ok_or_else(|| unexpected("qom-get", &addr))
    }

    fn root_buses(&mut self) -> Result<Vec<Bus>, MonitorError> {
        let mut all = Vec::new();
        for (name, kind) in self.children("/machine")? {
            if kind.ends_with("pcihost") {
                all.extend(self.buses_of(&format!("/machine/{name}"), &kind)?);
            }
        }
        Ok(all)
    }

    /// The PCI buses of a bridge, a port or a chipset; none of anything else.
    fn buses_of(&mut self, owner: &str, kind: &str) -> Result<Vec<Bus>, MonitorError> {
        let mut all = Vec::new();
        for (name, bus) in self.children(owner)? {
            let kind = match bus.as_str() {
                "PCI" | "PCIE" if kind.ends_with("pcihost") => BusKind::Root,
                "PCI" => BusKind::Bridge,
                "PCIE" if PORTS.contains(&kind) => BusKind::Port,
                "PCIE" => BusKind::Other,
                _ => continue,
            };
            let path = format!("{owner}/{name}");
            // A port can be told to take nothing; its bus has a handler all the same.
            let port_plugs = kind != BusKind::Port || self.get(owner, "hotplug")? != Value::Bool(false);
            all.push(self.bus(&path, name, kind, port_plugs)?);
        }
        Ok(all)
    }

    fn bus(
        &mut self,
        path: &str,
        name: String,
        kind: BusKind,
        port_plugs: bool,
    ) -> Result<Bus, MonitorError> {
        let properties = self.raw_list(path)?;
        let acpi = properties.iter().any(|property| property["name"] == "acpi-pcihp-bsel");
        let mut taken = Vec::new();
        for property in &properties {
            let (Some(name), Some(kind)) = (property["name"].as_str(), property["type"].as_str()) else {
                continue;
            };
            if name.starts_with("child[") {
                let device = self.text(path, name)?;
                let kind = kind.trim_start_matches("link<").trim_end_matches('>');
                taken.push((self.slot(&device)?, kind.to_owned()));
            }
        }
        // A link to nothing reads as nothing.
        let plugs = port_plugs && !self.text(path, "hotplug-handler")?.is_empty();
        Ok(Bus { name, kind, plugs, acpi, taken })
    }
}

/// Name and kind of a property that is an object of its owner's: `child<KIND>`.
fn child(property: &Value) -> Option<(String, String)> {
    let kind = property["type"].as_str()?.strip_prefix("child<")?.strip_suffix('>')?;
    Some((property["name"].as_str()?.to_owned(), kind.to_owned()))
}
